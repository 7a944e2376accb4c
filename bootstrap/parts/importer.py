"""Modules from above: the user's own roots first; site-packages at the first module that is missing."""
roots = {}
sources = {}


def learn(stream, body):
    """Names that the user's roots hold, and sources pushed ahead of their import."""
    (names, modules), end = load(body)
    for name in names:
        roots[name] = True
    for module in modules:
        sources[module[0]] = module[1:]


class Loader:
    """Runs a source from above; tells inspect and traceback what they ask."""

    def __init__(self, name):
        self.name = name
        self.package, self.path, self.source = sources[name]

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        code = compile(self.source.replace(CR, EMPTY) + LF, self.path, 'exec', 0, 1)
        exec(code, module.__dict__)

    def load_module(self, name):
        module = sys.modules.setdefault(name, type(sys)(name))
        module.__file__ = self.path
        module.__loader__ = self
        module.__package__ = name
        if self.package:
            module.__path__ = [os.path.dirname(self.path)]
        else:
            module.__package__ = '.'.join(name.split('.')[:-1])
        try:
            self.exec_module(module)
        except:
            del sys.modules[name]
            raise
        return sys.modules[name]

    def is_package(self, name):
        return self.package

    def get_source(self, name):
        return self.source.decode('utf-8', 'replace')


class Roots:
    """First on sys.meta_path: what the user's roots hold."""

    def find_module(self, name, path=None):
        if name not in sources and name.split('.')[0] in roots:
            answer = ask(NEED, utf8(name))
            sources[name] = answer and load(answer[1])[0]
        if sources.get(name):
            return Loader(name)

    def find_spec(self, name, path=None, target=None):
        loader = self.find_module(name)
        if loader:
            spec = sys.modules['_frozen_importlib'].ModuleSpec(
                name, loader, origin=loader.path, is_package=loader.package)
            spec.has_location = True
            if loader.package:
                spec.submodule_search_locations.append(os.path.dirname(loader.path))
            return spec


def importer(name, path):
    """The first miss: loads site, as a Python without -S -E would have, and looks again."""
    import site
    folders = [folder for folder in os.environ.get('PYTHONPATH', '').split(os.pathsep) if folder not in sys.path]
    sys.path[:0] = [folder for folder in folders if folder]
    if hasattr(site, 'main'):
        site.main()
    if path is None:
        path = sys.path
    for library in ('_frozen_importlib_external', '_frozen_importlib'):
        finder = getattr(sys.modules.get(library), 'PathFinder', None)
        if finder:
            return (getattr(finder, 'find_spec', None) or finder.find_module)(name, path)
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
sys.meta_path.insert(0, Roots())
