"""Files to above: as they are named, or whole trees of them."""
FETCH = 19
ENTRY_UP, CONTENT_UP, HOLE_UP, SUM_UP = range(31, 35)
ENTRY_DOWN = 20
MAX_REMARKS = 20
MAX_HOLE = 16 * WINDOW
# Up to 2262.
MAX_TIME = 0x7fffffffffffffff
# Entries that are no longer leave together.
SHORT = 4096


class Fetch(Transfer):
    # Whether a file has been begun that is not at its end.
    half = 0

    def work(self):
        order = self.order
        self.packer = order['packed'] and zlib.compressobj(6, zlib.DEFLATED, -15)
        # Of each kind how many there are, and the first of them.
        self.notes = {'changed': [0], 'skipped': [0], 'unread': [0]}
        # To its very end: nothing of a stream may overtake the rest of it.
        for key in list(bulk):
            if key not in streams:
                bulk.pop(key, 0)
        bulk[self.wire.peer, self.wire.number] = 1
        self.path = self.root = named(order['path'])
        info = os.stat(self.root)
        if not stat.S_ISDIR(info.st_mode):
            self.file(EMPTY)
        elif not order['tree']:
            raise Refused('%s is a folder; -r fetches it with all that is in it' % show(self.root))
        else:
            self.walk(info)
        if self.wire is not self.stream:
            self.offer(CONTENT_UP, EMPTY, END)
        self.path = self.root

    def remarks(self):
        return self.notes

    def note(self, kind, what):
        notes = self.notes[kind]
        notes[0] += 1
        if notes[0] <= MAX_REMARKS:
            notes.append(what)

    def walk(self, info):
        todo = [EMPTY]
        while todo:
            name = todo.pop()
            if name:
                self.path = os.path.join(self.root, name)
            try:
                todo += self.step(name, info)
            except (Refused, EnvironmentError):
                # The rest goes on without it, where it is not all there is, and where there is anybody to go on to.
                if not name or isinstance(sys.exc_info()[1], Cut):
                    raise
                self.note('unread', utf8(self.why()))
                if self.half:
                    self.half = 0
                    self.files -= 1
                    self.offer(SUM_UP, EMPTY)

    def step(self, name, info):
        """Sends what has that name; returns the names that are in it, the first one last."""
        if name:
            info = os.lstat(self.path)
        if stat.S_ISDIR(info.st_mode):
            names = os.listdir(self.path)
            self.entry(FOLDER, info, name)
            names.sort()
            return [os.path.join(name, below) for below in names[::-1]]
        if stat.S_ISLNK(info.st_mode):
            self.entry(LINK, info, name, os.readlink(self.path))
        elif stat.S_ISREG(info.st_mode):
            self.file(name)
        else:
            self.note('skipped', self.path)
        return []

    def entry(self, kind, info, name, rest=EMPTY, size=0):
        mtime = getattr(info, 'st_mtime_ns', None)
        if mtime is None:
            mtime = int(info.st_mtime * 1e9)
        mtime = max(min(mtime, MAX_TIME), -MAX_TIME)
        self.files += 1
        self.offer(ENTRY_UP, pack(ENTRY_HEAD, kind, info.st_mode & 4095, mtime, size, len(name)) + name + rest)

    def offer(self, tag, body, end=0):
        unsent, many = self.wire.unsent, WAITING
        if len(body) < SHORT:
            many *= 8
        if len(unsent) < many:
            self.wait(lambda: 1)
        else:
            flush()
            self.wait(lambda: len(self.wire.unsent) <= WAITING // 2)
        if self.wire is not self.stream:
            # Whoever takes it is told as from above.
            tag -= ENTRY_UP - ENTRY_DOWN
        self.wire.put(tag, body, end)
        lock.release()
        if (len(body) >= SHORT or len(unsent) > 2 * WAITING) and link_out not in writers:
            flush()

    def packed(self, data):
        if self.packer:
            return self.packer.compress(data) + self.packer.flush(zlib.Z_SYNC_FLUSH)
        return data

    def file(self, name):
        fd = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
        try:
            self.contents(fd, name)
        finally:
            os.close(fd)

    def contents(self, fd, name):
        info = os.fstat(fd)
        if not stat.S_ISREG(info.st_mode):
            raise Refused('%s is a device, a socket or a pipe, and no file' % show(self.path))
        size, at = info.st_size, 0
        data = os.read(fd, min(CHUNK, size) or CHUNK)
        sum = sha1(data)
        if len(data) < min(size, CHUNK) and not info.st_blocks:
            # A file of the kernel's own that tells more than there is.
            size = len(data)
        if size == len(data) <= SMALL:
            self.entry(WHOLE, info, name, sum.digest() + self.packed(data), size)
            at = size
        else:
            # Files of the kernel's own tell no size.
            self.entry(FILE, info, name, EMPTY, size or UNKNOWN)
            self.half = 1
            zeros = pack('B', 0) * CHUNK
            # Up to here all is written; whoever has fewer blocks than bytes has holes, or a file system that packs.
            solid = size
            if hasattr(os, 'SEEK_DATA') and info.st_blocks < size // 512:
                solid = 0
            while data:
                at += len(data)
                if data == zeros:
                    self.offer(HOLE_UP, pack('>Q', CHUNK))
                else:
                    self.offer(CONTENT_UP, self.packed(data))
                if solid <= at < size:
                    at, solid = self.hole(fd, at, size, sum)
                data = os.read(fd, min(CHUNK, max(min(size, solid) - at, 0)) or (not size and CHUNK))
                sum.update(data)
            if at < size:
                raise Refused('%s has become shorter while it was read' % show(self.path))
            self.offer(SUM_UP, sum.digest())
            self.half = 0
        after = os.fstat(fd)
        if size and (after.st_size, after.st_mtime) != (info.st_size, info.st_mtime):
            self.note('changed', self.path)
        self.size += at
        if not name:
            self.sum = sum.hexdigest()

    def hole(self, fd, at, size, sum):
        """Skips what is not written; returns where that ends, and where what is written there does."""
        try:
            start = os.lseek(fd, at, os.SEEK_DATA)
            end = os.lseek(fd, start, os.SEEK_HOLE)
        except OSError:
            # Nothing more is written, or the file system knows of no holes.
            start = end = at
            if sys.exc_info()[1].errno == errno.ENXIO:
                start = end = max(at, os.fstat(fd).st_size)
            else:
                end = size
        start = min(start, size)
        os.lseek(fd, start, 0)
        while at < start:
            some = min(start - at, MAX_HOLE)
            add_zeros(sum, some)
            self.offer(HOLE_UP, pack('>Q', some))
            at += some
        return at, end


handlers[FETCH] = Fetch
