"""What tunnels stand on in remote code: the agent that it runs in, which leads on to contexts below its own.

The controller decides on each of them, and starts it. From then on this agent is its ancestor, and asks it what the
controller could ask. What comes from there is told by two threads: one for what calls print, which may have to wait
until it is shown, and one for all else.
"""
import sys

from hopvine.errors import Unsendable, of_error
from hopvine.functions import Definitions

core = sys.modules['hopvine_core']
CALL, RUN, PUT, FETCH, CHANNEL = 1, 2, 18, 19, 37
OUTPUT, ERRORS, LOG, ERROR = 17, 18, 24, 66
# How long what was cancelled may go on before its context is ended.
PATIENCE_SECONDS = 2.5
# No keepalive is longer; a call in a process of its own has none.
NO_LINK_SECONDS = 4000000
PARTS = {RUN: ('input', 'run'), PUT: ('bulk', 'files', 'folders', 'put'), FETCH: ('bulk', 'files', 'fetch'), CHANNEL: ('offer', 'channel')}


class Courier(object):
    """A thread that does one thing after the other; it starts with the first."""

    def __init__(self):
        self.jobs, self.bell, self.runs = [], core.thread.allocate_lock(), core.thread.allocate_lock()

    def post(self, job, *args):
        self.jobs.append((job, args))
        if self.runs.acquire(0):
            core.thread.start_new_thread(self.run, ())
        elif self.bell.locked():
            try:
                self.bell.release()
            except core.thread.error:
                # Somebody else has rung at the same moment.
                pass

    def run(self):
        while True:
            while not self.jobs:
                self.bell.acquire()
            job, args = self.jobs.pop(0)
            try:
                job(*args)
            except:
                # A sink of the user's: it is told, and the others go on.
                sys.excepthook(*sys.exc_info())
            stir()


post, printer = Courier(), Courier()


class Connection(object):
    """One way to a context below. `state`: 'connecting', 'open' or 'closed'; then `error` is what ended it, or None
    where it was asked to. `python`: that interpreter's sys.hexversion, once open."""

    def __init__(self, tunnel):
        self.host = tunnel.host
        self.state, self.error, self.python = 'connecting', None, None
        self.definitions = Definitions()
        # It was open and has gone, and nobody was told.
        self.is_lost = False
        self.asked, self.closing, self.child = [], False, None
        options = tunnel.options
        self.refused = refusal(options)
        if self.refused:
            self.state = 'closed'
            self.error = of_error(self.refused, self.host)
        else:
            target = core.utf8(with_python(tunnel.path(), options))
            self.child = core.part('child')(target, lambda: post.post(self.changed))
            self.child.begin()
            if options.get('connect_timeout'):
                core.thread.start_new_thread(self.hurry, (options['connect_timeout'],))

    def hurry(self, timeout):
        if not wait(lambda: self.state != 'connecting', timeout):
            text = 'no answer within %g s' % timeout
            self.error = of_error({'kind': 'connect_timeout', 'message': text}, self.host)
            self.close()

    def changed(self):
        """It runs, or has gone."""
        if self.child.why is None:
            # What is to be begun may have to wait for parts of the agent.
            core.thread.start_new_thread(self.begin, ())
            return
        if not self.closing and self.error is None:
            self.error = of_error(self.child.why, self.host)
            self.is_lost = self.state == 'open' and self.child.idle
        core.lock.acquire()
        self.state, asked, self.asked = 'closed', self.asked, []
        core.lock.release()
        for exchange in asked:
            exchange.deliver(0, self.child.why, True)

    def begin(self):
        """Asks, in its order, what was to be asked before it ran."""
        while True:
            core.lock.acquire()
            asked = self.asked[:1]
            if not asked and self.state == 'connecting':
                self.python, self.state = self.child.python, 'open'
            core.lock.release()
            stir()
            if not asked:
                break
            asked[0].begin()
            core.lock.acquire()
            if asked[0] in self.asked:
                self.asked.remove(asked[0])
            core.lock.release()

    def grant(self, tunnel):
        raise Unsendable('%s: what remote code has opened is known only there, and goes no further' % tunnel.host)

    def ask(self, message, sink, imports='', timeout=None, more=False, awaited=False):
        """Asks the context something; each answer is told `sink(tag, body, end)`. `more`: the message is not the last of
        its direction, as never with a Channel. It fetches modules itself, from above."""
        exchange = Exchange(self, message, sink, timeout, more)
        core.lock.acquire()
        waits = self.state == 'connecting'
        if waits:
            self.asked.append(exchange)
        core.lock.release()
        if self.state == 'closed':
            post.post(exchange.deliver, 0, ending(self), True)
        elif not waits:
            exchange.begin()
        return exchange

    def fetch(self, order, sink):
        """`order`: a dict of remote, local, keep, tree, packed. `sink(connection, well, told)` is told the outcome."""
        return Transfer([self], order, sink, False)

    def close(self):
        """Asks for the end; `state` tells when it has come. Waits for nothing."""
        if self.state != 'closed' and not self.closing:
            self.closing = True
            # Not here: this may be a destructor, in the midst of anything.
            post.post(self.leave)

    def leave(self):
        """What was cancelled ends first."""
        if self.settles():
            core.thread.start_new_thread(self.settle, ())
        else:
            self.child.leave()

    def settle(self):
        wait(lambda: not self.settles(), PATIENCE_SECONDS)
        self.child.leave()

    def settles(self):
        """What was cancelled there and goes on."""
        return [led for led in list(self.child.led.values()) if led.cancelled]


