"""A script's way to its controller: a process that is there from the start (`hopvine py`), or starts with the first use.

It ends, with all that it has started, when the script does: by a goodbye, or as the socket closes.
"""
import atexit
import fcntl
import itertools
import os
import socket
import subprocess
import struct
import sys

try:
    import _thread as thread
except ImportError:
    import thread

from hopvine import functions, wire
from hopvine.errors import HopvineError, of_error, shown
from hopvine.link import Link

VERSION = 1
CHANNEL = 37
TUNNEL, OPENED, ERROR, ASK, PUT, FETCH, MOVED, FOUND, NOTE, SETUP, NEED = 64, 65, 66, 67, 68, 69, 70, 71, 72, 73, 22
GRANT, ASIDE = 74, 75
# How long a controller may take to end all that it has started.
PATIENCE_SECONDS = 5
# Started by a shell that ends at once, so that it is no child of the script's: neither os.wait() nor a handler
# for SIGCHLD meets it.
START = 'exec 3<&0; "$@" <&3 3<&- &'
ENDED = 'the controller is gone: %s (%s)'


class Connection(object):
    """One way to a context, from the order to connect to its end. `state`: 'connecting', 'open' or 'closed'; then
    `error` is what ended it, or None where it was asked to. `python`: that interpreter's sys.hexversion, once open."""

    numbers = itertools.count(1)

    def __init__(self, tunnel):
        self.link, self.host = link(), tunnel.host
        self.number = next(self.numbers)
        self.state, self.error, self.python = 'connecting', None, None
        # What of `__main__` has been sent there, and which tunnels code there may name.
        self.definitions, self.granted = functions.Definitions(), set()
        self.link.tunnels[self.number] = tunnel.host, tunnel.output
        send_roots(self.link)
        order = dict(tunnel.options, tunnel=self.number, target=tunnel.path())
        self.stream = self.link.open(self.heard, busy=False)
        self.stream.send(told(TUNNEL, order), at_once=False)

    def heard(self, tag, body, end):
        if tag == OPENED:
            self.state, self.python = 'open', wire.load(body)[0]['python']
        elif tag == ERROR:
            self.state, self.error = 'closed', of_error(wire.load(body)[0], self.host)
            self.stream.finish()
            self.link.tunnels.pop(self.number, None)
        elif tag is None:
            self.state = 'closed'
            self.link.tunnels.pop(self.number, None)
            if body and self.link.error is not None:
                self.error = lost(self.link)
            elif body:
                self.error = of_error(ending(self, body), self.host)

    def ask(self, message, sink, imports='', timeout=None, more=False, awaited=False):
        """Asks the context something; each answer is told `sink(tag, body, end)`. `more`: the message is not the last
        of its direction, as never with a Channel. `awaited`: the caller waits for the answer."""
        head = struct.pack('>BIIH', ASK, self.number, milliseconds(timeout), len(imports)) + wire.utf8(imports)
        more = more or message[:1] == struct.pack('B', CHANNEL)
        exchange = Exchange(self, sink)
        exchange.stream = self.link.open(exchange.heard)
        exchange.stream.send(head + message, not more)
        if not awaited:
            self.link.attend()
        return exchange

    def fetch(self, order, sink):
        """`order`: a dict of remote, local, keep, tree, packed. `sink(connection, well, told)` is told the outcome."""
        return Transfer(FETCH, dict(order, tunnel=self.number), [self], sink)

    def grant(self, tunnel):
        """Lets code there name a tunnel; returns the number by which it does."""
        other = tunnel.connection()
        if other.link is not self.link:
            raise HopvineError('%s: it belongs to another process' % tunnel.host)
        if other.number not in self.granted:
            self.granted.add(other.number)
            inform(self.link, GRANT, {'tunnel': self.number, 'to': other.number, 'token': other.number})
        return other.number

    def close(self):
        """Asks for the end; `state` tells when it has come. Waits for nothing."""
        if self.state != 'closed' and self.link.pid == os.getpid():
            self.stream.stop()


