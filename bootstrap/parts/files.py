"""What put and fetch share: a thread for each transfer, the record of an entry (docs/PROTOCOL.md, "Files").

They import nothing while they are read, as the loop does that: what an old Python misses, the loop would ask itself for.
"""
# os has imported it.
stat = sys.modules['stat']
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


def add_zeros(sum, size, zeros=pack('B', 0) * CHUNK):
    while size:
        sum.update(zeros[:size])
        size -= min(size, CHUNK)


def import_sums():
    """In a transfer's own thread, which may wait for other imports and for the loop."""
    global sha1
    if sys.version_info < (2, 5):
        from sha import new as sha1
    else:
        from hashlib import sha1


class Refused(Exception):
    """Why a file is not moved, for the user."""
    pass


class Cut(Refused):
    """Whoever is at the other end has told why, or has gone."""
    pass


class Gone(Exception):
    """Whoever asked does not want it any more."""
    pass


def show(path):
    return path.decode('utf-8', 'replace')


def named(path):
    """The absolute name for one that the user has given."""
    if path == utf8('~') or path[:2] == utf8('~/'):
        path = os.path.expanduser(path)
    if path[:1] != ROOT:
        path = os.path.join(getattr(os, 'getcwdb', os.getcwd)(), path)
    # What `..` leads to only links tell.
    return ROOT + ROOT.join([name for name in path.split(ROOT) if name not in (EMPTY, utf8('.'))])


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
        take_in()

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
            raise Cut(str())

    def run(self):
        reply = 0, EMPTY
        try:
            try:
                import_sums()
                self.work()
                total = {'path': self.path, 'size': self.size, 'sum': self.sum, 'files': self.files}
                total.update(self.remarks())
                reply = RESULT, dump(total)
            except Gone:
                pass
            except (Refused, EnvironmentError):
                reply = TROUBLE, utf8(self.why())
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

    def why(self):
        """What is to be told of the exception that is being handled."""
        error = sys.exc_info()[1]
        if isinstance(error, Refused):
            return error.args[0]
        return '%s: %s' % (show(self.path), error.strerror)

    def remarks(self):
        return {}

    def clean(self):
        pass
