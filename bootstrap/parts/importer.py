"""Modules from above: the user's own roots first; site-packages at the first module that is missing."""
MODULES = 5
MODULE, PACKAGE, NAMESPACE, EXTENSION, MISSING = range(5)
# Names at the top of the roots, and what they are; modules that have come: (kind, path, source, names in a package).
roots = {}
sources = {}
pieces = []
site_lock = thread.allocate_lock()
site_loads = []


def learn(stream, body):
    """What the roots hold, and modules: pushed ahead of their import, or in answer to a request."""
    (names, modules), end = load(zlib.decompress(body, -15))
    roots.update(dict(names))
    for module in modules:
        sources[module[0]] = module[1:]


def piece(stream, body):
    """A piece of what is too long for one frame; all that is kept by a relay comes in pieces."""
    pieces.append(body[1:])
    if body[:1] != pack('B', 0):
        learn(stream, EMPTY.join(pieces))
        del pieces[:]


def fetch(name):
    """Returns (kind, path, source, names in it); what is not there is asked for once, or not at all."""
    parent = '.'.join(name.split('.')[:-1])
    if name not in sources and (parent not in sources or name[len(parent) + 1:] in sources[parent][3]):
        answer = ask(NEED, utf8(name))
        if answer:
            learn(None, answer[1])
    return sources.setdefault(name, (MISSING, '', EMPTY, ()))


def served(package, path):
    """Returns the bytes of a file beside a package's modules, or a folder's [(name, is a folder)]."""
    request = utf8('%s:%s' % (package, path))
    value = None
    for how in 'data:', 'bytes:':
        answer = ask(NEED, utf8(how) + request)
        if not answer:
            break
        if answer[0] != MODULES:
            value = load(answer[1])[0]
            break
        # A relay has given it, before this; but to the agent, where we are a process of its own, and to one thread of two.
        given = sources.pop(request, None)
        if given:
            value = load(given[2])[0]
            break
    if value is None or value == []:
        raise IOError(errno.ENOENT, 'the roots have no such file in ' + package, path)
    return value


class Loader:
    """Runs a source from above; tells inspect, pkgutil and traceback what they ask."""

    def __init__(self, name, portions):
        self.name, self.portions = name, portions
        self.kind, self.path, self.source = sources[name][:3]

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        if self.kind == EXTENSION:
            raise ImportError('%s is compiled (%s) and cannot be sent: install it on this host' % (
                self.name, self.path))
        if self.kind != NAMESPACE:
            exec(self.get_code(), module.__dict__)

    def load_module(self, name):
        module = sys.modules.setdefault(name, type(sys)(name))
        module.__loader__ = self
        module.__package__ = name
        if self.kind != NAMESPACE:
            module.__file__ = self.path
        if self.is_package():
            module.__path__ = self.folders()
        else:
            module.__package__ = '.'.join(name.split('.')[:-1])
        # What other threads of Python 3.3 wait for.
        module.__initializing__ = True
        try:
            self.exec_module(module)
        except:
            del sys.modules[name]
            raise
        module.__initializing__ = False
        return sys.modules[name]

    def folders(self):
        folder = self.path
        if self.kind == PACKAGE:
            folder = os.path.dirname(folder)
        return [folder] + self.portions

    def is_package(self, name=None):
        return self.kind in (PACKAGE, NAMESPACE)

    def get_filename(self, name=None):
        return self.path

    def get_code(self, name=None):
        if sys.version_info < (2, 5):
            part('remember')(self.path, self.source.splitlines(True))
        try:
            return compile(self.source.replace(CR, EMPTY) + LF, self.path, 'exec', 0, 1)
        except SyntaxError:
            error = sys.exc_info()[1]
            error.msg = '%s; this is Python %s' % (error.msg, sys.version.split()[0])
            raise

    def get_source(self, name=None):
        for library in '_frozen_importlib_external', '_frozen_importlib':
            decode = getattr(sys.modules.get(library), 'decode_source', None)
            if decode:
                return decode(self.source)
        if Bytes is str:
            return self.source
        return self.source.decode('utf-8', 'replace')

    def get_data(self, path):
        folder = self.folders()[0]
        package = self.name
        if not self.is_package():
            folder, package = os.path.dirname(folder), '.'.join(package.split('.')[:-1])
        if not path.startswith(folder + os.sep):
            raise IOError(errno.ENOENT, 'not in the folder of ' + self.name, path)
        return served(package, path[len(folder) + 1:])

    def get_resource_reader(self, name):
        if self.is_package():
            return part('resources')(self.name)


