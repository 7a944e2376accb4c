"""Children: hops that lead on from here. Their frames pass by the header; whoever asked for one hears how it fares.

A child is started and waited for in a thread of its own: before Python 3.3 a fork waits for imports, which may wait
for the loop. All else of it happens in the loop's thread.
"""
SPAWN, KEEP, GIVE, BEHIND, LEAVE = range(10, 15)
STARTED, NOISE, ENDED, ASKED, REFUSED = range(26, 31)
MAGIC = pack('>H', 0xfeb1)
MAX_NOISE, MAX_TAIL, MAX_REFUSED, MAX_WAITING = 1 << 20, 1 << 16, 100, 1 << 25
MAX_FILES = 1 << 16
# select(2) knows none from 1024 on.
MAX_SELECTED = 960
# By context: the child that leads there. By number: messages for more than one child.
below = {}
kept = {}
ended = []
starting = thread.allocate_lock()
core = started.s
receive_own, pump_own = receive, pump


class Polling:
    """For the core's loop in the place of the module `select`: select(2) takes no descriptor beyond 1023, poll(2) any."""
    error = select.error

    def select(self, reading, writing, broken, seconds=None):
        wanted = {}
        for fds, events in (reading, 1), (writing, 4):
            for fd in fds:
                wanted[fd] = wanted.get(fd, 0) | events
        poller = poll()
        for fd in wanted:
            poller.register(fd, wanted[fd])
        if seconds is not None:
            seconds = int(seconds * 1000 + .999)
        ready = dict(poller.poll(seconds))
        for fd in ready:
            # POLLNVAL: it has been closed meanwhile.
            if ready[fd] & 32:
                raise select.error(errno.EBADF, os.strerror(errno.EBADF))
        return [fd for fd in reading if ready.get(fd, 0) & ~4], [fd for fd in writing if ready.get(fd, 0) & ~1], []


def open_files():
    """Allows this process many open files, where it may have them; returns what gives a child back the limit that was there."""
    # Without our own finder: it would ask, and what answers waits for us.
    finders = sys.meta_path[:]
    sys.meta_path[:] = [finder for finder in finders if not isinstance(finder, Misses)]
    try:
        try:
            import resource
            limit = resource.getrlimit(resource.RLIMIT_NOFILE)
            most = limit[1]
            if not 0 <= most < MAX_FILES:
                most = MAX_FILES
            if 0 <= limit[0] < most:
                resource.setrlimit(resource.RLIMIT_NOFILE, (most, limit[1]))
            return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, limit)
        except Exception:
            return int
    finally:
        sys.meta_path[:] = finders


poll = getattr(select, 'poll', None)
restore = int
if poll:
    select = Polling()
    restore = open_files()


class Queue:
    """Frames on their way out: by priority, and in turns by stream. The lock is held."""

    def __init__(self):
        self.turns, self.waiting, self.size = [[], [], []], {}, 0

    def push(self, kind, flags, to, source, number, body):
        flow = to, source, number
        if kind == RESET:
            # What the stream still had to say is of no use any more.
            for turns in self.turns:
                if flow in turns:
                    turns.remove(flow)
            self.size -= sum([22 + len(waits[1]) for waits in self.waiting.pop(flow, [])])
        if flow not in self.waiting:
            self.waiting[flow] = []
            self.turns[min(flags & 3, 2)].append(flow)
        # What goes to several is there once until it leaves.
        self.waiting[flow].append((pack('>BBIII', kind, flags, to, source, number), body))
        self.size += 22 + len(body)

    def take(self):
        """About a window of frames."""
        taken, size = [], 0
        for turns in self.turns:
            while turns and size < WINDOW:
                flow = turns.pop(0)
                head, body = self.waiting[flow].pop(0)
                head += body
                taken.append(pack('>HHI', 0xfeb1, len(body), zlib.crc32(head) & 0xffffffff) + head)
                size += len(taken[-1])
                if self.waiting[flow]:
                    turns.append(flow)
                else:
                    del self.waiting[flow]
        self.size -= size
        return taken


upward = Queue()


def pump():
    """As in the core, and what comes from below takes turns with what is ours; the lock is held."""
    while 1:
        if not outbox:
            outbox.extend(upward.take())
        pump_own()
        if outbox or not upward.size:
            break
    if ended and not upward.size:
        os.write(wake, pack('B', 0))


