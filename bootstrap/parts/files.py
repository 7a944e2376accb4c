"""What put and fetch share: a thread for each transfer, the record of an entry (docs/PROTOCOL.md, "Files")."""
import stat
try:
    from hashlib import sha1
except ImportError:
    from sha import new as sha1


TROUBLE = 35
FOLDER, LINK, WHOLE, FILE = range(4)
ENTRY_HEAD = '>BIqQH'
CHUNK = 61440
# What is no larger goes with its entry.
SMALL = 32768
UNKNOWN = 0xffffffffffffffff
# Messages of a transfer that wait for credit.
WAITING = 8
ROOT = utf8('/')
# The streams whose messages let all others of the link go first.
bulk = {}
frame_own = frame
# Links that hold so much that the other end need not wait while we do, which spares both of us a turn for each piece.
roomy = []
PAUSE = .0005
# The transfers that take from the link.
taking = []
Stream.quick = 0


def frame(kind, flags, to, number, body):
    if kind in (OPEN, DATA) and (to, number) in bulk:
        flags += 1
    return frame_own(kind, flags, to, number, body)


class Intake:
    """The link while contents come: read into one place, and copied from there but once. What the core does is
    shorter, and copies a frame with each piece that it comes in."""

    def __init__(self):
        self.space = memoryview(bytearray(8 * WINDOW))
        self.start = self.end = 0

    def read(self):
        global data
        space = self.space
        if data:
            self.start, self.end = 0, len(data)
            space[:self.end] = data
            data = EMPTY
        if len(space) - self.end < 2 * WINDOW:
            rest = self.end - self.start
            space[:rest] = space[self.start:self.end].tobytes()
            self.start, self.end = 0, rest
        before = self.end
        self.end += os.readv(link, [space[self.end:]]) or leave(1)
        got = self.end - before
        at = self.start
        while self.end - at >= 22:
            magic, size, crc, kind, flags, to, source, number = unpack('>HHIBBIII', space[at:at + 22])
            end = at + 22 + size
            if self.end < end:
                break
            if magic != 0xfeb1 or zlib.crc32(space[at + 8:end]) != crc:
                raise ValueError('broken frame')
            stream = kind == DATA and size and flags < MORE and to == me and streams.get((source, number))
            if stream and stream.quick and not stream.parts:
                stream.handle(space[at + 22], space[at + 23:end].tobytes(), 0)
            else:
                receive(kind, flags, to, source, number, space[at + 22:end].tobytes())
            at = end
        self.start = at
        if at == self.end:
            self.start = self.end = 0
        if not taking:
            data = space[self.start:self.end].tobytes()
            readers[link] = take
        elif link in roomy and got < WINDOW:
            readable([], PAUSE)


def pump_quick():
    """As the core's, but what is to be written is not copied, and less of it stands before an answer; the lock is held."""
    while 1:
        while ready and len(outbox) < 8:
            stream = ready.pop(0)
            message = stream.unsent[0]
            data, at, end = message
            body = data[at:at + min(stream.credit, 65535)]
            if not body:
                continue
            stream.credit -= len(body)
            message[1] += len(body)
            flags = INTERACTIVE | MORE
            if message[1] == len(data):
                flags = INTERACTIVE | end
                stream.unsent.pop(0)
                stream.finish(end)
            if (stream.peer, stream.number) in bulk:
                flags += 1
            head = pack('>BBIII', stream.opening, flags, stream.peer, me, stream.number)
            crc = zlib.crc32(body, zlib.crc32(head))
            outbox.extend([pack('>HHI', 0xfeb1, len(body), crc) + head, body])
            stream.opening = DATA
            if stream.unsent:
                ready.append(stream)
        if not outbox:
            writers.pop(link_out, 0)
            return
        try:
            done = os.writev(link_out, outbox)
        except OSError:
            if sys.exc_info()[1].errno != errno.EAGAIN:
                leave(1)
            done = 0
        while outbox and done >= len(outbox[0]):
            done -= len(outbox.pop(0))
        if outbox:
            outbox[0] = memoryview(outbox[0])[done:]
            if link_out not in writers:
                writers[link_out] = drain
                os.write(wake, pack('B', 0))
            return


def drain():
    """The link takes more."""
    if link_out in roomy:
        readable([], PAUSE)
    flush()


