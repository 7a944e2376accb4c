"""Data files beside the user's modules, for importlib.resources (its abstract classes ResourceReader and Traversable)."""


def resources(package):
    return Reader(package)


class Reader:
    """importlib.resources up to 3.8 asks for names, later for files()."""

    def __init__(self, package):
        self.package = package

    def files(self):
        return Resource(self.package, '', True)

    def open_resource(self, name):
        return self.files().joinpath(name).open('rb')

    def resource_path(self, name):
        # There is no such file here: the caller makes a temporary one.
        raise IOError(errno.ENOENT, 'only in memory', name)

    def is_resource(self, name):
        return (name, False) in self.files().entries()

    def contents(self):
        return iter([name for name, folder in self.files().entries()])


class Resource:
    """A file or folder of a package's folder."""

    def __init__(self, package, path, folder=None):
        self.package, self.path, self.folder = package, path, folder

    def name(self):
        return os.path.basename(self.path) or self.package.split('.')[-1]
    name = property(name)

    def __repr__(self):
        return 'Resource(%r, %r)' % (self.package, self.path)

    def __str__(self):
        return self.path

    def content(self):
        try:
            return served(self.package, self.path)
        except IOError:
            return None

    def entries(self):
        """Returns [(name, is a folder)]."""
        content = self.content()
        if type(content) is not list:
            raise IOError(errno.ENOTDIR, 'not a folder of ' + self.package, self.path)
        return content

    def is_dir(self):
        if self.folder is None:
            self.folder = type(self.content()) is list
        return self.folder

    def is_file(self):
        return self.folder is not True and type(self.content()) is Bytes

    def exists(self):
        return self.content() is not None

    def iterdir(self):
        for name, folder in self.entries():
            yield Resource(self.package, os.path.join(self.path, name), folder)

    def joinpath(self, *names):
        return Resource(self.package, os.path.join(self.path, *[str(name) for name in names]))

    def __truediv__(self, name):
        return self.joinpath(name)

    def read_bytes(self):
        content = served(self.package, self.path)
        if type(content) is list:
            raise IOError(errno.EISDIR, 'a folder', self.path)
        return content

    def read_text(self, encoding='utf-8', errors='strict'):
        return self.open('r', encoding, errors).read()

    def open(self, mode='r', encoding='utf-8', errors='strict', **more):
        import io
        file = io.BytesIO(self.read_bytes())
        if 'b' in mode:
            return file
        return io.TextIOWrapper(file, encoding or 'utf-8', errors, **more)
