"""What only the interpreter of the script can import, for code elsewhere: modules and their data files. Nothing is
imported to find it, and no question is an error."""
import os
import pkgutil
import re
import sys

from hopvine.names import PYTHON_2

MODULE, PACKAGE, NAMESPACE, EXTENSION = range(4)
# Each interpreter has its own of these.
OURS = ('hopvine', 'hopvine_core', '__main__', '__mp_main__')
NAME = re.compile(r'[^\W\d]\w*(\.[^\W\d]\w*)*$', re.UNICODE)
COMPILED = ('.so', '.pyd', '.dll')
LIBRARY = os.path.realpath(os.path.dirname(os.__file__)) + os.sep
standard = {}


def answer(request):
    """Returns what is found for a module's name: (kind, path, source, names in a package); or for `data:PACKAGE:PATH`:
    bytes, or [(name, is it a folder)]; else None."""
    try:
        if request[:5] == 'data:':
            return data(*request[5:].split(':', 1))
        return module(request)
    except Exception:
        return None


def is_standard(name):
    """Whether a module belongs to Python itself."""
    top = name.split('.')[0]
    if top not in standard:
        standard[top] = of_python(top)
    return standard[top]


def of_python(top):
    if top in sys.builtin_module_names or top in getattr(sys, 'stdlib_module_names', ()):
        return True
    if hasattr(sys, 'stdlib_module_names'):
        return False
    found = find(top)
    path = found and os.path.realpath(found.path) or ''
    return path.startswith(LIBRARY) and '-packages' not in path[len(LIBRARY):] or found is not None and not path


class Found:
    """Who loads a module, from which file, and the folders of a package."""

    def __init__(self, loader, path, folders):
        self.loader, self.path, self.folders = loader, path, folders

    def is_namespace(self):
        """Whether it is a package of folders only."""
        return self.folders is not None and (self.loader is None or 'NamespaceLoader' in type(self.loader).__name__)


def find(name):
    """Returns what the interpreter would load by that name, or None."""
    loaded = sys.modules.get(name)
    if loaded is not None:
        return of_loaded(name, loaded)
    path = None
    if '.' in name:
        parent = find(name[:name.rindex('.')])
        path = parent and parent.folders
        if path is None:
            return None
    for finder in list(sys.meta_path):
        found = None
        if hasattr(finder, 'find_spec') and not PYTHON_2:
            try:
                found = of_spec(finder.find_spec(name, path))
            except KeyError:
                # Python's own looks for the parent of a namespace package among what is loaded.
                folders = [os.path.join(folder, name.split('.')[-1]) for folder in path]
                found = Found(None, '', [folder for folder in folders if os.path.isdir(folder)])
        elif hasattr(finder, 'find_module'):
            found = of_loader(name, finder.find_module(name, path))
        if found:
            return found
    if PYTHON_2:
        return by_path(name, path)


def of_loaded(name, loaded):
    spec = getattr(loaded, '__spec__', None)
    loader = getattr(loaded, '__loader__', None)
    path = getattr(loaded, '__file__', None)
    folders = getattr(loaded, '__path__', None)
    if spec:
        found = of_spec(spec)
        # A module may have put another in its place, or added folders to its package.
        found.folders = folders and list(folders) or found.folders
        return found
    if loader or path or folders:
        if path and path[-4:] in ('.pyc', '.pyo'):
            path = path[:-1]
        return Found(loader, path or '', folders and list(folders) or None)


def of_spec(spec):
    if spec:
        path = spec.origin
        if not spec.has_location:
            path = ''
            if hasattr(spec.loader, 'get_filename'):
                path = spec.loader.get_filename(spec.name)
        folders = spec.submodule_search_locations
        if folders is not None:
            folders = list(folders)
        return Found(spec.loader, path or '', folders)


def of_loader(name, loader):
    """What Python 2 has in place of a spec."""
    if loader:
        path, folders = '', None
        for ask in 'get_filename', '_get_filename':
            if hasattr(loader, ask):
                path = getattr(loader, ask)(name) or ''
                break
        if path[-4:] in ('.pyc', '.pyo'):
            path = path[:-1]
        if loader.is_package(name):
            folders = [os.path.dirname(path)]
        return Found(loader, path, folders)


