"""Channels: conversations of user code with code above, beside the call that has brought them; and how a thread waits for
what the loop brings.

It imports nothing: before Python 3.3 an import in the loop's thread would wait for those of user code, which may wait for it.
"""
CHANNEL, SEND = 37, 38
ITEM, EXHAUSTED = 23, 25
# What goes down in the place of a message when the call that was to have the channel has failed.
NO_CALL = pack('B', 2)
# By token: those that no call has taken yet.
channels = {}
# The ends of pipes, to wake each thread that waits; pipes that nobody waits at.
sleepers, pipes = [], []
clock = getattr(time, 'monotonic', time.time)
# No select() takes any time that a user may name.
LONGEST_WAIT_SECONDS = 86400.


def changed():
    """Whoever waits looks again; the lock may be held."""
    for feed in list(sleepers):
        try:
            os.write(feed, pack('B', 0))
        except OSError:
            # Full: it will look.
            pass


def await_change(ready, timeout=None):
    """Returns whether ready() has become true in so many seconds; not in the loop's thread. A signal ends it as its handler says."""
    if ready():
        return True
    deadline = timeout is not None and clock() + timeout
    try:
        got, feed = pipes.pop()
    except IndexError:
        got, feed = map(private, os.pipe())
    sleepers.append(feed)
    try:
        while not ready():
            left = None
            if timeout is not None:
                left = deadline - clock()
                if left <= 0:
                    return False
                if left > LONGEST_WAIT_SECONDS:
                    left = LONGEST_WAIT_SECONDS
            if readable([got], left):
                os.read(got, 4096)
        return True
    finally:
        sleepers.remove(feed)
        pipes.append((got, feed))


def error_named(name, text, args=()):
    """The package's exception of that name, where user code can know it, else one that is called the same."""
    for library in 'hopvine.errors', 'hopvine.channel':
        kind = getattr(sys.modules.get(library), name, None)
        if kind:
            return kind(text, *args)
    return type(Exception)(name, (Exception,), {'__module__': 'hopvine'})(text)


def closed_channel():
    return error_named('ChannelClosed', 'the channel is closed')


class Passage:
    """What a channel is made of, here. `ended`: nothing more comes; `closed`: nothing more goes."""
    ended = closed = 0

    def __init__(self, stream, body):
        self.stream, self.items, self.token = stream, [], body
        stream.hold = 1
        stream.handle, stream.cancel, stream.finish, stream.grant = self.take, self.cut, self.moved, self.used
        channels[body] = self

    def take(self, tag, body, end):
        owed, self.stream.owed = self.stream.owed, 0
        if tag == SEND and body not in (EMPTY, NO_CALL) and not self.closed:
            self.items.append((body, owed))
        else:
            self.used(owed)
        if end:
            self.ended = 1
            if body == NO_CALL and self.token in channels:
                # Nobody has it, and nobody will; else what was sent before the end is there for the call to come.
                self.close()
        changed()

    def moved(self, end):
        """A message has gone out, or one direction has ended; the lock is held."""
        Stream.finish(self.stream, end)
        changed()

    def cut(self):
        """The other end has gone; the lock is held."""
        self.ended = self.closed = 1
        self.stream.over()
        changed()

    def used(self, size):
        """Gives credit for what has been used up."""
        lock.acquire()
        self.stream.taken += size
        due = self.stream.taken
        if due >= WINDOW // 2:
            control(CREDIT, self.stream.peer, self.stream.number, pack('>I', due))
            self.stream.taken = 0
        lock.release()
        if due >= WINDOW // 2:
            flush()

    def send(self, body):
        """Returns when credit has let it go; raises ChannelClosed where it will not any more."""
        if self.ended or self.closed:
            raise closed_channel()
        lock.acquire()
        self.stream.put(ITEM, body)
        lock.release()
        flush()
        if self.stream.unsent:
            await_change(lambda: not self.stream.unsent or self.ended or self.closed)
            if self.stream.unsent and (self.ended or self.closed):
                raise closed_channel()

    def next(self):
        """The next message, if there is one."""
        lock.acquire()
        found = self.items[:1]
        del self.items[:1]
        lock.release()
        for body, owed in found:
            self.used(owed)
            return body

    def close(self):
        lock.acquire()
        if not self.closed:
            self.closed = 1
            self.stream.put(EXHAUSTED, EMPTY, END)
        lock.release()
        del self.items[:]
        flush()
        changed()


class Channel(object):
    """The remote end of a channel: what is sent here is received by whoever has made it, and the other way round.

    send() waits while the other end does not read. Iterating ends when the other end is closed; this one is when nobody
    has it any more.
    """

    def __init__(self, passage):
        self._passage = passage

    def send(self, value):
        """Sends a value; raises ChannelClosed when the other end does not listen, TypeError for what is no value."""
        self._passage.send(dump(value))

    def receive(self, timeout=None):
        """The next value; raises ChannelClosed behind the last, TimedOut when none has come within so many seconds."""
        for value in self._taken(timeout):
            return value
        raise closed_channel()

    def _taken(self, timeout=None):
        """The next value as a tuple, which is empty behind the last."""
        if timeout != timeout:
            raise ValueError('timeout: a number of seconds, and not nan')
        while 1:
            body = self._passage.next()
            if body:
                return received(body),
            if not self.open() and not self._passage.items:
                return ()
            # Another thread may be quicker than this one.
            if not await_change(self._has_news, timeout):
                raise error_named('TimedOut', 'nothing has come within %s s' % (timeout,), ('timed_out',))

    def open(self):
        """Whether the other end listens."""
        return not (self._passage.ended or self._passage.closed)

    def close(self):
        """Tells the other end that this one neither sends nor listens any more."""
        self._passage.close()

    def _poll(self):
        """For Select: (this, None, a value), or None where nothing has come."""
        body = self._passage.next()
        if body:
            return self, None, received(body)
        if not self.open() and not self._passage.items:
            raise closed_channel()

    def _has_news(self):
        return bool(self._passage.items) or not self.open()

    def __iter__(self):
        return self

    def __next__(self):
        for value in self._taken():
            return value
        raise StopIteration

    def next(self):
        return self.__next__()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def __del__(self):
        # In the midst of anything, perhaps of what holds the lock.
        if lock.acquire(0):
            lock.release()
            self.close()
        else:
            thread.start_new_thread(self._passage.close, ())


def received(body):
    """The value of a Send: plain, or what a recipe makes, as only what is above may send one."""
    value = load(body, 1)[0]
    if body[:1] != pack('B', 0):
        part('apply')
        recipe, brought = value
        if brought:
            define_all(brought)
        value = made(*recipe)
    return value


def channel(token):
    """The end that a call has been given as an argument."""
    return Channel(channels.pop(pack('>Q', token)))


def call_with(stream, body):
    """Behind a call that names channels, those that nobody has any more are closed."""
    named = [channels[token] for token in list(channels) if dump(unpack('>Q', token)[0]) in body]
    # One job: while another waits, the loop looks every 2 ms for what there is to say.
    queue(call_and_look, stream, body, named)


def call_and_look(stream, body, named):
    call(stream, body)
    for passage in named:
        look_after(passage)


def look_after(passage):
    """The call has ended, or was cancelled before it began."""
    if channels.pop(passage.token, 0):
        passage.close()
    elif not passage.closed:
        # What the call had may hold itself; what is collected with it is the user's own.
        try:
            import gc
            gc.collect()
        except:
            pass


handlers[CHANNEL] = Passage
handlers[CALL] = call_with
arrivals = globals().setdefault('arrivals', {})
arrivals['channel'] = channel
