"""This process becomes the program that is sent (src/relay): in memory only, in place, with the link and what has been
read ahead. The watchdog stays and hears the same orders from it."""
NATIVE, RESULT_NONE = 17, utf8('n')


class Arrival:
    """The program on its way: {'arch', 'size', 'sum', 'build', 'title'}, then its bytes, deflated, and their end."""

    def __init__(self, stream, order):
        self.stream, self.order, self.size, self.crc = stream, order, 0, 0
        self.inflate = zlib.decompressobj(-15)
        stream.handle = self.take
        try:
            if os.uname()[4] != order['arch']:
                raise OSError(errno.ENOEXEC, 'this machine is ' + os.uname()[4])
            self.memory = private(memory())
            lock.acquire()
            stream.put(RESULT, RESULT_NONE)
            lock.release()
            flush()
        except (EnvironmentError, AttributeError, ImportError):
            self.fail(sys.exc_info()[1])

    def fail(self, error):
        self.stream.handle = lambda *message: None
        lock.acquire()
        self.stream.put(FAILURE, dump(str(error)), END)
        lock.release()
        flush()

    def take(self, tag, body, end):
        got = self.inflate.decompress(body)
        while got:
            try:
                done = os.write(self.memory, got)
            except EnvironmentError:
                # A limit of file sizes, or of memory.
                return self.fail(sys.exc_info()[1])
            self.size, self.crc = self.size + done, zlib.crc32(got[:done], self.crc)
            got = got[done:]
        if end:
            # In a thread: it waits for a child. Then in the loop's, behind the frame that is being read.
            thread.start_new_thread(self.check, ())

    def check(self):
        """Has a fork run it, which tells whether it is whole and can run here."""
        self.path = '/proc/self/fd/%d' % self.memory
        status = self.size != self.order['size'] or self.crc & 0xffffffff != self.order['sum']
        if not status:
            pid = os.fork()
            if not pid:
                try:
                    os.execv(self.path, ['hopvine', 'relay', '--is', self.order['build']])
                finally:
                    os._exit(126)
            status = os.waitpid(pid, 0)[1]
            # The program begins what it begins without a look at the watchdog.
            readable([adopts], 2)
        if status:
            self.fail('it does not run here (%d)' % status)
        else:
            readers[woken] = self.become
            os.write(wake, pack('B', 0))

    def become(self):
        os.read(woken, 99)
        lock.acquire()
        # All that is queued leaves before.
        fcntl.fcntl(link_out, 4, fcntl.fcntl(link_out, 3) & ~os.O_NONBLOCK)
        pump()
        ahead = memory()
        os.write(ahead, hello + data)
        os.lseek(ahead, 0, 0)
        for fd, place in enumerate((link, link_out, last_words, private(ahead), order, start, starts)):
            os.dup2(place, fd)
        os.execv(self.path, [self.order['title'], 'relay', '--resumed', str(self.stream.number)])


def memory():
    """A file that is in memory only."""
    create = getattr(os, 'memfd_create', None)
    if create:
        return create('hopvine', 0)
    # Without our own finder: it would ask, and what answers waits for us.
    finders = sys.meta_path[:]
    sys.meta_path[:] = [finder for finder in finders if not isinstance(finder, Misses)]
    try:
        import _ctypes
    finally:
        sys.meta_path[:] = finders
    function = _ctypes.dlsym(_ctypes.dlopen(None, 0), 'memfd_create')
    fd = _ctypes.call_function(function, (utf8('hopvine'), 0))
    if fd < 0:
        raise OSError(errno.ENOSYS, 'no memfd_create')
    return fd


handlers[NATIVE] = lambda stream, body: Arrival(stream, load(body)[0])
