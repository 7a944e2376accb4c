"""Values that come while remote code runs: channels, receivers of several, the items of remote generators; and waiting for
any of them.

Nothing is polled. Whoever reads slowly stops whoever sends: what has come and was not taken is about 64 KiB for each
other end. What is closed or lost wakes all who wait for it.
"""
import os
import sys
import time

from hopvine import backend, errors, functions
from hopvine.given import patience
from hopvine.spending import Spender

wire = backend.wire
CHANNEL, SEND = 37, 38
ITEM, FAILURE, EXHAUSTED, ERROR = 23, 20, 25, 66
VALUE, RECIPE, NO_CALL = 0, 1, 2
clock = getattr(time, 'monotonic', time.time)


class ChannelClosed(errors.HopvineError):
    """The other end sends no more, or does not listen, or this one was closed."""


class Passage(Spender):
    """What joins an inbox to one other end. `ended`: nothing more comes; then `error` says why, where it was lost."""

    ended = closed = failed = False
    error = None

    def __init__(self, inbox, connection):
        self.inbox, self.connection, self.host = inbox, connection, connection.host
        self.token, = wire.unpack('>Q', os.urandom(8))
        # The numbers of definitions that have gone this way.
        self.defined = set()
        inbox.passages.append(self)
        self.exchange = connection.ask(wire.pack('>BQ', CHANNEL, self.token), self.heard)
        self.used(0)

    def heard(self, tag, body, end):
        """From the backend; values are not looked into here."""
        if tag == ITEM and not self.closed:
            self.inbox.items.append((self, body))
        elif tag == ERROR and not self.closed:
            self.error = errors.of_error(wire.load(body)[0], self.host)
            self.inbox.errors[self.host] = self.error
        elif not end:
            self.used(len(body) + 1)
        if end:
            self.ended = True
            self.inbox.passages.remove(self)

    def send(self, value):
        """Returns when the other end has allowed it to come."""
        self.check()
        message = wire.pack('B', SEND) + packed(value, self.connection, self.defined)
        functions.fits(message, lambda: 'what is sent on the channel (of type %s)' % type(value).__name__)
        self.exchange.send(message)
        backend.wait(lambda: not self.exchange.unsent or self.ended or self.closed or self.failed)
        if self.exchange.unsent:
            self.check()

    def check(self):
        if self.error is not None:
            raise self.error
        if self.ended or self.closed or self.failed:
            raise ChannelClosed('the channel is closed')

    def close(self):
        """Has the other end know that nobody listens here."""
        if not (self.ended or self.closed):
            self.closed = True
            if not self.failed:
                self.exchange.send(wire.pack('B', SEND), True)

    def call_failed(self):
        """The call that was to bring it there has failed, or was cancelled: perhaps before it began. What is on its way
        still comes."""
        if not (self.ended or self.closed or self.failed):
            self.failed = True
            self.exchange.send(wire.pack('BB', SEND, NO_CALL), True)

    def drop(self):
        """The same from a destructor, which may run in the midst of anything."""
        if not (self.ended or self.closed):
            self.closed = True
            self.exchange.cancel()


class Inbox(object):
    """What has come and was not taken."""

    def __init__(self):
        self.items, self.passages = [], []
        self.closed = False
        # Why other ends were lost, by host.
        self.errors = {}

    def pop(self):
        """(host, the body of an Item) of the next, or None."""
        try:
            passage, body = self.items.pop(0)
        except IndexError:
            return None
        passage.used(len(body) + 1)
        return passage.host, body

    def close(self):
        self.closed = True
        for passage in list(self.passages):
            passage.close()
        while self.pop():
            pass
        backend.stir()

    def drop(self):
        self.closed = True
        for passage in list(self.passages):
            passage.drop()


class Source(object):
    """What can be received from, alone or by a Select.

    `_poll()` returns (itself, host, value), or None where nothing has come; it raises ChannelClosed when nothing will.
    `_has_news()`: whether _poll() would say something.
    """

    def receive(self, timeout=None):
        """The next value; raises TimedOut when none has come within so many seconds, ChannelClosed when none will."""
        return self._next(timeout)[2]

    def _next(self, timeout=None):
        timeout = patience(timeout)
        deadline = timeout is not None and clock() + timeout
        while True:
            found = self._poll()
            if found:
                return found
            left = timeout
            if timeout:
                left = max(deadline - clock(), 0)
            # Another thread may be quicker than this one.
            if not backend.wait(self._has_news, left):
                raise errors.TimedOut('nothing has come within %s s' % (timeout,), 'timed_out')

    def __iter__(self):
        return self

    def __next__(self):
        try:
            return self.receive()
        except ChannelClosed:
            raise StopIteration

    def next(self):
        return self.__next__()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()