def by_path(name, path):
    """The import of Python 2, whose own way is not in sys.meta_path."""
    if path is None:
        path = sys.path
    for folder in path:
        importer = pkgutil.get_importer(folder)
        found = importer and of_loader(name, importer.find_module(name))
        if found:
            return found


def module(name):
    if not NAME.match(name) or name.split('.')[0] in OURS or is_standard(name):
        return None
    found = find(name)
    if not found:
        return None
    if found.path.endswith(COMPILED):
        return EXTENSION, found.path, b_empty, []
    names = []
    if found.folders is not None:
        names = names_in(name, found.folders)
        if found.is_namespace():
            return NAMESPACE, found.folders[0], b_empty, names
    source = source_of(name, found)
    if source is None:
        return None
    kind = MODULE
    path = found.path or name.replace('.', '/') + '.py'
    if found.folders is not None:
        kind = PACKAGE
        path = found.path or name.replace('.', '/') + '/__init__.py'
    return kind, path, source, names


def source_of(name, found):
    """The bytes of a module's source; None where there is none."""
    if found.path[-3:] == '.py':
        if hasattr(found.loader, 'get_data'):
            try:
                return found.loader.get_data(found.path)
            except (IOError, OSError):
                pass
        elif os.path.isfile(found.path):
            return read(found.path)
    text = None
    if hasattr(found.loader, 'get_source'):
        text = found.loader.get_source(name)
    if text is None or isinstance(text, type(b_empty)):
        return text
    # It has been decoded by what its first lines say.
    lines = text.split('\n', 2)
    lines[:2] = [re.sub('coding[:=]', 'coding', line) for line in lines[:2]]
    return '\n'.join(lines).encode('utf-8')


def read(path):
    file = open(path, 'rb')
    try:
        return file.read()
    finally:
        file.close()


def names_in(name, folders):
    """All that can be imported from these folders: what is not among it is not asked for."""
    names = set([each[len(name) + 1:].split('.')[0] for each in list(sys.modules) if each.startswith(name + '.')])
    names.update([each[1] for each in pkgutil.iter_modules(folders)])
    for folder in folders:
        if os.path.isdir(folder):
            names.update([each for each in os.listdir(folder)
                          if NAME.match(each) and each != '__pycache__' and os.path.isdir(os.path.join(folder, each))])
    return sorted(names)


def data(package, path):
    parts = path.split('/')
    if not NAME.match(package) or package.split('.')[0] in OURS or is_standard(package) or os.path.isabs(path) or '..' in parts:
        return None
    found = find(package)
    # Any folder is a namespace package: only one that the program has imported is meant as such.
    if not found or found.folders is None or found.is_namespace() and package not in sys.modules:
        return None
    for folder in found.folders:
        if os.path.isdir(folder):
            value = in_folder(os.path.realpath(folder), path)
        else:
            value = in_archive(found.loader, folder, path)
        if value is not None:
            return value


def in_folder(folder, path):
    """A file or folder that is really there, wherever links lead."""
    place = os.path.realpath(os.path.join(folder, path))
    if place != folder and not place.startswith(folder + os.sep):
        return None
    if os.path.isdir(place):
        return [(name, os.path.isdir(os.path.join(place, name))) for name in sorted(os.listdir(place))]
    if os.path.isfile(place):
        return read(place)


def in_archive(loader, folder, path):
    """What a loader gives; only those of zip files list it."""
    place = os.path.join(folder, path)
    try:
        return loader.get_data(place)
    except (IOError, OSError):
        pass
    archive = getattr(loader, 'archive', None)
    if not archive or not place.startswith(archive + os.sep):
        return None
    import zipfile
    file = zipfile.ZipFile(archive)
    try:
        prefix = place[len(archive) + 1:].strip('/') + '/'
        entries = {}
        for name in file.namelist():
            if name.startswith(prefix) and name != prefix:
                parts = name[len(prefix):].split('/')
                entries[parts[0]] = entries.get(parts[0]) or len(parts) > 1
    finally:
        file.close()
    return entries and sorted(entries.items()) or None


b_empty = ''.encode('ascii')
