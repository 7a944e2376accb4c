"""Programs whose ssh is led elsewhere: what stands in for it is called by them, and calls this agent at a socket.

The stand-in copies between its standard streams and three connections; a fourth brings its words and takes its status.
This agent asks above what the words mean, and is told on which joined streams the rest goes and comes.
"""
LEND, JOIN, INPUT = 44, 40, 3
STAND_IN = '''#!%s
import errno, os, select, socket, sys
try:
    import _thread as thread
except ImportError:
    import thread
here, name = os.path.split(os.path.abspath(sys.argv[0]))
words = sys.argv[1:]
if name != 'ssh':
    for folder in os.environ.get('PATH', os.defpath).split(os.pathsep):
        tool = os.path.join(folder, name)
        if folder != here and os.access(tool, os.X_OK):
            os.execv(tool, [name, '-S', os.path.join(here, 'ssh')] + words)
    sys.stderr.write('hopvine: no %%s is in PATH\\n' %% name)
    sys.exit(127)
if hasattr(os, 'fsencode'):
    words = [os.fsencode(word) for word in words]
zero = '\\0'.encode()
words = zero.join(words)
def call(which, rest=zero[:0]):
    called = socket.socket(socket.AF_UNIX)
    called.connect(os.path.join(here, 'socket'))
    head = '%%d %%d %%d ' %% (os.getpid(), which, len(rest))
    called.sendall(head.encode() + rest)
    return called
# Whoever has started us may have made them not wait, as rsync does.
def patient(step, *waits):
    while 1:
        try:
            return step()
        except EnvironmentError:
            if sys.exc_info()[1].errno not in (errno.EAGAIN, errno.EINTR):
                raise
            try:
                select.select(*waits + ([],))
            except select.error:
                pass
def feed():
    try:
        data = zero
        while data:
            data = patient(lambda: os.read(0, 65536), [0], [])
            streams[0].sendall(data)
    except Exception:
        pass
    try:
        streams[0].shutdown(1)
    except Exception:
        pass
def show(which):
    try:
        data = zero
        while data:
            data = rest = streams[which].recv(65536)
            while rest:
                rest = rest[patient(lambda: os.write(which, rest), [], [which]):]
    except Exception:
        # Nobody reads it any more, and whoever writes is to hear of that.
        os._exit(141)
    if which == 2:
        done.release()
done = thread.allocate_lock()
done.acquire()
try:
    streams = [call(0), call(1), call(2)]
    control = call(3, words)
    thread.start_new_thread(feed, ())
    thread.start_new_thread(show, (2,))
    show(1)
    done.acquire()
    status = control.recv(1)
except Exception:
    status = zero[:0]
if not status:
    sys.stderr.write('hopvine: the way has been lost\\n')
sys.stderr.flush()
os._exit(status and ord(status) or (not status and 255) or 0)
'''
# Of a line that begins a connection, and of the words.
MAX_HEAD, MAX_WORDS = 64, 1 << 20
# More calls at a time wait: select(2) knows 1,024 descriptors.
MAX_CALLS = 150
# What is to be done by the loop.
todo = []
rung, bell = map(private, os.pipe())
SPACE = utf8(' ')
ITEM = 23
# Should this process be killed, the watchdog removes what stands in, as the last that it does.
tell('''import os
os.lent = {}
def part_with(status, leave=os._exit):
 for folder in os.lent:
  try:
   for name in os.listdir(folder):
    os.unlink(folder + '/' + name)
   os.rmdir(folder)
  except OSError:
   pass
 leave(status)
os._exit = part_with''')


def ring():
    os.read(rung, 99)
    while todo:
        todo.pop(0)()


def later(job):
    todo.append(job)
    os.write(bell, pack('B', 0))


readers[rung] = ring


def places():
    """Where a program of ours may be for a while: in memory first."""
    for place in os.environ.get('XDG_RUNTIME_DIR'), '/dev/shm', os.environ.get('TMPDIR'), '/tmp', os.environ.get('HOME'):
        try:
            # ST_NOEXEC.
            if place and os.access(place, os.W_OK | os.X_OK) and not os.statvfs(place)[8] & 8:
                yield place
        except EnvironmentError:
            pass


