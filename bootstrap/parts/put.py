"""Files from above: each is written under another name, compared, and only then takes its place."""
PUT = 18
ENTRY, CONTENT, HOLE, SUM = range(20, 24)
# What another machine may send that does not say how much it is.
MAX_UNSIZED = 64 << 20
NUL = pack('B', 0)
NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | NOFOLLOW
# What all windows together may have grown by: 16 MiB.
room = [256 * WINDOW]
# So much of a file is written before the system is to begin with the disk.
EAGER = 128 * WINDOW
# As in src/proto/stream/window.rs, which says why. Of all transfers.
MAX_WINDOW, LEAST_WINDOW = 64 * WINDOW, 4 * WINDOW
SLACK, LEAST = .002, .01
clock = getattr(time, 'monotonic', time.time)
quickest, usual, peak = [], 0, 0
umask = os.umask(63)
os.umask(umask)
# Should this process be killed, the watchdog removes what is not whole, wherever that is by then, as the last it does.
tell('''import os
os.unfinished = {}
def begun(name):
 try:
  os.unfinished[name] = os.open(os.path.dirname(name), %d)
 except OSError:
  pass
def ended(name):
 if name in os.unfinished:
  os.close(os.unfinished.pop(name))
def leave(status, leave=os._exit):
 for name in os.unfinished:
  try:
   os.fchdir(os.unfinished[name])
   os.unlink(os.path.basename(name))
  except OSError:
   pass
 leave(status)
os.begun, os.ended, os._exit = begun, ended, leave''', HELD)
unfinished = {}


def exit_clean(status, leave=os._exit):
    """The same, where somebody has killed the watchdog."""
    if os.getpid() == agent:
        for folder, name in list(unfinished):
            folder.remove(name)
    leave(status)


os._exit = exit_clean


def unused():
    """A name that nobody can guess."""
    return utf8('%02x' * 8 % unpack('8B', os.urandom(8)))


def stamp(path, mtime, **how):
    """Sets the times of path, or of an open file, to so many nanoseconds since 1970."""
    if hasattr(os, 'supports_fd'):
        how['ns'] = mtime, mtime
        os.utime(path, **how)
    else:
        seconds = mtime * 1e-9
        if mtime < 0:
            # Before 1970 these Pythons leave fractions out: the nearest, and not the one behind.
            seconds = (mtime + 500000000) // 1000000000
        os.utime(path, (seconds, seconds))


