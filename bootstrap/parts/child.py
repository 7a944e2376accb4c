"""Contexts that code has asked for: the controller decides, and starts them below this one; the code has them work."""
MAX_PARTIAL = 64 << 20
# Of any value; one from below may be made of more only where it is larger.
MAX_PARTS = 4000000
# Conversations by context and number. The controller and the relay have the lower numbers.
led = {}
last_led = [0x40000000]
# By context: the parts that it has.
led_parts = {}
# What of the messages from below is not whole.
partial = [0]


def child(target, told):
    """A context at the end of that path from here, once begin() has asked for it. told() is called in the loop's thread
    when it runs, and when it has gone."""
    return Wished(target, told)


class Wished:
    """`context`: its number, and `python`: its sys.hexversion, once it runs. `why`: once it has gone, or could not be
    started, a dict of kind, message, hop, said; `idle`: nothing went on there then."""
    context = python = why = None
    left = idle = 0

    def __init__(self, target, told):
        self.target, self.told, self.led = target, told, {}

    def begin(self):
        global number
        lock.acquire()
        number += 2
        self.wish = Stream(0, number)
        self.wish.handle, self.wish.cancel = self.answered, self.refused
        self.wish.put(NEED, utf8('child:') + self.target)
        lock.release()
        flush()

    def answered(self, tag, body, end):
        value = load(body)[0]
        if type(value) is tuple:
            self.context, self.python = value
            lead_on()
            led_parts.setdefault(self.context, ['apply'])
        else:
            self.leave()
            return self.gone(value)
        self.told()

    def refused(self):
        """The lock is held."""
        thread.start_new_thread(self.lost, ())

    def lost(self):
        self.gone({'kind': 'link_lost', 'message': 'the controller does not start children', 'hop': None, 'said': []})

    def gone(self, why):
        if self.why is None:
            self.why, self.idle = why, not self.led
            # First of all: whoever hears of what went on there may want to connect anew.
            self.told()
            for stream in list(self.led.values()):
                stream.over(why)

    def leave(self):
        """This context is not needed any more; with the last that needs it, it ends. told() is called when it has."""
        lock.acquire()
        if not self.left:
            self.left = 1
            self.wish.put(NEED, EMPTY, END)
        lock.release()
        flush()

    def supply(self, names):
        """Has the controller send it these parts of the agent; not in the loop's thread."""
        parts = led_parts[self.context]
        names = [name for name in names if name not in parts]
        if names:
            ask(NEED, utf8('give:%d:%s' % (self.context, ','.join(names))))
            parts += names