class Lending:
    """A folder with the stand-ins and a socket, for as long as a program runs that is led to it."""

    def __init__(self, token):
        import socket, tempfile
        self.token, self.callers, self.calls = token, {}, []
        self.socket = socket.socket(socket.AF_UNIX)
        self.folder = None
        for place in places():
            try:
                self.folder = tempfile.mkdtemp('', 'hopvine-', place)
                tell('os.lent[%r] = 1', self.folder)
                # A path may be too long for a socket.
                self.socket.bind(os.path.join(self.folder, 'socket'))
                self.furnish()
                break
            except Exception:
                self.clean()
        if not self.folder:
            raise IOError(errno.EACCES, 'no folder in which programs could be run')
        self.socket.listen(64)
        self.socket.setblocking(0)
        self.fd, self.closed = self.socket.fileno(), 0
        fcntl.fcntl(self.fd, 2, 1)
        readers[self.fd] = self.accept
        os.write(wake, pack('B', 0))

    def furnish(self):
        script = os.open(os.path.join(self.folder, 'ssh'), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 448)
        os.write(script, utf8(STAND_IN % sys.executable))
        os.close(script)
        for name in 'scp', 'sftp':
            os.symlink('ssh', os.path.join(self.folder, name))

    def clean(self):
        if self.folder:
            try:
                for name in os.listdir(self.folder):
                    os.unlink(os.path.join(self.folder, name))
                os.rmdir(self.folder)
            except OSError:
                # Somebody has put something there.
                pass
            tell('os.lent.pop(%r, 0)', self.folder)
        self.folder = None

    def environment(self):
        path = os.environ.get('PATH') or os.defpath
        ssh = os.path.join(self.folder, 'ssh')
        return {'PATH': self.folder + os.pathsep + path, 'GIT_SSH_COMMAND': ssh, 'GIT_SSH_VARIANT': 'ssh', 'RSYNC_RSH': ssh,
                'CVS_RSH': ssh, 'SVN_SSH': ssh, 'ANSIBLE_SSH_EXECUTABLE': ssh}

    def accept(self):
        if len(self.calls) + len(self.callers) > MAX_CALLS:
            # Until one has ended.
            readers.pop(self.fd)
            return
        try:
            called = self.socket.accept()[0]
            # SO_PEERCRED, where there is one; the folder is ours alone anyway.
            if sys.platform[:5] == 'linux' and unpack('3i', called.getsockopt(1, 17, 12))[1] != os.geteuid():
                return called.close()
            fd = private(os.dup(called.fileno()))
            called.close()
        except Exception:
            if sys.exc_info()[1].args[:1] != (errno.EAGAIN,) and self.calls:
                readers.pop(self.fd)
            return
        head = []
        readers[fd] = lambda: self.hear(fd, head)

    def hear(self, fd, head):
        """Byte for byte up to where the line ends: what follows on it is not ours."""
        try:
            while 1:
                line = EMPTY.join(head)
                parts = line.split(SPACE, 3)
                if len(parts) == 4:
                    pid, which, size = [int(part) for part in parts[:3]]
                    if size > MAX_WORDS or which not in range(4):
                        raise ValueError
                    if len(parts[3]) == size:
                        break
                    data = os.read(fd, size - len(parts[3]))
                elif len(line) > MAX_HEAD:
                    raise ValueError
                else:
                    data = os.read(fd, 1)
                if not data:
                    raise ValueError
                head.append(data)
        except OSError:
            if sys.exc_info()[1].errno == errno.EAGAIN:
                return
            return drop(fd)
        except ValueError:
            return drop(fd)
        readers.pop(fd)
        caller = self.callers.setdefault(pid, {})
        if which in caller:
            # Of one that has ended half-way, and had the same number.
            for old in caller.values():
                drop(old)
            caller.clear()
        caller[which] = fd
        if which == 3:
            self.callers.pop(pid)
            if len(caller) < 4:
                return [drop(fd) for fd in caller.values()]
            self.calls.append(Call(self, caller, parts[3]))

    def close(self):
        """Nobody is led to it any more; by the loop."""
        self.closed = 1
        readers.pop(self.fd, 0)
        self.socket.close()
        for call in self.calls[:]:
            call.gone()
        for caller in self.callers.values():
            for fd in caller.values():
                drop(fd)
        self.clean()

    def end(self):
        """The same from another thread, which waits for it."""
        done = []

        def close():
            self.close()
            done.append(1)
        later(close)
        while not done:
            readable([], .005)


def drop(fd):
    readers.pop(fd, 0)
    writers.pop(fd, 0)
    os.close(fd)


class Shown(Input):
    """What is shown by the stand-in; credit is given as it takes that."""
    lost = swift = 0

    def __init__(self, stream, fd):
        Input.__init__(self, stream)
        self.fd = fd

    def close_after(self):
        self.last = 1
        if not self.pieces:
            self.end()

    def broken(self):
        # As a program that nobody reads: it is ended.
        self.lost = 1