def receive(kind, flags, to, source, number, body):
    """One frame from the link; what is for a child that has gone is dropped."""
    if to == me:
        receive_own(kind, flags, to, source, number, body)
    elif source not in ancestors:
        raise ValueError('broken frame')
    elif to in below:
        below[to].push(kind, flags, to, source, number, body)


class Hop:
    """One child, its link, and what is told of it on the stream that asked for it."""
    answers = tty = None

    def __init__(self, stream, order):
        self.stream, self.context = stream, order['context']
        self.argv, self.terminal, self.token = order['argv'], order['terminal'], order['token']
        self.is_ssh = order['helper']
        # The parent's HELLO has the keepalive and the nonce at fixed places.
        self.marker = order['hello'][11:27][::-1]
        self.noise = self.data = self.said = self.shown = EMPTY
        self.queue, self.unwritten = Queue(), EMPTY
        self.started = self.pid = self.missed = self.refused = self.sent = 0
        self.heard, self.quiet = os.times()[4], None
        self.cause = self.exit = self.error = self.link = None
        hello = pack('>BBIII', HELLO, 0, self.context, me, 0) + order['hello']
        self.unwritten = order['start']
        if order['core']:
            self.unwritten += core
        self.unwritten += pack('>HHI', 0xfeb1, len(hello) - 14, zlib.crc32(hello) & 0xffffffff) + hello
        below[self.context] = self
        if order['core']:
            self.open(guard[22:])
        stream.handle, stream.cancel = self.told, lambda: self.finish('asked', 0)
        thread.start_new_thread(self.run, ())

    def run(self):
        """Starts the child and waits for its end."""
        try:
            self.start()
            while 1:
                try:
                    self.exit = os.waitpid(self.pid, 0)[1]
                    break
                except OSError:
                    if sys.exc_info()[1].errno != errno.EINTR:
                        break
            tell('spared.pop(%d, 0)', self.pid)
        except (OSError, IOError):
            self.error = sys.exc_info()[1].strerror
        ended.append(self)
        os.write(wake, pack('B', 0))

    def start(self):
        """Raises OSError where that fails; a program that cannot be run tells its errno through a pipe."""
        # Here, in a thread of its own: an import may wait for others, and they for the loop.
        import _socket
        starting.acquire()
        try:
            link, theirs = _socket.socketpair()
            errors, their_errors = os.pipe()
            failed, failing = os.pipe()
            for fd in link.fileno(), theirs.fileno(), errors, their_errors, failed, failing:
                fcntl.fcntl(fd, 2, 1)
            if failing > MAX_SELECTED and not poll:
                for fd in errors, their_errors, failed, failing:
                    os.close(fd)
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
            if self.terminal:
                self.tty = Terminal(self)
            self.pid = os.fork()
            if not self.pid:
                self.become([theirs.fileno(), their_errors, failing])
        finally:
            starting.release()
        tell('spared[%d] = 1', self.pid)
        theirs.close()
        os.close(their_errors)
        os.close(failing)
        failure = os.read(failed, 99)
        os.close(failed)
        if failure:
            os.waitpid(self.pid, 0)
            link.close()
            os.close(errors)
            raise OSError(int(failure), os.strerror(int(failure)))
        link.setblocking(0)
        self.link, self.errors = link, private(errors)
        lock.acquire()
        if self.cause:
            # Has been asked to go meanwhile.
            kill(-self.pid)
        readers[self.errors] = self.read_errors
        readers[link.fileno()] = self.read
        writers[link.fileno()] = self.write
        lock.release()
        os.write(wake, pack('B', 0))
        if self.tty:
            thread.start_new_thread(self.tty.watch, ())

    def become(self, fds):
        """In the fork: turns into the program."""
        try:
            os.setsid()
            for number in (signal.SIGPIPE, signal.SIGINT):
                signal.signal(number, signal.SIG_DFL)
            if self.tty:
                fds.append(self.tty.slave)
                if not self.is_ssh:
                    # What sudo, su and doas say of a failure is known by their own words.
                    os.environ.update({'LC_HOPVINE': os.environ.get('LANGUAGE', ''), 'LANGUAGE': 'C'})
            # Out of the way of what the program is to have, and gone when it runs.
            fds = [fcntl.fcntl(fd, 0, 10) for fd in fds]
            for fd in fds:
                fcntl.fcntl(fd, 2, 1)
            for fd in range(3, 10):
                try:
                    os.close(fd)
                except OSError:
                    pass
            for fd in 0, 1:
                os.dup2(fds[0], fd)
            os.dup2(fds[1], 2)
            if self.tty:
                self.tty.control(fds[0], fds[3])
            restore()
            os.execvp(self.argv[0], self.argv)
        except:
            os.write(fds[2], utf8('%d' % getattr(sys.exc_info()[1], 'errno', 0)))
        os._exit(127)

    def told(self, tag, body, end):
        """From above: to end orderly (0) or at once (1), or what its terminal is to be told."""
        if tag == LEAVE and body == pack('B', 1):
            self.finish('asked', 0)
        elif tag == LEAVE:
            self.push(BYE, 0, self.context, me, 0, EMPTY)
            self.finish('asked', .5)
        elif self.answers:
            self.answers(body)

    def report(self, tag, body=EMPTY, end=0):
        lock.acquire()
        self.stream.put(tag, body, end)
        lock.release()

    def push(self, *frame):
        """A frame for the child or what is behind it."""
        lock.acquire()
        self.queue.push(*frame)
        if self.link and not self.cause:
            writers[self.link.fileno()] = self.write
        lock.release()

    def open(self, message):
        """A message of one frame on a stream of its own."""
        self.sent += 2
        self.push(OPEN, INTERACTIVE | END, self.context, me, self.sent, message)

    def write(self):
        lock.acquire()
        try:
            if not self.unwritten:
                self.unwritten = EMPTY.join(self.queue.take())
            self.unwritten = self.unwritten[os.write(self.link.fileno(), self.unwritten):]
        except OSError:
            if sys.exc_info()[1].errno != errno.EAGAIN:
                # What it still has to say may be read, and tells why.
                self.unwritten = EMPTY
                self.queue = Queue()
        if not self.unwritten and not self.queue.size and self.link.fileno() in writers:
            del writers[self.link.fileno()]
            if self.cause:
                self.link.shutdown(1)
        lock.release()

    def read(self):
        """Reads once; returns whether there was anything. One that asks and takes no answer is not listened to."""
        if self.queue.size > MAX_WAITING:
            return
        try:
            got = os.read(self.link.fileno(), WINDOW)
        except OSError:
            if sys.exc_info()[1].errno == errno.EAGAIN:
                return
            got = EMPTY
        self.missed, self.heard = 0, os.times()[4]
        if self.cause:
            return got
        if not got:
            self.finish('eof', .5)
        elif self.started:
            self.cut(got)
        else:
            self.listen(got)
        return got

    def listen(self, got):
        """Looks for the marker in what may be anything."""
        self.noise += got
        at = self.noise.find(self.marker)
        if at >= 0:
            self.started = 1
            got, self.noise = self.noise[at + 16:], self.noise[:at]
            self.cut(got)
        elif len(self.noise) > MAX_NOISE:
            self.finish('noise', 0)

    def cut(self, got):
        """Cuts what has come into frames; what stands between two is not ours."""
        data, at = self.data + got, 0
        while not self.cause:
            start = data.find(MAGIC, at)
            if start < 0:
                start = len(data)
                if data[at:] and data[-1:] == MAGIC[:1]:
                    start -= 1
            if start > at:
                self.report(NOISE, data[at:min(start, at + 4096)])
            at = start
            if len(data) - at < 22:
                break
            size, crc = unpack('>HI', data[at + 2:at + 8])
            if len(data) - at < 22 + size:
                break
            frame = data[at + 8:at + 22 + size]
            at += 22 + size
            kind, flags, to, source, number = unpack('>BBIII', frame[:14])
            if zlib.crc32(frame) & 0xffffffff != crc or not 0 < kind < 9 or flags > 15 or flags & 3 == 3:
                self.finish('corrupt', 0)
            else:
                self.receive(kind, flags, to, source, number, frame[14:])
        self.data = data[at:]

    def receive(self, kind, flags, to, source, number, body):
        """One frame from the child or from behind it."""
        if below.get(source) is not self or kind < OPEN and source != self.context:
            self.refuse(source, 'sent a frame in the name of context %d' % source)
            self.finish('forged', 0)
        elif kind == HELLO and self.started == 1:
            self.started = 2
            self.report(STARTED, body)
        elif kind == BYE:
            self.finish('bye', .5)
        elif kind in (HELLO, PING):
            self.finish('rules', 0)
        elif kind == PONG or to == me and kind != OPEN:
            joined(kind, flags, source, number, body)
        elif to in ancestors:
            lock.acquire()
            upward.push(kind, flags, to, source, number, body)
            lock.release()
        else:
            self.push(RESET, 0, source, me, number, pack('B', 2))
            self.refuse(source, 'context %d addressed context %d, which it may not' % (source, to))

    def refuse(self, source, why):
        self.refused += 1
        if self.refused > MAX_REFUSED:
            self.finish('forged', 0)
        else:
            self.report(REFUSED, utf8(why))

    def read_errors(self):
        try:
            got = os.read(self.errors, WINDOW)
        except OSError:
            return
        if not got:
            self.end_errors()
        self.said = (self.said + got)[-MAX_TAIL:]
        if self.tty and self.terminal == 2:
            # su asks there, and hears the answer on the terminal.
            self.tty.heard(1, got)
        return got

    def end_errors(self):
        """Another child has the number next, so it is forgotten at once."""
        errors, self.errors = self.errors, None
        if readers.pop(errors, 0):
            os.close(errors)

    def beat(self):
        """At the end of each keepalive interval."""
        self.missed += 1
        if self.started and not self.cause:
            if self.missed > 4:
                self.quiet = int((os.times()[4] - self.heard) * 1000)
                self.finish('silent', 0)
            else:
                self.push(PING, 0, self.context, me, 0, EMPTY)

    def finish(self, cause, grace):
        """Nothing more is heard; the child is given time to end by itself."""
        if not self.cause:
            self.cause = cause
            if self.link:
                readers.pop(self.link.fileno(), 0)
                writers[self.link.fileno()] = self.write
            thread.start_new_thread(self.hurry, (grace,))

    def hurry(self, grace):
        """SIGTERM, and SIGKILL where that does not help; a watchdog has processes to find and to end before it goes."""
        patience = .2
        if self.started:
            patience = 4
        readable([], grace)
        for number in (15, 9):
            if self.pid and self.exit is None:
                kill(-self.pid, number)
                # What is stopped hears nothing else.
                kill(-self.pid, 18)
            readable([], patience)

    def over(self):
        """The process has ended: what it has left is read, and told."""
        for again in range(16):
            if not self.link or self.cause or not self.read():
                break
        for again in range(16):
            if not self.link or self.errors not in readers or not self.read_errors():
                break
        # What is still on its way to it, even the word to go, is too late.
        self.cause = self.cause or 'eof'
        if self.link:
            lock.acquire()
            for fds in readers, writers:
                fds.pop(self.link.fileno(), 0)
            lock.release()
            self.link.close()
            self.end_errors()
        for context in [context for context in list(below) if below[context] is self]:
            del below[context]
        self.report(ENDED, dump({
            'cause': self.cause, 'quiet': self.quiet, 'started': bool(self.started), 'exit': self.exit, 'error': self.error,
            'said': self.said + pack('B', 10) + self.shown, 'noise': self.noise[-MAX_TAIL:] * (not self.started)}), END)


