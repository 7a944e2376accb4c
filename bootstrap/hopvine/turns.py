"""Whose turn it is to read: of all threads that wait, one reads and lets things happen, for all of them.

So a call pays for no other thread. Only while something may come that nobody waits for does a thread of our own
read, and it makes way for the first who waits.
"""
import errno
import fcntl
import os
import select
import struct
import sys
import time

try:
    import _thread as thread
except ImportError:
    import thread

ident = thread.get_ident
clock = getattr(time, 'monotonic', time.time)
# A signal that comes just before a wait begins is seen when that ends.
LONGEST_WAIT_SECONDS = 1.0
BELL = struct.pack('B', 0)


class Turns(object):
    """What a link has of this; it offers `read()`, `pump()`, `posts`, `busy` and `error`."""

    def __init__(self, fd):
        # Who reads and who writes, by thread: an entry names who has made it, whatever interrupts him then.
        self.roles = {}
        self.followers, self.pipes, self.background = [], [], None
        # Whether the socket takes no more for now.
        self.blocked = False
        self.fd = fd
        self.woken, self.wake = pipe()
        self.reading, self.both = select.poll(), select.poll()
        for poller, mask in ((self.reading, select.POLLIN), (self.both, select.POLLIN | select.POLLOUT)):
            poller.register(fd, mask)
            poller.register(self.woken, select.POLLIN)

    def wait(self, ready, timeout=None):
        """Returns True once ready() is; False after `timeout` seconds. From any thread, also within a sink."""
        if ready():
            return True
        deadline = None
        if timeout is not None:
            deadline = clock() + timeout
        this = ident()
        while True:
            nested = self.roles.get('reader') == this
            try:
                if nested or self.roles.setdefault('reader', this) == this:
                    while not ready():
                        left = remaining(deadline)
                        if left <= 0:
                            return False
                        self.turn(left)
                    return True
            finally:
                if not nested and self.roles.get('reader') == this:
                    self.leave()
            if not self.follow(ready, deadline):
                return False
            if ready():
                return True

    def follow(self, ready, deadline):
        """Waits while somebody else reads; False when it is too late."""
        waiter = Waiter(self, ready)
        takes_over = False
        try:
            self.followers.append(waiter)
            if self.background:
                self.background.step_back()
            while not ready():
                if 'reader' not in self.roles:
                    takes_over = True
                    break
                left = remaining(deadline)
                if left <= 0:
                    return False
                waiter.sleep(left)
            return True
        finally:
            if waiter in self.followers:
                self.followers.remove(waiter)
            waiter.close()
            if not takes_over:
                self.hand_on()

    def leave(self):
        self.roles.pop('reader', None)
        self.hand_on()

    def hand_on(self):
        """Where nobody reads, whoever waits is to; else our own thread, where there is something to come."""
        if 'reader' in self.roles:
            return
        if self.followers:
            for waiter in self.followers[:1]:
                waiter.wake()
        elif self.busy and self.error is None:
            self.attend()

    def attend(self):
        """From here on somebody reads."""
        if 'reader' in self.roles:
            return
        if self.background is None and self.roles.setdefault('background', ident()) == ident():
            self.background = Background(self)
        if self.background:
            self.background.start.wake()

    def stir(self):
        """Has all who wait look whether that is over."""
        if self.roles.get('reader', ident()) != ident():
            ring(self.wake)

    def turn(self, seconds):
        """Waits for something to happen and lets it; only who reads."""
        if self.posts or self.blocked:
            self.pump()
        poller = self.reading
        if self.blocked:
            poller = self.both
        for fd, event in polled(poller, seconds):
            if fd == self.woken:
                hear(self.woken)
            elif event & ~select.POLLOUT:
                self.read()
        for waiter in list(self.followers):
            if waiter.ready():
                waiter.wake()

    def forget(self):
        """The socket is watched no more."""
        self.reading.unregister(self.fd)
        self.both.unregister(self.fd)


class Waiter(object):
    """Someone who waits while another one reads, and the pipe that wakes him."""

    def __init__(self, link, ready):
        self.pipes, self.ready = link.pipes, ready
        try:
            self.pipe = self.pipes.pop()
        except IndexError:
            self.pipe = pipe()
        self.poller = select.poll()
        self.poller.register(self.pipe[0], select.POLLIN)

    def wake(self):
        ring(self.pipe[1])

    def sleep(self, seconds):
        """Returns when woken, after that time, or for no reason."""
        polled(self.poller, seconds)
        hear(self.pipe[0])

    def close(self):
        self.pipes.append(self.pipe)


class Background(object):
    """The thread that reads while nobody waits."""

    def __init__(self, link):
        import threading
        self.link, self.start = link, Waiter(link, None)
        self.wanted, self.ident = False, None
        worker = threading.Thread(target=self.run, name='hopvine')
        worker.daemon = True
        worker.start()

    def step_back(self):
        if self.ident and self.link.roles.get('reader') == self.ident:
            self.wanted = True
            self.link.stir()

    def run(self):
        link, self.ident = self.link, ident()
        while link.error is None:
            self.start.sleep(None)
            self.wanted = False
            if link.followers or link.roles.setdefault('reader', self.ident) != self.ident:
                continue
            try:
                while link.busy and not self.wanted and link.error is None:
                    link.turn(LONGEST_WAIT_SECONDS)
            except:
                # A sink of the user's: it is told, and the others go on.
                sys.excepthook(*sys.exc_info())
            link.leave()


def remaining(deadline):
    """Seconds for the next wait."""
    if deadline is None:
        return LONGEST_WAIT_SECONDS
    return min(deadline - clock(), LONGEST_WAIT_SECONDS)


def polled(poller, seconds):
    """What has happened; before Python 3.5 a signal ends the wait with an error."""
    if seconds is not None:
        seconds = int(seconds * 1000) + 1
    try:
        return poller.poll(seconds)
    except select.error:
        if sys.exc_info()[1].args[0] != errno.EINTR:
            raise
        return []


def pipe():
    """Not inherited, and never blocking."""
    ends = os.pipe()
    for fd in ends:
        private(fd)
    return ends


def private(fd):
    fcntl.fcntl(fd, fcntl.F_SETFD, fcntl.FD_CLOEXEC)
    fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) | os.O_NONBLOCK)


def ring(fd):
    try:
        os.write(fd, BELL)
    except OSError:
        # Full: it is rung enough.
        pass


def hear(fd):
    try:
        os.read(fd, 4096)
    except OSError:
        # Somebody has heard it already.
        pass