class Call:
    """One call of ssh."""
    input = output = None
    ended = heard_all = 0
    status = 255

    def __init__(self, lending, fds, words):
        global number
        self.lending, self.control = lending, fds[3]
        self.source, self.fds = fds[0], [fds[1], fds[2]]
        readers[self.control] = self.gone
        lock.acquire()
        number += 2
        self.stream = Stream(0, number)
        self.stream.handle, self.stream.cancel = self.told, self.lost
        words = words and words.split(pack('B', 0)) or []
        self.stream.put(JOIN, dump({'token': lending.token, 'ssh': words}))
        lock.release()
        flush()

    def told(self, tag, body, end):
        """Where the rest goes, and at last how it has ended, if nothing has told that before."""
        news = load(body)[0]
        lanes = news.get('lanes')
        if lanes and not self.ended:
            peer, input, output = lanes
            lock.acquire()
            self.input, self.output = Wire(peer, input), Wire(peer, output)
            self.input.finish, self.input.cancel = self.moved, lambda: None
            lock.release()
            self.shown = [Shown(self.output, fd) for fd in self.fds]
            # Credit is that of the stream.
            self.shown[1].spend = self.shown[0].spend
            self.output.handle, self.output.cancel = self.heard, self.lost
            readers[self.source] = self.read
        if end:
            self.status = news['status']
            # What has been said is still on its way, with how it has ended, unless something has gone wrong.
            if not self.output or self.output.gone or news['err']:
                for fd, text in zip(self.fds, (news['out'], news['err'])):
                    try:
                        if not self.ended:
                            os.write(fd, text)
                    except OSError:
                        # It has ended, or reads nothing.
                        pass
                self.finish(self.status)

    def read(self):
        """Takes no more before that has gone out; nothing at all tells that nothing more will come."""
        try:
            data = os.read(self.source, WINDOW)
        except OSError:
            if sys.exc_info()[1].errno == errno.EAGAIN:
                return
            data = EMPTY
        readers.pop(self.source, 0)
        lock.acquire()
        self.heard_all = not data
        self.input.put(INPUT, data, not data and END)
        lock.release()

    def moved(self, end):
        """A message has gone out; the lock is held."""
        Stream.finish(self.input, end)
        if not self.heard_all and not self.ended and not self.input.unsent:
            readers[self.source] = self.read
            os.write(wake, pack('B', 0))

    def heard(self, tag, body, end):
        if tag == EXIT:
            status = unpack('>I', body)[0]
            self.finish(status & 127 and 255 or status >> 8 & 255)
        elif not self.ended:
            shown = self.shown[tag == ERRORS]
            shown.take(tag, body, 0)
            if shown.lost:
                self.gone()

    def finish(self, status):
        if self.ended:
            return
        self.ended = 1
        if self.output:
            for shown in self.shown:
                shown.close_after()
        else:
            for fd in self.fds:
                os.close(fd)
        try:
            os.write(self.control, pack('B', status))
        except OSError:
            pass
        self.let_go([self.stream, self.input])
        self.clear()

    def let_go(self, streams_of):
        lock.acquire()
        for stream in streams_of:
            if stream and (stream.peer, stream.number) in streams:
                control(RESET, stream.peer, stream.number, pack('B', 1))
                streams.pop((stream.peer, stream.number), 0)
        lock.release()
        flush()

    def clear(self):
        readers.pop(self.control, 0)
        readers.pop(self.source, 0)
        os.close(self.control)
        os.close(self.source)
        lending = self.lending
        if self in lending.calls:
            lending.calls.remove(self)
        if not lending.closed:
            readers[lending.fd] = lending.accept

    def gone(self):
        """The stand-in has ended before what it was called for; that ends too."""
        if self.ended:
            return
        self.ended = 1
        self.let_go([self.stream, self.input, self.output])
        for fd in self.fds:
            writers.pop(fd, 0)
            os.close(fd)
        self.clear()

    def lost(self):
        """Nothing more can come of it; the lock is held."""
        later(lambda: self.finish(self.status))


def lend(stream, body):
    """Tells the folder and what leads to it; the stream is about that until it is cancelled."""
    try:
        lending = Lending(load(body)[0]['token'])
    except Exception:
        message = str(sys.exc_info()[1])
        lock.acquire()
        stream.put(FAILURE, dump({
            'type': 'hopvine.NoStandIns', 'message': message, 'args': (message,), 'attributes': {}, 'traceback': message,
            'cause': None, 'unsendable': False}), END)
        lock.release()
        return

    def over():
        lending.close()
        lock.acquire()
        stream.over()
        lock.release()
    # The lock is held then.
    stream.cancel = lambda: later(over)
    lock.acquire()
    stream.put(ITEM, dump(lending.environment()))
    lock.release()


handlers[LEND] = lend