class Exchange(object):
    """Something that was asked of a context."""

    def __init__(self, connection, sink):
        self.connection, self.sink, self.stream = connection, sink, None

    def heard(self, tag, body, end):
        sink = self.sink
        if tag is None:
            tag, body = ERROR, wire.dump(ending(self.connection, body))
        elif end:
            self.stream.finish()
        if end:
            # Whoever was told refers to this.
            self.sink = forgotten
        sink(tag, body, end)

    def send(self, message, end=False):
        self.stream.send(message, end)

    @property
    def unsent(self):
        """Bytes that the other end has not yet given credit for."""
        return self.stream.waiting_bytes

    def used(self, size):
        """So many bytes of messages (tag and body) have been used up."""
        self.stream.used(size)

    def cancel(self):
        if self.connection.link.pid == os.getpid():
            self.stream.stop()


class Transfer(object):
    """Files on their way; each connection's outcome is told once."""

    def __init__(self, tag, order, connections, sink):
        self.left = dict([(each.number, each) for each in connections])
        self.sink, self.link = sink, connections[0].link
        self.stream = self.link.open(self.heard)
        self.stream.send(told(tag, order), True)

    def heard(self, tag, body, end):
        if tag == MOVED:
            number, well, outcome = wire.load(body)[0]
            self.stream.used(len(body) + 1)
            if number in self.left:
                self.sink(self.left.pop(number), well, outcome)
        if end:
            outcome = None
            if tag == ERROR:
                outcome = wire.load(body)[0]
            for number in sorted(self.left):
                connection = self.left.pop(number)
                self.sink(connection, False, outcome or ending(connection, body))

    def cancel(self):
        if self.link.pid == os.getpid():
            self.stream.stop()


def connection(tunnel):
    """Begins to connect; says so to the controller together with what is asked first."""
    return Connection(tunnel)


def put(connections, order, sink):
    """One file or tree for all of them. `order`: a dict of local, remote, mode, keep, tree, packed."""
    order = dict(order, tunnels=[each.number for each in connections])
    transfer = Transfer(PUT, order, connections, sink)
    transfer.link.attend()
    return transfer


def wait(ready, timeout=None):
    """Returns True once ready() is, False after `timeout` seconds."""
    return ready() or link().wait(ready, timeout)


def stir():
    """Has all who wait look whether that is over: something has happened that did not come over the link."""
    if _link is not None and _link.pid == os.getpid():
        _link.stir()


def forgotten(tag, body, end):
    """Takes what comes when all has been said."""


def told(tag, value):
    return struct.pack('B', tag) + wire.dump(value)


def milliseconds(timeout):
    """As a message has it: 0 is none, and no time-out is that."""
    if timeout is None:
        return 0
    return int(min(max(timeout * 1000, 1), (1 << 32) - 1))


def lost(link):
    return HopvineError(ENDED % (link.error, link.program))


def ending(connection, why):
    """What a controller would have told of the end of a stream about which it said nothing."""
    kind, text = 'interrupted', 'cancelled'
    if connection.link.error is not None:
        kind, text = 'controller', ENDED % (connection.link.error, connection.link.program)
    elif why:
        kind, text = 'usage', why
    return {'kind': kind, 'message': text, 'hop': None, 'said': [], 'host': connection.host}


# The controller

_link = None
_registered = False
_adopted = None
_starting = thread.allocate_lock()


def adopt(fd, package, program):
    """The controller is there already: `fd` is our end of its socket. `package`: the descriptor of what this package is
    in; `program`: the path of what has started us, for further controllers."""
    global _adopted
    _adopted = program
    fcntl.fcntl(package, fcntl.F_SETFD, fcntl.FD_CLOEXEC)
    _begin(fd, 'hopvine py')


def link():
    """That of this process: after a fork the child has a controller of its own."""
    if not _is_up():
        _starting.acquire()
        try:
            # Another thread may have been quicker.
            if not _is_up():
                ours, theirs = socket.socketpair()
                try:
                    program = binary()
                    _start(program, theirs)
                    fd = os.dup(ours.fileno())
                finally:
                    ours.close()
                    theirs.close()
                _begin(fd, program)
        finally:
            _starting.release()
    return _link


def _is_up():
    return _link is not None and _link.pid == os.getpid() and _link.error is None


def _begin(fd, program):
    global _link, _registered
    if not _registered:
        _registered = True
        atexit.register(_leave)
        if hasattr(os, 'register_at_fork'):
            os.register_at_fork(after_in_child=_forget)
    _link = Link(fd, struct.pack('>HII', VERSION, os.getpid(), sys.hexversion), _check, _opened)
    _link.program, _link.roots, _link.tunnels = program, [], {}