def woken_up():
    """Something has changed; an end is told behind all that has come from below."""
    os.read(woken, 99)
    for hop in list(ended):
        if [flow for flow in list(upward.waiting) if below.get(flow[1]) is hop]:
            continue
        ended.remove(hop)
        hop.over()


def beat():
    while 1:
        readable([], keepalive)
        hops = list(below.values())
        for hop in [hop for hop in hops if below.get(hop.context) is hop]:
            hop.beat()
        flush()


def joined(*frame):
    """Takes a frame for a stream that leads on from here; none does before the part `splice` is here."""
    return 0


def give(stream, body):
    """Messages that are kept here, for a child: to use, or to keep for its own children."""
    to, keep = unpack('>IB', body[:5])
    for at in range(5, len(body), 4):
        key = body[at:at + 4]
        if to in below and keep:
            below[to].open(pack('B', KEEP) + key + kept[key])
        elif to in below:
            below[to].open(kept[key])


def behind(stream, body):
    """A context that will be behind a child of ours."""
    context, child = unpack('>II', body)
    if child in below:
        below[context] = below[child]


def unanswered(handle):
    """For messages that have no answer: with them their streams are over."""
    def handler(stream, body):
        handle(stream, body)
        streams.pop((stream.peer, stream.number), 0)
    return handler


handlers[SPAWN] = lambda stream, body: Hop(stream, load(body)[0])
handlers[KEEP] = unanswered(lambda stream, body: kept.update({body[:4]: body[4:]}))
handlers[GIVE] = unanswered(give)
handlers[BEHIND] = unanswered(behind)
readers[woken] = woken_up
thread.start_new_thread(beat, ())