if hasattr(os, 'writev'):
    # glibc keeps freed memory up to twice the size of what it has once mapped and let go. What passes would otherwise
    # be given back, and faulted in again, piece by piece. Nothing of this is ever touched.
    Bytes(128 * WINDOW)
    if 'pump_own' in globals():
        # What a relay does beside goes on.
        pump_own = pump_quick
    else:
        pump = pump_quick
for fd in link, link_out:
    try:
        # F_SETPIPE_SZ, where it is a pipe. Whatever is said meanwhile waits behind what is in it.
        fcntl.fcntl(fd, 1031, 4 * WINDOW)
        roomy.append(fd)
    except EnvironmentError:
        pass


def add_zeros(sum, size, zeros=pack('B', 0) * CHUNK):
    while size:
        sum.update(zeros[:size])
        size -= min(size, CHUNK)


class Refused(Exception):
    """Why a file is not moved, for the user."""
    pass


class Gone(Exception):
    """Whoever asked does not want it any more."""
    pass


def show(path):
    return path.decode('utf-8', 'replace')


def named(path):
    """The absolute name for one that the user has given."""
    if path[:2] == utf8('~/'):
        path = os.path.expanduser(path)
    if path[:1] != ROOT:
        path = os.path.join(getattr(os, 'getcwdb', os.getcwd)(), path)
    return os.path.normpath(path)


class Transfer:
    """One put or fetch, in a thread of its own: a slow disk stops nobody else."""

    def __init__(self, stream, body):
        self.stream = stream
        self.order = load(body)[0]
        self.news = []
        self.bell = thread.allocate_lock()
        self.path = EMPTY
        self.size = self.files = 0
        self.sum = None
        # What contents come or go on: another than this where a splice leads on.
        self.wire = stream
        if self.order['peer'] is not None:
            lock.acquire()
            self.wire = Stream(self.order['peer'], self.order['stream'])
            lock.release()
            self.wire.opening, self.wire.ends = DATA, 1
            stream.cancel = self.ring
        self.wire.handle = self.take
        self.wire.cancel = self.ring
        self.wire.finish = self.moved
        self.wire.hold = self.wire.quick = 1
        thread.start_new_thread(self.run, ())

    def take_in(self):
        """This one takes from the link, until it leaves `taking`; only from the loop's thread."""
        taking.append(self)
        if len(taking) == 1 and hasattr(os, 'readv') and readers[link] is take:
            readers[link] = Intake().read

    def take(self, tag, body, end):
        lock.acquire()
        # Of what came in several frames, all but the last has been granted.
        owed, self.wire.owed = self.wire.owed or len(body) + 1, 0
        self.news.append((tag, body, end, owed))
        self.ring()
        lock.release()

    def moved(self, end):
        """A message has gone out, or one direction has ended; the lock is held."""
        Stream.finish(self.wire, end)
        if len(self.wire.unsent) <= WAITING // 2:
            self.ring()

    def ring(self):
        """The lock is held."""
        if self.bell.locked():
            self.bell.release()

    def wait(self, ready):
        """Waits until that is so, and returns with the lock held."""
        lock.acquire()
        while not ready() and not self.stream.gone and not self.wire.gone:
            lock.release()
            self.bell.acquire()
            lock.acquire()
        if self.stream.gone or self.wire.gone:
            lock.release()
            if self.stream.gone:
                raise Gone
            # Whoever is at the other end has told why, or has gone.
            raise Refused(str())

    def run(self):
        reply = 0, EMPTY
        try:
            try:
                self.work()
                total = {'path': self.path, 'size': self.size, 'sum': self.sum, 'files': self.files}
                total.update(self.remarks())
                reply = RESULT, dump(total)
            except Gone:
                pass
            except Refused:
                reply = TROUBLE, utf8(sys.exc_info()[1].args[0])
            except EnvironmentError:
                reply = TROUBLE, utf8('%s: %s' % (show(self.path), sys.exc_info()[1].strerror))
            except:
                reply = FAILURE, part('failure')(sys.exc_info())
        finally:
            self.clean()
        self.wire.handle = lambda *message: None
        lock.acquire()
        if self.wire is not self.stream and reply[0] != RESULT:
            control(RESET, self.wire.peer, self.wire.number, pack('B', 1))
            streams.pop((self.wire.peer, self.wire.number), 0)
        self.stream.put(*reply + (END,))
        lock.release()
        flush()

    def remarks(self):
        return {}

    def clean(self):
        pass
