"""Streams: messages both ways, in pieces, as far as the other end gives credit."""
streams = {}
readers = {}
writers = {}
ready = []
lock = thread.allocate_lock()
number = -1


class Stream:
    def __init__(self, peer, number):
        self.peer, self.number = peer, number
        self.credit = WINDOW
        self.taken = self.ends = self.hold = self.owed = 0
        self.unsent = []
        self.parts = []
        self.opening = OPEN
        self.handle = dispatch
        self.cancel = int
        streams[peer, number] = self

    def put(self, tag, body, end=0):
        """Queues a message; the lock is held."""
        self.unsent.append([pack('B', tag) + body, 0, end])
        if len(self.unsent) == 1:
            ready.append(self)

    def grant(self, size):
        """Gives credit for what has been used up here; the lock is held."""
        self.taken += size
        if self.taken >= WINDOW // 2:
            control(CREDIT, self.peer, self.number, pack('>I', self.taken))
            self.taken = 0

    def finish(self, end):
        if end:
            self.ends += 1
            if self.ends == 2:
                streams.pop((self.peer, self.number), 0)


def control(kind, to, number, body):
    global outbox
    outbox += frame(kind, 0, to, number, body)


def pump():
    """Turns messages into frames, stream by stream, and writes what the link takes; the lock is held."""
    global outbox
    while 1:
        while ready and len(outbox) < WINDOW:
            stream = ready.pop(0)
            message = stream.unsent[0]
            data, at, end = message
            body = data[at:at + min(stream.credit, 65535)]
            if not body:
                continue
            stream.credit -= len(body)
            message[1] += len(body)
            flags = INTERACTIVE | MORE
            if message[1] == len(data):
                flags = INTERACTIVE | end
                stream.unsent.pop(0)
                stream.finish(end)
            outbox += frame(stream.opening, flags, stream.peer, stream.number, body)
            stream.opening = DATA
            if stream.unsent:
                ready.append(stream)
        if not outbox:
            writers.pop(link_out, 0)
            return
        try:
            outbox = outbox[os.write(link_out, outbox):]
        except OSError:
            if sys.exc_info()[1].errno != errno.EAGAIN:
                leave(1)
            if link_out not in writers:
                writers[link_out] = flush
                os.write(wake, pack('B', 0))
            return


def flush():
    lock.acquire()
    pump()
    lock.release()


def receive(kind, flags, to, source, number, body):
    """One frame from the link."""
    if to != me or source not in ancestors:
        raise ValueError('a frame from %d to %d' % (source, to))
    lock.acquire()
    stream = streams.get((source, number))
    if kind == PING:
        control(PONG, source, 0, body)
    elif kind == BYE:
        leave(0)
    elif kind == OPEN:
        stream = Stream(source, number)
        stream.opening = DATA
    elif stream and kind == CREDIT:
        stream.credit += unpack('>I', body)[0]
        if stream.unsent and stream not in ready:
            ready.append(stream)
    elif stream and kind == RESET:
        streams.pop((source, number))
        if stream in ready:
            ready.remove(stream)
        stream.unsent = []
        stream.put = lambda *message: None
        stream.cancel()
    lock.release()
    if stream and kind in (OPEN, DATA):
        stream.parts.append(body)
        if not flags & MORE:
            message = EMPTY.join(stream.parts)
            stream.parts = []
            stream.handle(stream, unpack('B', message[:1])[0], message[1:], flags & END)
            stream.finish(flags & END)
        lock.acquire()
        if stream.hold and not flags & MORE:
            stream.owed += len(body)
        else:
            stream.grant(len(body))
        lock.release()
    flush()


def ask(tag, body):
    """Sends a request to the parent and waits for (tag, body); never from the loop's thread."""
    global number
    answer = []
    answered = thread.allocate_lock()
    answered.acquire()

    def handle(stream, *message):
        answer.extend(message)
        answered.release()
    lock.acquire()
    number += 2
    stream = Stream(ancestors[0], number)
    stream.handle = handle
    stream.put(tag, body, END)
    lock.release()
    flush()
    answered.acquire()
    return answer[:2]


def part(name):
    """Returns the function of that name, once the part of that name has been fetched."""
    if name not in globals():
        exec(zlib.decompress(ask(NEED, utf8('part:' + name))[1], -15), globals())
    return globals()[name]


def dispatch(stream, tag, body, end):
    """The first message of a stream from above."""
    if tag == PART:
        exec(zlib.decompress(body, -15), globals())
    elif tag in handlers:
        handlers[tag](stream, body)
    else:
        lock.acquire()
        control(RESET, stream.peer, stream.number, pack('B', 2))
        streams.pop((stream.peer, stream.number))
        lock.release()
