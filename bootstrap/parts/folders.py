"""Folders that are held open, and the way to one: no symbolic link of another user leads anywhere."""
DOT = utf8('.')
UP = DOT + DOT
NOFOLLOW = getattr(os, 'O_NOFOLLOW', 0)
# O_PATH holds folders that may not be listed too; older Pythons have no name for it.
HELD = getattr(os, 'O_DIRECTORY', 0) | NOFOLLOW | getattr(os, 'O_PATH', sys.platform[:5] == 'linux' and 1 << 21)
# What is in a folder is reached by its descriptor, or by way of that.
AT = os.rename in getattr(os, 'supports_dir_fd', ())
WAY = os.path.exists('/proc/self/fd') and '/proc/self/fd/%d'


def which(info):
    """What tells a folder from all others."""
    if not stat.S_ISDIR(info.st_mode):
        raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    return info.st_dev, info.st_ino


class Folder:
    """A folder that is held open: what is done in it is done there, whatever its path leads to meanwhile. Where that
    cannot be, its path is looked at just before."""
    fd = id = None

    def __init__(self, path, above=None, name=ROOT):
        self.path = path
        if AT or WAY:
            try:
                if above:
                    self.fd = above.at(os.open, name, HELD)
                else:
                    self.fd = os.open(name, HELD)
            except OSError:
                # One that may not be listed, and has to be for this.
                if sys.exc_info()[1].errno != errno.EACCES:
                    raise
        if self.fd is None:
            self.id = which(os.lstat(path))

    def __del__(self):
        if self.fd is not None:
            os.close(self.fd)

    def below(self, name):
        if name == UP:
            return Folder(os.path.dirname(self.path), self, name)
        return Folder(os.path.join(self.path, name), self, name)

    def confirm(self):
        """Its path still leads to it."""
        if which(os.lstat(self.path)) != (self.id or which(self.at(os.lstat, DOT))):
            raise Refused('%s: another folder has taken the place of that one' % show(self.path))

    def at(self, call, name, *words, **how):
        """What a call of the system's does with that name in it."""
        if AT and self.fd is not None:
            how['dir_fd'] = self.fd
            return call(name, *words, **how)
        return call(self.way(name), *words, **how)

    def way(self, name):
        if WAY and self.fd is not None:
            return utf8(WAY % self.fd + '/') + name
        self.confirm()
        return os.path.join(self.path, name)

    def itself(self, call, *words):
        """One that may not be entered has no dot."""
        if WAY and self.fd is not None:
            return call(WAY % self.fd, *words)
        return self.at(call, DOT, *words)

    def move(self, name, folder, to):
        """Gives what has that name a place in a folder of the same device."""
        if AT and None not in (self.fd, folder.fd):
            os.rename(name, to, **{'src_dir_fd': self.fd, 'dst_dir_fd': folder.fd})
        else:
            os.rename(self.way(name), folder.way(to))

    def remove(self, name):
        try:
            self.at(os.unlink, name)
        except (OSError, Refused):
            pass

    def link(self, name):
        """What a symbolic link says; None of what is none. One of another user may lead anywhere, and is refused."""
        info = self.at(os.lstat, name)
        if stat.S_ISLNK(info.st_mode):
            path = show(os.path.join(self.path, name))
            if info.st_uid not in (0, os.geteuid()):
                raise Refused('%s is a symbolic link of another user' % path)
            link, after = self.at(os.readlink, name), self.at(os.lstat, name)
            if (after.st_ino, after.st_ctime) != (info.st_ino, info.st_ctime):
                raise Refused('%s has changed while it was followed' % path)
            return link


def names(path):
    """In a path, the first one last."""
    return [name for name in path.split(ROOT)[::-1] if name not in (EMPTY, DOT)]


def place(path):
    """The folder that the last name of a path is in, and that name, with no symbolic link on the way from the root."""
    rest, folder, links = names(path), Folder(ROOT), 0
    while rest:
        name, link = rest.pop(), None
        if name != UP:
            try:
                link = folder.link(name)
            except OSError:
                if rest or sys.exc_info()[1].errno != errno.ENOENT:
                    raise
        if link is not None:
            links += 1
            if links > 40:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
            if link[:1] == ROOT:
                folder = Folder(ROOT)
            rest += names(link)
        elif rest or name == UP:
            folder = folder.below(name)
        else:
            return folder, name
    return folder, DOT