class Put(Transfer):
    fd = round = None
    late = ()
    doubles = 1
    # In all: what may be sent, what has been used up; what of it has been taken out of the room.
    window = allowed = WINDOW
    spent = grown = 0

    def __init__(self, *first):
        self.take_in()
        Transfer.__init__(self, *first)
        # A piece of a message that is not whole cannot wait for the rest.
        self.wire.grant = self.used
        # The order has come on the same credit. A byte too few, and each round would seem to wait for the next.
        self.spent = self.wire.taken

    def work(self):
        order = self.order
        self.tree, self.keep = order['tree'], order['keep']
        self.unpacker = order['packed'] and zlib.decompressobj(-15)
        # Folders of the tree by name, with their devices; by device a folder and the name there for what is not whole.
        self.devices, self.temps, self.late = {}, {}, []
        if order['path'] is None:
            self.path = self.fresh()
        else:
            self.path = named(order['path'])
        self.base, self.own = place(self.path)
        self.path = self.root = self.base.path
        if self.own != DOT:
            self.path = self.root = os.path.join(self.base.path, self.own)
        # What is at the root, once it is a folder; the folder below that was used last.
        self.top, self.last = None, (EMPTY, None)
        end = 0
        while not end:
            self.wait(lambda: self.news)
            tag, body, end, owed = self.news.pop(0)
            lock.release()
            if body and tag != ENTRY and self.fd is None:
                raise Refused('refused: contents of no file')
            if tag == ENTRY:
                self.entry(body)
            elif tag == CONTENT and body:
                self.write(self.unpacked(body))
            elif tag == HOLE:
                self.skip(unpack('>Q', body)[0])
            elif tag == SUM and body:
                self.close(body)
            elif tag == SUM:
                self.drop()
            self.used(owed)
        if self.fd is not None or not self.files:
            raise Refused('%s has not come whole' % show(self.path))
        while self.late:
            self.settle_folder()
        self.path = self.root
        if self.tree:
            (self.top or self.base).confirm()

    def fresh(self):
        for folder in os.environ.get('TMPDIR'), '/tmp', '/var/tmp', '.':
            if folder and os.access(folder, os.W_OK | os.X_OK):
                return os.path.join(named(getattr(os, 'fsencode', str)(folder)), utf8('hopvine-') + unused())
        raise Refused('no folder for temporary files can be written')

    def used(self, size):
        """Gives credit for what has been written, so that as much is on its way as keeps the link busy, and little more."""
        lock.acquire()
        self.spent += size
        self.look_back()
        open = self.allowed - self.spent
        if open <= self.window // 2:
            if self.doubles:
                self.window = min(2 * self.window, MAX_WINDOW)
            self.settle(open)
            # When it began, what was used up, the first byte and the last that it is about, how long the first took.
            self.round = self.round or [clock(), self.spent, self.allowed, self.spent + self.window, None]
            control(CREDIT, self.wire.peer, self.wire.number, pack('>I', self.window - open))
            self.allowed = self.spent + self.window
            pump()
        lock.release()

    def settle(self, open):
        """Takes from the room what is needed, as far as that is there, and gives back what is not; the lock is held."""
        room[0] += self.grown
        self.grown = min(max(self.window, open) - WINDOW, room[0])
        room[0] -= self.grown
        self.window = max(min(self.window, WINDOW + self.grown), open)

    def look_back(self):
        """Where a round has ended, the window becomes what drains in the time that it may take; the lock is held."""
        global usual, peak
        if not self.round or self.spent <= self.round[2]:
            return
        began, start, first, last, trip = self.round
        took = max(clock() - began, .000001)
        if trip is None:
            trip = self.round[4] = took
            quickest[:] = [min(quickest + [took])]
        if self.spent < last:
            return
        self.round = None
        rate = (self.spent - start) / took
        peak = max(peak * .99, rate)
        beside = min(max(trip - (first - start) / peak, quickest[0]), quickest[0] + LEAST)
        usual = (usual * 7 + beside) / 8
        limit = 2 * max(usual, quickest[0]) + SLACK
        if self.doubles and took <= limit:
            return
        self.doubles = 0
        least = max(min(rate * LEAST, LEAST_WINDOW), WINDOW)
        if self.window <= least and trip > limit:
            quickest[0] = trip
        drains = min(max(rate * limit, self.window / 2), self.window * 2)
        self.window = int(min(max(drains, least), MAX_WINDOW))

    def unpacked(self, data):
        if self.unpacker:
            try:
                data = self.unpacker.decompress(data, WINDOW)
            except zlib.error:
                raise Refused('what has come is not compressed as it should be')
            if self.unpacker.unconsumed_tail:
                raise Refused('more than 64 KiB in one piece')
        return data

    def entry(self, body):
        kind, mode, mtime, size, length = unpack(ENTRY_HEAD, body[:23])
        name, rest = body[23:23 + length], body[23 + length:]
        self.check(kind, name)
        self.exact = size != UNKNOWN
        if self.order.get('foreign') and not self.exact:
            size = MAX_UNSIZED
        self.path = self.root
        self.folder, self.name = self.base, self.own
        if name:
            self.path = os.path.join(self.root, name)
            above, self.name = os.path.split(name)
            self.folder = self.inside(above)
        self.files += 1
        if kind == FOLDER:
            self.make_folder(name, mode, mtime)
        elif kind == LINK:
            folder, temp = self.temp(name)
            folder.at(lambda temp, **how: os.symlink(rest, temp, **how), temp)
            if self.keep and os.utime in getattr(os, 'supports_follow_symlinks', ()):
                folder.at(stamp, temp, mtime, **{'follow_symlinks': False})
            folder.move(temp, self.folder, self.name)
        else:
            self.open(name, mode, mtime, size)
            if kind == WHOLE:
                self.write(self.unpacked(rest[20:]))
                self.close(rest[:20])

    def check(self, kind, name):
        """Who sends may be another machine than the one whose user has named the root."""
        if self.fd is not None:
            raise Refused('%s has not come whole' % show(self.path))
        odd = [below for below in name.split(ROOT) if below in (EMPTY, DOT, UP)]
        if name and (odd or not self.tree or NUL in name or os.path.dirname(name) not in self.devices):
            raise Refused('refused: the name %s leads elsewhere' % show(name))
        if not name and (self.files or kind == LINK or kind == FOLDER and not self.tree) or kind > FILE:
            raise Refused('refused: something else in the place of a file')

    def inside(self, name):
        """A folder of the tree. Beside the root only the last one is held, however many there are."""
        here, folder = self.last
        if name != here:
            if name[:len(here) + 1] != here + ROOT:
                here, folder = EMPTY, self.top
            for below in names(name[len(here):])[::-1]:
                folder = folder.below(below)
            self.last = name, folder
        return folder

    def make_folder(self, name, mode, mtime):
        """Makes one as it will be, but that we may write to it, and not everybody; opens one that is there to us."""
        if self.keep:
            mode &= 4095
        else:
            mode = mode & 511 & ~umask
        meanwhile = mode & ~2 | 448
        made = 1
        try:
            self.folder.at(os.mkdir, self.name, meanwhile & 511)
        except OSError:
            if sys.exc_info()[1].errno != errno.EEXIST:
                raise
            made = 0
        try:
            folder = self.folder.below(self.name)
        except OSError:
            if sys.exc_info()[1].errno not in (errno.ENOTDIR, errno.ELOOP):
                raise
            # Nor may a symbolic link lead out of the tree.
            raise Refused('%s is there, and is no folder' % show(self.path))
        self.top = self.top or folder
        self.last = name, folder
        info = folder.itself(os.stat)
        self.devices[name] = info.st_dev
        there = info.st_mode & 4095
        if not made:
            meanwhile = there | 448
            if not self.keep:
                mode = there
        elif not self.keep:
            # It has inherited its group, and that all in it does.
            mode |= there & 1024
            meanwhile |= there & 1024
        if there != meanwhile:
            try:
                folder.itself(os.chmod, meanwhile)
                there = meanwhile
            except OSError:
                # If that matters, what comes into it tells.
                pass
        if self.keep or there != mode:
            self.late.append((name, mode, mtime))

    def settle_folder(self):
        """Gives the last folder that waits for it what is due to it; those in it have it already."""
        name, mode, mtime = self.late.pop()
        self.path = self.root
        if name:
            self.path = os.path.join(self.root, name)
        folder = self.inside(name)
        folder.itself(os.chmod, mode)
        if self.keep:
            folder.itself(stamp, mtime)

    def temp(self, name):
        """A folder on the device of that place, and a name there that all files of a tree use in turn."""
        device = name and self.devices[os.path.dirname(name)]
        if device not in self.temps:
            found = self.temps[device] = self.folder, utf8('.hopvine-') + unused()
            unfinished[found] = 1
            tell('import os;os.begun(%r)', os.path.join(found[0].path, found[1]))
        return self.temps[device]

    def open(self, name, mode, mtime, size):
        try:
            there = self.folder.at(os.lstat, self.name).st_mode
            if stat.S_ISDIR(there):
                raise Refused('%s is a folder; name the file in it, or end the name with /' % show(self.path))
            if not stat.S_ISREG(there) and not stat.S_ISLNK(there):
                raise Refused('%s is a device, a socket or a pipe, and no file' % show(self.path))
        except OSError:
            if sys.exc_info()[1].errno != errno.ENOENT:
                raise
        if self.keep:
            mode &= 4095
        elif self.order['mode'] is not None:
            mode = self.order['mode']
        elif self.tree:
            mode = mode & 511 & ~umask
        else:
            mode = 420
        self.expected, self.mode, self.mtime = size, mode, mtime
        self.entered = name
        self.named = self.tree or not self.unnamed()
        if self.named:
            folder, temp = self.temp(name)
            self.fd = folder.at(os.open, temp, NEW, 384)
        self.at, self.hash, self.hole, self.begun = 0, sha1(), 0, 0

    def unnamed(self):
        """A file that has no name until it is whole, so that nobody has to remove it; returns whether that can be."""
        try:
            if AT and WAY:
                self.fd = self.folder.at(os.open, DOT, os.O_TMPFILE | os.O_WRONLY, 384)
        except (OSError, AttributeError):
            pass
        return self.fd is not None

    def write(self, data):
        self.at += len(data)
        if self.at > self.expected:
            raise Refused('%s has become larger on the way' % show(self.path))
        self.hash.update(data)
        self.hole = 0
        while data:
            data = data[os.write(self.fd, data):]
            if self.at - self.begun >= EAGER and not self.tree and hasattr(os, 'posix_fadvise'):
                # Its first effect under Linux is that the system begins to write, so that fsync waits for less.
                os.posix_fadvise(self.fd, self.begun, self.at - self.begun, os.POSIX_FADV_DONTNEED)
                self.begun = self.at

    def skip(self, size):
        """Zeros, which take no room."""
        self.at += size
        if size > 16 * WINDOW or self.at > self.expected:
            raise Refused('%s has become larger on the way' % show(self.path))
        os.lseek(self.fd, size, 1)
        add_zeros(self.hash, size)
        self.hole = 1

    def close(self, expected):
        if self.hash.digest() != expected or self.exact and self.at != self.expected:
            raise Refused('%s has come with another SHA-1 sum than it was sent with' % show(self.path))
        if self.hole:
            os.ftruncate(self.fd, self.at)
        folder, temp = self.temp(self.entered)
        where = self.fd
        if os.utime not in getattr(os, 'supports_fd', ()):
            where = WAY and WAY % self.fd or folder.way(temp)
        if hasattr(os, 'fchmod'):
            os.fchmod(self.fd, self.mode)
        else:
            os.chmod(where, self.mode)
        if self.keep:
            stamp(where, self.mtime)
        if not self.tree:
            os.fsync(self.fd)
            folder.confirm()
        if not self.named:
            # A folder's descriptor is what makes it linkat(2), which follows that link.
            folder.at(lambda temp, **how: os.link(WAY % self.fd, temp, **{'dst_dir_fd': how['dir_fd']}), temp)
        fd, self.fd = self.fd, None
        os.close(fd)
        folder.move(temp, self.folder, self.name)
        self.size += self.at
        if not self.tree:
            self.sum = self.hash.hexdigest()

    def drop(self):
        """One of many that its sender cannot read to its end."""
        if self.fd is None or not self.tree:
            raise Refused('%s has not come whole' % show(self.path))
        os.close(self.fd)
        self.fd = None
        folder, temp = self.temp(self.entered)
        folder.at(os.unlink, temp)
        self.files -= 1

    def clean(self):
        lock.acquire()
        room[0] += self.grown
        lock.release()
        taking.remove(self)
        if self.fd is not None:
            os.close(self.fd)
        for folder, name in getattr(self, 'temps', {}).values():
            folder.remove(name)
            tell('import os;os.ended(%r)', os.path.join(folder.path, name))
            unfinished.pop((folder, name), 0)
        while self.late:
            try:
                self.settle_folder()
            except (OSError, Refused):
                pass
        # Whoever still knows of this transfer keeps none of them open.
        self.base = self.folder = self.top = self.last = self.temps = None


handlers[PUT] = Put