class Conversation(Source, functions.Travelling):
    """What channels and receivers have in common."""

    def __init__(self):
        self._inbox = Inbox()

    def close(self):
        """Tells the other end that this one neither sends nor listens any more. What has come and was not taken is dropped."""
        self._inbox.close()

    def _poll(self):
        found = self._inbox.pop()
        if found:
            return self, found[0], wire.load(found[1])[0]
        if self._over() and not self._inbox.items:
            self._end()

    def _has_news(self):
        return bool(self._inbox.items) or self._over()

    def _leave(self, connection):
        """One other end more; returns what an agent makes it of."""
        passage = Passage(self._inbox, connection)
        # Without this: whoever waits for the call must not keep it.
        self.call_failed = passage.call_failed
        return passage

    def __del__(self):
        self._inbox.drop()


class Channel(Conversation):
    """A conversation with remote code, in both directions: pass it to one call_async(), and use it while that runs.

        channel = Channel()
        result = tunnel.call_async(follow, channel, '/var/log/messages')
        for lines in channel:
            ...

    The function is given the other end, which has the same methods; open() tells it whether somebody listens. What goes to
    it is anything that an argument may be, what comes from it are values. The channel of a call that has failed before it
    began is closed; one whose connection is lost raises that to whoever waits.
    """

    _passage = None

    def travel(self, connection):
        if self._passage is not None or self._inbox.closed:
            raise functions.Unsendable('a Channel goes to one call, once: make another, or a Receiver for all of them')
        self._passage = self._leave(connection)
        return 'channel', self._passage.token

    def send(self, value):
        """Sends a value, and waits while the other end does not read; raises ChannelClosed when it does not listen."""
        if self._passage is None:
            raise errors.HopvineError('the channel has no other end yet: pass it to call_async() first')
        self._passage.send(value)

    def open(self):
        """Whether the other end listens, as far as is known here; or still may, where it has not been passed on."""
        return not self._over() and (self._passage is None or not self._passage.failed)

    def _over(self):
        return self._inbox.closed or self._passage is not None and self._passage.ended

    def _end(self):
        error, passage = None, self._passage
        if passage is not None and not self._inbox.closed:
            error = passage.error
        if error is not None:
            raise error
        raise ChannelClosed('the channel is closed')


class Receiver(Conversation):
    """One end for many: pass it to calls of as many tunnels as you like, and receive here what they all send. It ends when
    all of them have closed theirs.

    `errors`: why the connection to a host was lost, by host; it goes on with the others.
    """

    _begun, _awaited = False, 0

    def travel(self, connection):
        if self._inbox.closed:
            raise functions.Unsendable('the Receiver is closed: make another')
        passage = self._leave(connection)
        self._begun = True
        return 'channel', passage.token

    @property
    def errors(self):
        return self._inbox.errors

    def messages(self):
        """Iterates over (host, value)."""
        while True:
            try:
                found = self._next()
            except ChannelClosed:
                return
            yield found[1:]

    def open(self):
        """Whether somebody may still send."""
        return not self._over()

    def _over(self):
        return self._inbox.closed or self._begun and self._awaited <= 0 and not self._inbox.passages

    def await_calls(self, count):
        """So many more calls are about to be given it, or so many fewer: it does not end before."""
        self._awaited += count
        backend.stir()

    def _end(self):
        raise ChannelClosed('all who sent have closed their channels')


class Items(Source):
    """The items of a remote generator, as they come. Who is not asked for the next for a while waits there.

    close() ends it: what the generator has under `finally` is run there. So does letting go of this.
    """

    def __init__(self, exchange, host):
        self.coming = Coming(exchange, host)

    def heard(self, tag, body, end):
        self.coming.heard(tag, body, end)

    def close(self):
        self.coming.close()

    def _poll(self):
        body = self.coming.pop()
        if body is not None:
            return self, self.coming.host, wire.load(body)[0]
        # In this order: what has come before the end is there when the end is seen.
        if self.coming.ended and not self.coming.items:
            error, self.coming.error = self.coming.error, None
            if error is not None:
                raise error
            raise ChannelClosed('the generator has ended')

    def _has_news(self):
        return bool(self.coming.items) or self.coming.ended

    def __del__(self):
        self.coming.close()


