"""Splices: what comes on a stream goes out to others on streams of theirs, frame by frame (docs/PROTOCOL.md, "Splices").

Nothing waits here for credit: the source is given what the slowest member has given. All but `watch` in the loop's thread.
"""
SPLICE, DROPPED = 24, 36
MAX_MESSAGE = 1 << 20
# By the context and the number of a stream.
by_source, by_member = {}, {}
receive_unjoined, woken_before, over_before, joined_before = receive_own, woken_up, Hop.over, joined


def send(kind, flags, to, number, body):
    """A frame of ours, up or down."""
    if to in below:
        below[to].push(kind, flags, to, me, number, body)
    else:
        lock.acquire()
        upward.push(kind, flags, to, me, number, body)
        lock.release()


def reset(key):
    """Not before what a member has been told of its stream, which is bulk too."""
    send(RESET, 2, key[0], key[1], pack('B', 1))


class Splice:
    passed = stalled = partial = 0

    def __init__(self, stream, body):
        numbers = unpack('>%dI' % (len(body) // 4), body)
        self.stream, self.patience = stream, numbers[0] * .001
        keys = [(numbers[at], numbers[at + 1]) for at in range(1, len(numbers), 2)]
        self.source = keys[0]
        # What each member may be sent, and what the source may send.
        self.allowed = dict([(key, WINDOW) for key in keys[1:]])
        self.granted = WINDOW
        by_source[self.source] = self
        for key in self.allowed:
            by_member[key] = self
        if len(self.allowed) > 1:
            thread.start_new_thread(self.watch, ())

    def take(self, flags, body):
        self.passed += len(body)
        self.partial += len(body)
        if not body or self.passed > self.granted or self.partial > MAX_MESSAGE:
            send(RESET, 0, self.source[0], self.source[1], pack('B', 4))
            self.cut()
            return
        if not flags & MORE:
            self.partial = 0
        for to, number in self.allowed:
            # Whatever the source says: nothing may overtake the order that tells of the stream.
            send(DATA, flags & 12 | 2, to, number, body)
        if flags & END:
            self.over()

    def grant(self):
        """Passes on what the slowest has been given."""
        more = min(min(self.allowed.values()) - self.granted, 0xffffffff)
        if more > 0:
            self.granted += more
            send(CREDIT, 0, self.source[0], self.source[1], pack('>I', more))

    def leave(self, key):
        """A member wants no more; without any, neither does the splice."""
        by_member.pop(key, 0)
        self.allowed.pop(key, 0)
        if self.allowed:
            self.grant()
        else:
            reset(self.source)
            self.over()

    def cut(self):
        """The source goes no further."""
        for key in self.allowed:
            reset(key)
        self.over()

    def over(self):
        if by_source.pop(self.source, 0):
            for key in self.allowed:
                by_member.pop(key, 0)
            self.tell(RESULT, dump(None), END)

    def tell(self, tag, body, end=0):
        lock.acquire()
        self.stream.put(tag, body, end)
        lock.release()

    def watch(self):
        """Has the loop leave behind who holds up the others for too long; in a thread of its own."""
        waited, before = 0, None
        while self.source in by_source:
            readable([], .5)
            now = self.passed, self.granted
            if now != before or self.passed < self.granted or max(list(self.allowed.values()) or [0]) == self.granted:
                waited = 0
            else:
                waited += .5
            before = now
            if waited >= self.patience:
                waited = 0
                self.stalled = self.granted
                os.write(wake, pack('B', 0))

    def leave_behind(self):
        slow = [key for key in self.allowed if self.allowed[key] <= self.stalled]
        self.stalled = 0
        if len(slow) < len(self.allowed):
            for key in slow:
                reset(key)
                self.tell(DROPPED, pack('>II', *key))
                self.leave(key)


def joined(kind, flags, source, number, body):
    """Takes a frame of a splice; returns whether it was one."""
    key = source, number
    if kind == DATA and key in by_source:
        by_source[key].take(flags, body)
    elif kind == CREDIT and key in by_member:
        splice = by_member[key]
        if len(body) == 4:
            splice.allowed[key] += unpack('>I', body)[0]
            splice.grant()
    elif kind == RESET and key in by_source:
        by_source[key].cut()
    elif kind == RESET and key in by_member:
        by_member[key].leave(key)
    else:
        return joined_before(kind, flags, source, number, body)
    return 1


def receive_own(kind, flags, to, source, number, body):
    if not joined(kind, flags, source, number, body):
        receive_unjoined(kind, flags, to, source, number, body)


def woken_up():
    for splice in list(by_source.values()):
        if splice.stalled:
            splice.leave_behind()
    woken_before()


def over(hop):
    """A child has gone, and all streams of what was behind it."""
    gone = [context for context in below if below[context] is hop]
    over_before(hop)
    for key in [key for key in list(by_member) if key[0] in gone]:
        if key in by_member:
            by_member[key].leave(key)
    for key in [key for key in list(by_source) if key[0] in gone]:
        if key in by_source:
            by_source[key].cut()


Hop.over = over
readers[woken] = woken_up
handlers[SPLICE] = Splice