def _start(program, theirs):
    options = {'start_new_session': True}
    if wire.Bytes is str:
        options = {'preexec_fn': _cut_loose}
    nothing = os.open(os.devnull, os.O_RDWR)
    try:
        shell = subprocess.Popen(['/bin/sh', '-c', START, 'sh', program, 'api'], stdin=theirs.fileno(), stdout=nothing,
                                 **options)
    finally:
        os.close(nothing)
    shell.wait()


def _cut_loose():
    """What Python 2 leaves to be done before exec: a session of its own, and nothing of ours inherited."""
    os.setsid()
    for fd in os.listdir('/proc/self/fd'):
        try:
            if int(fd) > 2:
                fcntl.fcntl(int(fd), fcntl.F_SETFD, fcntl.FD_CLOEXEC)
        except EnvironmentError:
            # The descriptor of this very listing.
            pass


def binary():
    """The program: named by HOPVINE, what has started this script, brought by the wheel, or in PATH."""
    named = os.environ.get('HOPVINE')
    if named:
        if not os.access(named, os.X_OK):
            raise HopvineError('HOPVINE=%s: there is no such program' % named)
        return os.path.abspath(named)
    here = os.path.dirname(os.path.abspath(__file__))
    folders = [os.path.join(here, 'bin')] + os.environ.get('PATH', os.defpath).split(os.pathsep)
    for path in [_adopted or ''] + [os.path.join(folder, 'hopvine') for folder in folders]:
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    raise HopvineError('the program hopvine is not there: neither beside this package nor in PATH; '
                       'HOPVINE=/path/to/hopvine names it')


def command():
    """Becomes the program: what the wheel installs as `hopvine`."""
    program = binary()
    os.execv(program, [program] + sys.argv[1:])


def inform(link, tag, order):
    """Tells the controller what has no answer."""
    stream = link.open(lambda tag, body, end: None, busy=False)
    stream.send(told(tag, order), True, at_once=False)
    stream.over()


def send_roots(link):
    """Tells the controller where the user's own modules are, as far as it does not know: it serves them itself."""
    new = [root for root in roots() if root not in link.roots]
    if new:
        link.roots.extend(new)
        inform(link, SETUP, {'roots': [encoded(root) for root in new]})


def roots():
    """What is in sys.path and does not belong to Python or to what is installed."""
    prefixes = set([getattr(sys, name, sys.prefix) for name in ('prefix', 'base_prefix', 'exec_prefix')])
    own = [os.path.join(os.path.realpath(each), name, '') for each in prefixes for name in ('lib', 'lib64')]
    found = []
    for folder in sys.path:
        path = os.path.abspath(folder)
        real = os.path.realpath(path)
        if '-packages' in real or real.startswith('/proc/') or not os.path.exists(real):
            continue
        if not [each for each in own if (real + os.sep).startswith(each)]:
            found.append(path)
    return found


def encoded(path):
    """A path as bytes."""
    if isinstance(path, wire.Bytes):
        return path
    return getattr(os, 'fsencode', wire.utf8)(path)


def _check(greeting):
    version, = struct.unpack('>H', greeting[:2])
    if version != VERSION:
        return 'it speaks protocol %d, and this package %d' % (version, VERSION)
    count, = struct.unpack('>Q', greeting[27:35])
    build = wire.native(greeting[43 + 4 * count:])
    if build != getattr(wire, 'BUILD', build):
        return 'it is build %s, and this package belongs to %s' % (build, wire.BUILD)


def _opened(stream, tag, body):
    """The controller wants something of us."""
    if tag == NOTE:
        weight, target, text = wire.load(body)[0]
        stream.over()
        sys.stderr.write(shown('%s: %s' % (target, text)) + '\n')
    elif tag == NEED:
        from hopvine import serving
        stream.sink = lambda tag, body, end: None
        stream.send(told(FOUND, serving.answer(wire.native(body))), True)
    elif tag == ASIDE:
        from hopvine.asides import Asides
        asides = Asides(stream, _link.tunnels)
        stream.sink = asides.heard
        asides.heard(tag, body, False)
    else:
        stream.stop()


def _forget():
    """In a forked child: its end of the parent's socket would keep the controller from seeing that one end."""
    global _link, _starting
    _starting = thread.allocate_lock()
    if _link is not None and _link.pid != os.getpid():
        os.close(_link.fd)
        _link = None


def _leave():
    if _link is not None and _link.pid == os.getpid():
        _link.close(PATIENCE_SECONDS)