class Exchange(object):
    """Something that was asked of a context."""

    def __init__(self, connection, message, sink, timeout=None, more=False):
        self.connection, self.sink, self.timeout = connection, sink, timeout
        self.tag, = core.unpack('B', message[:1])
        self.shows = self.tag == CALL
        self.led, self.done, self.cancelled = None, False, False
        # What has been handed to the printer, and what of it is done.
        self.shown = self.printed = 0
        self.early = [(message, not more and self.tag != CHANNEL)]

    def begin(self):
        """The context runs; not in the loop's thread."""
        if self.cancelled:
            return self.deliver(0, ending(self.connection), True)
        child, (message, end) = self.connection.child, self.early[0]
        child.supply(self.parts(message))
        led = core.Led(child, self.told)
        core.lock.acquire()
        self.led, early, self.early = led, self.early, []
        # Who cancels it from now on finds what there is to cancel.
        cancelled = self.cancelled
        if not cancelled:
            # Under one lock: what another thread sends from now on comes behind it.
            for message, end in early:
                led.add(message, end and core.END)
        core.lock.release()
        if cancelled:
            return led.over(None)
        if self.timeout is not None:
            core.thread.start_new_thread(self.expire, ())

    def parts(self, message):
        """The parts of the agent that it needs."""
        if self.tag == CALL:
            size, = core.unpack('>Q', message[1:9])
            module, name = core.native(message[9:9 + size]).split(':')
            if module == 'hopvine_core':
                return (name,)
        return PARTS.get(self.tag, ())

    def send(self, message, end=False):
        core.lock.acquire()
        led = self.led
        if led is None:
            self.early.append((message, end))
        core.lock.release()
        if led is not None:
            led.put(message, end and core.END)

    def unsent(self):
        """Bytes that the other end has not yet given credit for."""
        if self.led is None:
            return sum([len(message) for message, end in self.early])
        return self.led.waiting()
    unsent = property(unsent)

    def used(self, size):
        """So many bytes of messages (tag and body) have been used up."""
        if self.led is not None:
            self.led.used(size)

    def cancel(self):
        if not (self.cancelled or self.done):
            self.cancelled = True
            # Not here: this may be a destructor, in the midst of anything.
            post.post(self.stop)

    def stop(self):
        if self.led is not None:
            self.led.cancel()
            core.thread.start_new_thread(self.insist, ())

    def insist(self):
        """What goes on though it was cancelled ends with its context."""
        if not wait(lambda: self.led.key not in core.led, PATIENCE_SECONDS):
            self.connection.closing = True
            self.connection.child.leave()

    def expire(self):
        if not wait(lambda: self.done or self.cancelled, self.timeout):
            why = {'kind': 'timed_out', 'message': 'no result within %s s' % (self.timeout,), 'hop': None, 'said': []}
            self.cancel()
            post.post(self.deliver, 0, why, True)

    def told(self, tag, body, end):
        """In the loop's thread: hands on what has come, behind what was printed before."""
        show = self.shows and tag in (OUTPUT, ERRORS, LOG)
        if show or self.shown != self.printed:
            self.shown += 1
            printer.post(self.show, tag, body, end)
        else:
            post.post(self.deliver, tag, body, end)
        stir()

    def show(self, tag, body, end):
        try:
            self.deliver(tag, body, end)
        finally:
            self.printed += 1

    def deliver(self, tag, body, end):
        """To the sink; with tag 0, why it has ended early."""
        if not self.done:
            self.done = bool(end)
            if not tag:
                tag, body = ERROR, core.dump(dict(body or ending(self.connection), host=self.connection.host))
            self.sink(tag, body, self.done)