class Led:
    """A conversation with a context below. told(tag, body, end) is called in the loop's thread for each message; at its
    early end with 0, why (a dict as of Wished) and END."""
    priority = INTERACTIVE
    credit = allowed = WINDOW
    taken = early = size = cancelled = 0
    opening = OPEN

    def __init__(self, child, told):
        self.child, self.told = child, told
        self.unsent, self.parts = [], []
        lock.acquire()
        last_led[0] += 2
        self.key = child.context, last_led[0]
        led[self.key] = child.led[self.key] = self
        lock.release()
        if child.why:
            self.over(child.why)

    def put(self, message, end=0):
        lock.acquire()
        self.add(message, end)
        lock.release()

    def add(self, message, end):
        """The lock is held."""
        self.unsent.append([message, 0, end])
        self.flow()

    def moved(self):
        """A message has gone out; the lock is held."""
        return

    def waiting(self):
        """How many bytes the other end has not allowed yet."""
        return sum([len(message[0]) - message[1] for message in list(self.unsent)])

    def flow(self):
        """Turns messages into frames, as far as credit goes; the lock is held."""
        while self.unsent and self.credit:
            message = self.unsent[0]
            data, at, end = message
            piece = data[at:at + min(self.credit, 65535)]
            self.credit -= len(piece)
            message[1] += len(piece)
            flags = self.priority | MORE
            if message[1] == len(data):
                flags = self.priority | end
                self.unsent.pop(0)
                self.moved()
            self.push(self.opening, flags, piece)
            self.opening = DATA

    def push(self, kind, flags, body):
        """The lock is held."""
        hop = below.get(self.key[0])
        if hop:
            hop.queue.push(kind, flags, self.key[0], me, self.key[1], body)
            if hop.link and not hop.cause and hop.link.fileno() not in writers:
                writers[hop.link.fileno()] = hop.write
                os.write(wake, pack('B', 0))

    def used(self, size):
        """So much of what has come has been used up, and more may come."""
        lock.acquire()
        # What came in pieces has been allowed to come.
        known = min(self.early, size)
        self.early -= known
        self.allow(size - known)
        lock.release()

    def allow(self, size):
        self.taken += size
        if self.taken >= WINDOW // 2 and self.key in led:
            self.push(CREDIT, 0, pack('>I', self.taken))
            self.allowed += self.taken
            self.taken = 0

    def take(self, kind, flags, body):
        """A frame from below; in the loop's thread, where nothing may be raised."""
        if kind == RESET:
            reason = unpack('B', body[:1] or pack('B', 1))[0]
            what = {2: 'it does not know what was asked', 3: 'too much goes on there at once', 4: 'it was sent more than it allows'}
            self.over({'kind': 'bad_value', 'message': what.get(reason, 'it has ended this'), 'hop': None, 'said': []})
        elif self.cancelled:
            if flags & END:
                self.over(None)
        elif kind == CREDIT and len(body) == 4:
            lock.acquire()
            self.credit += unpack('>I', body)[0]
            self.flow()
            lock.release()
        elif kind == DATA:
            self.piece(flags, body)

    def piece(self, flags, body):
        lock.acquire()
        # Whoever uses up what has come does so in a thread of its own.
        self.allowed -= len(body)
        lock.release()
        self.hold(len(body))
        self.parts.append(body)
        if self.allowed < 0 or partial[0] > MAX_PARTIAL or not body:
            return self.refuse('more than it may send')
        if flags & MORE:
            lock.acquire()
            self.early += len(body)
            self.allow(len(body))
            lock.release()
            return
        message = EMPTY.join(self.parts)
        self.hold(-self.size)
        self.parts = []
        tag, = unpack('B', message[:1])
        if tag in (RESULT, FAILURE, 23, 24) and len(message) > MAX_PARTS and parts_of(message) > MAX_PARTS:
            return self.refuse('a value of more than %d parts' % MAX_PARTS)
        if flags & END:
            self.forget()
        self.told(tag, message[1:], flags & END)

    def hold(self, size):
        """So much more of a message that is not whole is here."""
        lock.acquire()
        self.size += size
        partial[0] += size
        lock.release()

    def refuse(self, what):
        lock.acquire()
        self.push(RESET, 0, pack('B', 4))
        lock.release()
        self.over({'kind': 'bad_value', 'message': 'it sent what it may not: ' + what, 'hop': None, 'said': []})

    def cancel(self):
        """Ends what goes on there; told() is called when it has ended."""
        lock.acquire()
        if self.key in led and not self.cancelled:
            self.cancelled = 1
            self.unsent = []
            hop = below.get(self.key[0])
            flow = self.key[0], me, self.key[1]
            unknown = self.opening == OPEN or hop and flow in hop.queue.waiting and hop.queue.waiting[flow][0][0][:1] == pack('B', OPEN)
            self.push(RESET, 0, pack('B', 1))
            if unknown:
                # Nothing of it has left, so nobody will answer.
                thread.start_new_thread(self.over, (None,))
        lock.release()

    def over(self, why):
        if self.forget():
            self.told(0, why, END)

    def forget(self):
        """Returns whether it was known."""
        self.hold(-self.size)
        self.child.led.pop(self.key, 0)
        return led.pop(self.key, 0)


def parts_of(message):
    """At least how many values a value is made of."""
    at, count = 1, 0
    while at < len(message) and count <= MAX_PARTS:
        count += 1
        code, = unpack('B', message[at:at + 1])
        at += 1
        if code not in (110, 116, 102):
            if code in (98, 100, 105, 115, 120):
                at += unpack('>I', (message[at:at + 4] + pack('>I', 0))[:4])[0]
            at += 4
    return count


def lead_on():
    """From now on frames from below are heard."""
    global joined, joined_unled
    if 'joined_unled' not in globals():
        joined_unled, joined = joined, heard_below


def heard_below(kind, flags, source, number, body):
    """Takes a frame from below of a conversation that was begun here."""
    stream = led.get((source, number))
    if not stream:
        return joined_unled(kind, flags, source, number, body)
    stream.take(kind, flags, body)
    return 1