class Roots:
    """First on sys.meta_path: what the user's roots hold."""

    def find_module(self, name, path=None):
        top = name.split('.')[0]
        if top not in roots:
            return None
        portions = []
        kind = fetch(name)[0]
        if kind == MISSING:
            return None
        if kind == NAMESPACE:
            # An installed package is not hidden by a folder; another folder adds to it.
            load_site()
            regular, portions = installed(name, path)
            if regular:
                if name == top:
                    del roots[top]
                return None
        return Loader(name, portions)

    def find_spec(self, name, path=None, target=None):
        loader = self.find_module(name, path)
        if loader:
            spec = sys.modules['_frozen_importlib'].ModuleSpec(name, loader, is_package=loader.is_package())
            if loader.kind != NAMESPACE:
                spec.origin = loader.path
                spec.has_location = True
            if loader.is_package():
                spec.submodule_search_locations.extend(loader.folders())
            return spec


def installed(name, path):
    """Returns (whether this host has a module or package of that name, its folders of a namespace package)."""
    portions = []
    for finder in sys.meta_path:
        if isinstance(finder, (Roots, Misses)):
            continue
        if hasattr(finder, 'find_spec'):
            spec = finder.find_spec(name, path)
            if spec and (spec.has_location or spec.submodule_search_locations is None):
                return True, []
            if spec:
                portions += list(spec.submodule_search_locations)
        else:
            loader = finder.find_module(name, path)
            # Python 3.3 has a loader for a folder too, with this.
            if loader and not hasattr(loader, '_path'):
                return True, []
            if loader:
                portions += list(loader._path)
    return legacy and found_by_imp(name, path) is not None, portions


def load_site():
    """Brings in what a Python without -S -E has from its start on."""
    me_here = thread.get_ident()
    if site_loads and site_loads[0] in (me_here, 'done'):
        return
    site_lock.acquire()
    try:
        if not site_loads:
            site_loads.append(me_here)
            import site
            folders = os.environ.get('PYTHONPATH', '').split(os.pathsep)
            sys.path[:0] = [folder for folder in folders if folder and folder not in sys.path]
            if hasattr(site, 'main'):
                site.main()
            site_loads[0] = 'done'
            # Not taken out of sys.meta_path: Python 2 goes through that by the length that it had.
            if legacy:
                Misses.find_module = lambda *args: None
            else:
                # What another thread looks for may have been missed before.
                Misses.find_module = Misses.find_spec = lambda self, name, path=None, target=None: importer(name, path)
    finally:
        site_lock.release()


def importer(name, path):
    """The first miss: loads site and looks again."""
    load_site()
    if path is None:
        path = sys.path
    for library in '_frozen_importlib_external', '_frozen_importlib':
        finder = getattr(sys.modules.get(library), 'PathFinder', None)
        if finder:
            return (getattr(finder, 'find_spec', None) or finder.find_module)(name, path)
    return found_by_imp(name, path)


def found_by_imp(name, path):
    import imp
    try:
        return Found(imp.find_module(name.split('.')[-1], path))
    except ImportError:
        return None


class Found:
    """What imp.find_module has found."""

    def __init__(self, found):
        self.found = found

    def load_module(self, name):
        import imp
        return imp.load_module(name, *self.found)


CR, LF = pack('B', 13), pack('B', 10)
handlers[MODULES] = learn
handlers[16] = piece
sys.meta_path.insert(0, Roots())