class Transfer(object):
    """Files between here and contexts below; each connection's outcome is told once, `sink(connection, well, told)`."""

    def __init__(self, connections, order, sink, puts):
        self.order, self.sink, self.puts = order, sink, puts
        self.carried = []
        for each in connections:
            carrier = Carrier(self, each)
            self.carried.append(carrier)
            core.thread.start_new_thread(carrier.run, ())

    def cancel(self):
        for carrier in self.carried:
            carrier.cancelled = True
            post.post(carrier.stop)


class Carrier(object):
    """One file or tree, for one connection: a transfer of this agent's at this end, one of the other's at that end."""

    carried, cancelled = None, False

    def __init__(self, transfer, connection):
        self.transfer, self.connection = transfer, connection

    def run(self):
        connection, order = self.connection, self.transfer.order
        wait(lambda: connection.state != 'connecting' or self.cancelled)
        if connection.state != 'open' or self.cancelled:
            return self.told(False, ending(connection))
        there = PARTS[FETCH]
        if self.transfer.puts:
            there = PARTS[PUT]
        core.ask(core.NEED, core.utf8('own:' + ','.join(PARTS[PUT] + PARTS[FETCH][-1:])))
        connection.child.supply(there)
        carry = core.part('carry')
        self.carried = carry(connection.child, order, self.transfer.puts, lambda *what: post.post(self.told, *what))
        if self.cancelled:
            self.stop()

    def stop(self):
        if self.carried is not None:
            self.carried.stop()

    def told(self, well, what):
        if not well:
            what = dict(what or ending(self.connection), host=self.connection.host)
        self.transfer.sink(self.connection, well, what)


def refusal(options):
    """Why a tunnel cannot be opened from here, as of Wished; or None."""
    text = None
    if core.keepalive > NO_LINK_SECONDS:
        text = 'a call in a process of its own opens no tunnels; have it called without'
    elif options.get('exec'):
        text = 'a command line of your own leads on from the script only'
    elif options.get('login') or options.get('become'):
        text = 'a password is given where the script opens its tunnels; here it is known already'
    return text and {'kind': 'not_allowed', 'message': text, 'hop': None, 'said': []}


def with_python(target, options):
    """The target with the interpreter that is to run there, in its last hop."""
    hop = target.split('/')[-1]
    python = options.get('python')
    # On the same machine, as the same user, the controller has it run what runs here.
    if python is None and options.get('major') == 2 and [each for each in target.split('/') if each[:6] != 'local:']:
        python = 'python2'
    if not python or 'python=' in hop:
        return target
    for odd in '%/?&#,!^[] ':
        python = python.replace(odd, '%%%02X' % ord(odd))
    return target + '?&'['?' in hop] + 'python=' + python


def ending(connection):
    """Why something has ended about which nothing was said."""
    child = connection.child
    if connection.refused:
        return connection.refused
    if child is not None and child.why is not None and not connection.closing:
        return child.why
    return {'kind': 'interrupted', 'message': 'cancelled', 'hop': None, 'said': []}


def connection(tunnel):
    """Begins to connect."""
    return Connection(tunnel)


def put(connections, order, sink):
    """One file or tree for all of them. `order`: a dict of local, remote, mode, keep, tree, packed."""
    return Transfer(connections, order, sink, True)


def wait(ready, timeout=None):
    """Returns True once ready() is, False after `timeout` seconds; not in the loop's thread."""
    core.part('channel')
    return core.await_change(ready, timeout)


def stir():
    """Has all who wait look whether that is over."""
    if hasattr(core, 'changed'):
        core.changed()
