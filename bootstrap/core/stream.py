"""Streams: messages both ways, in pieces, as far as the other end gives credit."""
streams = {}
readers = {}
writers = {}
ready = []
lock = thread.allocate_lock()
fetching = thread.allocate_lock()
# 1 is the log.
number = 1
# The second stage: its s is the core as it came, its t the text of that.
started = sys.modules['__main__']
sys.modules[__name__] = started.c


class Stream:
    credit = WINDOW
    taken = ends = hold = owed = gone = 0
    opening = OPEN

    def __init__(self, peer, number):
        self.peer, self.number = peer, number
        self.unsent = []
        self.parts = []
        streams[peer, number] = self

    def put(self, tag=0, body=EMPTY, end=0):
        """Queues a message; the lock is held."""
        if not self.gone:
            self.unsent.append([pack('B', tag) + body, 0, end])
            if len(self.unsent) == 1:
                ready.append(self)
        elif end:
            self.over()

    def over(self):
        """Tells whoever has cancelled this that nothing goes on; the lock is held."""
        control(RESET, self.peer, self.number, pack('B', 1))
    cancel = over

    def handle(self, tag, body, end):
        """The first message of a stream from above; who answers may take the place of this."""
        if tag == PART:
            exec(inflate(body), globals())
        elif tag in handlers:
            handlers[tag](self, body)
        else:
            lock.acquire()
            control(RESET, self.peer, self.number, pack('B', 2))
            streams.pop((self.peer, self.number), 0)
            lock.release()

    def grant(self, size):
        """Gives credit for what has been used up here; only from the loop's thread."""
        self.taken += size
        if self.taken >= WINDOW // 2:
            lock.acquire()
            control(CREDIT, self.peer, self.number, pack('>I', self.taken))
            lock.release()
            self.taken = 0

    def finish(self, end):
        """One direction has ended; the lock is held."""
        if end:
            self.ends += 1
            if self.ends == 2:
                streams.pop((self.peer, self.number), 0)


def inflate(data):
    """The text of a part, which is compressed as the continuation of the core."""
    return zlib.decompressobj(-15).decompress(started.s + data)[len(started.t):]


def control(kind, to, number, body):
    outbox.append(frame(kind, 0, to, number, body))


def pump():
    """Turns messages into frames, stream by stream, and writes what the link takes; the lock is held."""
    while 1:
        while ready and len(outbox) < 9:
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
            outbox.append(frame(stream.opening, flags, stream.peer, stream.number, body))
            stream.opening = DATA
            if stream.unsent:
                ready.append(stream)
        if not outbox:
            writers.pop(link_out, 0)
            return
        outbox[:] = [EMPTY.join(outbox)]
        try:
            outbox[0] = outbox[0][os.write(link_out, outbox[0]):]
            if not outbox[0]:
                del outbox[:]
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
        raise ValueError('broken frame')
    stream = streams.get((source, number))
    if kind == OPEN:
        stream = Stream(source, number)
        stream.opening = DATA
    if stream and kind in (OPEN, DATA):
        stream.parts.append(body)
        if flags & MORE:
            stream.grant(len(body))
            return
        if stream.hold:
            stream.owed += len(body)
        else:
            stream.grant(len(body))
        message = EMPTY.join(stream.parts)
        stream.parts = []
        lock.acquire()
        stream.finish(flags & END)
        lock.release()
        stream.handle(unpack('B', message[:1])[0], message[1:], flags & END)
        return
    lock.acquire()
    if kind == PING:
        control(PONG, source, 0, body)
        tell('heard = os.times()[4]')
    elif kind == BYE:
        leave(0)
    elif stream and kind == CREDIT:
        stream.credit += unpack('>I', body)[0]
        if stream.unsent and stream not in ready:
            ready.append(stream)
    elif stream and kind == RESET:
        streams.pop((source, number), 0)
        if stream in ready:
            ready.remove(stream)
        stream.unsent = []
        stream.gone = 1
        stream.cancel()
    lock.release()


def ask(tag, body):
    """Sends a request to the controller and waits for (tag, body); never from the loop's thread."""
    global number
    answer = []
    answered = thread.allocate_lock()
    answered.acquire()

    def handle(*message):
        answer.extend(message)
        answered.release()
    lock.acquire()
    number += 2
    stream = Stream(0, number)
    stream.handle = handle
    stream.cancel = answered.release
    stream.put(tag, body, END)
    lock.release()
    flush()
    answered.acquire()
    return answer[:2]


def part(name):
    """Returns the function of that name, once the part of that name has been fetched."""
    astray()
    fetching.acquire()
    try:
        if name not in globals():
            exec(inflate(ask(NEED, utf8('part:' + name))[1]), globals())
    finally:
        fetching.release()
    return globals()[name]