class Coming(object):
    """What of a generator has come and was not taken; all that whoever reads the link knows of it."""

    ended = False
    error = None

    def __init__(self, exchange, host):
        self.exchange, self.host, self.items = exchange, host, []

    def heard(self, tag, body, end):
        if self.ended:
            return
        if tag == ITEM:
            self.items.append(body)
        elif tag == FAILURE:
            self.error = errors.of_failure(wire.load(body)[0], self.host)
        elif tag == ERROR:
            self.error = errors.of_error(wire.load(body)[0], self.host)
        if end:
            self.ended = True

    def pop(self):
        try:
            body = self.items.pop(0)
        except IndexError:
            return None
        self.exchange.used(len(body) + 1)
        return body

    def close(self):
        del self.items[:]
        if not self.ended:
            self.ended = True
            self.exchange.cancel()
            backend.stir()


class Select(Source):
    """Waits for whichever of several has something: channels, receivers, remote generators, AsyncResults, other Selects.

        for source, value in Select([channel, receiver, result]):
            ...

    What has ended is left out from then on; an AsyncResult has one value. Iterating ends with the last of them.
    """

    def __init__(self, sources=()):
        self._sources, self._turn = [], 0
        for source in sources:
            self.add(source)

    def add(self, source):
        """One more to wait for."""
        if not hasattr(source, '_poll') and not hasattr(source, 'completed'):
            raise TypeError('a Select waits for channels, receivers, remote generators, AsyncResults and Selects, and not '
                            'for %s' % type(source).__name__)
        if source is self or isinstance(source, Select) and source._holds(self):
            raise ValueError('a Select cannot wait for itself')
        if self._holds(source):
            raise ValueError('it waits for this already')
        self._sources.append(source)
        backend.stir()

    def remove(self, source):
        """One less to wait for."""
        if not self._forget(source):
            raise ValueError('it does not wait for this')
        backend.stir()

    def get(self, timeout=None):
        """(source, value) of the next; with a Select in this one, its source. Raises TimedOut when nothing has come
        within so many seconds, ChannelClosed when there is nothing left to wait for."""
        found = self._next(timeout)
        return found[0], found[2]
    receive = get

    def close(self):
        """Waits for none of them any more; they stay as they are."""
        del self._sources[:]
        backend.stir()

    def _holds(self, source):
        for each in self._sources:
            if each is source or isinstance(each, Select) and each._holds(source):
                return True
        return False

    def _forget(self, source):
        before = len(self._sources)
        self._sources[:] = [each for each in self._sources if each is not source]
        return len(self._sources) < before

    def _poll(self):
        sources = list(self._sources)
        for at in range(len(sources)):
            source = sources[(self._turn + at) % len(sources)]
            found = None
            try:
                if hasattr(source, '_poll'):
                    found = source._poll()
                elif source.completed and self._forget(source):
                    found = source, None, source.value
            except ChannelClosed:
                self._forget(source)
            except Exception:
                # Its own way to end; whoever hears of it is told of whom it is.
                self._forget(source)
                error = sys.exc_info()[1]
                error.source = source
                raise
            if found:
                self._turn += at + 1
                return found
        if not self._sources:
            raise ChannelClosed('the Select has nothing to wait for: add() a channel, a receiver or a result')

    def _has_news(self):
        for source in list(self._sources):
            if hasattr(source, '_poll') and source._has_news() or getattr(source, 'completed', False):
                return True
        return not self._sources


def packed(value, connection, defined):
    """How a value goes down, and the bytes: plain where it is plain, else as an argument would go. `defined`: the numbers of
    the definitions that are there when it is read, to which its own are added."""
    if functions.is_plain(value):
        return wire.pack('B', VALUE) + wire.dump(value)
    luggage = functions.Luggage(connection)
    recipe = functions.Recipe(luggage)
    try:
        recipe.add(value)
    except functions.Unsendable:
        raise
    except Exception:
        raise functions.Unsendable('a value of type %s cannot be sent: %s%s' % (
            type(value).__name__, sys.exc_info()[1], functions.advice(value)))
    luggage.bring(recipe.soft, recipe.names, 'what is sent')
    brought = None
    if luggage.digests:
        brought = luggage.commits(defined)
        defined.update([each[0] for each in brought])
        if luggage.entries:
            # It is made when it is read, and perhaps never.
            luggage.keep(brought[-1])
    return wire.pack('B', RECIPE) + wire.dump((recipe.plain(), brought))
