"""The link of a script to its controller: frames and streams (docs/PROTOCOL.md) over one socket.

Ctrl-C may strike between any two steps of the main thread. So bytes are read and written by one step of the
interpreter's (`starmap`), which also notes that it was done.
"""
import errno
import itertools
import os
import struct
import sys
import zlib

from hopvine.errors import HopvineError
from hopvine.turns import Turns, ident, private

HELLO, PING, PONG, BYE, OPEN, DATA, CREDIT, RESET = range(1, 9)
INTERACTIVE, MORE, END = 1, 4, 8
MAGIC, WINDOW, PIECE_BYTES = 0xfeb1, 65536, 65535
# As much as is put together for one write.
BATCH_BYTES = 262144
# Of all messages together that have been begun and not yet sent to their end.
UNFINISHED_BYTES = 64 * 1024 * 1024
EMPTY = struct.pack('')
HEADER, TAIL, HEAD = struct.Struct('>HHIBBIII'), struct.Struct('>BBIII'), struct.Struct('>HHI')
ME, CONTROLLER = 1, 0
# Why the controller ends a stream early, where it was not asked to (docs/PROTOCOL.md, "Frames").
REASONS = {
    2: 'the controller does not understand what was asked', 3: 'too much goes on at once: 4,096 streams are the most',
    4: 'what was sent is too much: unfinished messages together may be 64 MiB',
}
# What is posted about a stream, beside messages.
USED, EARLY, STOP, GO = 'used', 'early', 'stop', 'go'
stepped = getattr(itertools, 'imap', map)


class Stream(object):
    """A conversation with the controller. `sink(tag, body, end)` is told each message by whoever reads; at an early end
    tag is None, and body None where that was wanted, else why it came."""

    def __init__(self, link, number, sink):
        self.link, self.number, self.sink = link, number, sink
        self.opening = OPEN
        # How many bytes may be sent in all, and have been; how many have been given to be sent.
        self.granted, self.spent, self.posted = WINDOW, 0, 0
        self.unsent = []
        self.parts = []
        # Bytes that were used up and not yet granted again; those granted before their message was whole.
        self.taken = self.early = 0
        self.said_all = self.heard_all = False

    def send(self, message, end=False, at_once=True):
        """Queues a message, tag and body; without `at_once` it goes with the next one."""
        if self.link.error is not None:
            if self.number in self.link.streams:
                self.over()
                self.sink(None, self.link.error, True)
            return
        self.posted += len(message)
        self.link.post(self, (message, end), at_once)

    @property
    def waiting_bytes(self):
        """What credit has not yet let go."""
        return self.posted - self.spent

    def used(self, size):
        """So many bytes of messages have been used up: the controller may send as many more."""
        self.link.post(self, (USED, size))

    def stop(self):
        """Ends it early, in both directions; whoever ends what it is about then says so."""
        self.link.post(self, (STOP, 1), gently=True)

    def finish(self):
        """The other direction has ended: there is nothing more to say in ours."""
        if not self.said_all:
            self.stop()

    def over(self):
        self.link.streams.pop(self.number, None)
        self.link.busy.pop(self.number, None)


class Link(Turns):
    """`check(greeting)` says what is wrong with the controller, or None; `opened(stream, tag, body)` takes streams
    that the controller opens."""

    def __init__(self, fd, hello, check, opened):
        self.fd, self.check, self.opened, self.pid = fd, check, opened, os.getpid()
        private(fd)
        # None while all is well; a text that says why nothing comes any more.
        self.error = None
        self.greeted = False
        Turns.__init__(self, fd)
        self.numbers = itertools.count(1, 2)
        # All streams by their numbers; those on which something may come though nobody waits.
        self.streams, self.busy = {}, {}
        self.posts, self.ready, self.frames = [], [], []
        # How much of messages is begun; streams that wait for room for theirs.
        self.begun, self.held = 0, []
        # What is being written, and how much of it has been, step by step.
        self.going = EMPTY, []
        self.buffer = bytearray()
        self.control(HELLO, 0, hello)

    # Sending

    def open(self, sink, busy=True):
        """A new stream, to begin with its first message. `busy`: something may come on it though nobody waits."""
        stream = Stream(self, next(self.numbers), sink)
        self.streams[stream.number] = stream
        if busy:
            self.busy[stream.number] = stream
        return stream

    def control(self, kind, number, body):
        self.frames.append(framed(kind, 0, number, body))
        self.frames.append(body)

    def post(self, stream, what, at_once=True, gently=False):
        """`gently`: also from a destructor, which may run in the midst of anything."""
        if self.pid != os.getpid():
            raise HopvineError('this belongs to the process that this one was forked from')
        self.posts.append((stream, what))
        if at_once and not (gently and 'writer' in self.roles):
            self.pump()

    def pump(self):
        """Writes what the socket takes; where somebody else is at it, he does."""
        while self.posts or self.frames or len(self.going[0]) > sum(self.going[1]):
            if self.error is not None or self.roles.setdefault('writer', ident()) != ident():
                return
            try:
                self.blocked = not self.write()
            finally:
                self.roles.pop('writer', None)
            if self.blocked:
                # Whoever reads has to look for room as well.
                return self.stir()

    def write(self):
        """Whether all has gone; only who has that role."""
        while True:
            data, gone = self.going
            done = sum(gone)
            if done < len(data):
                try:
                    gone.extend(itertools.starmap(os.write, ((self.fd, data[done:]),)))
                except OSError:
                    if sys.exc_info()[1].errno == errno.EAGAIN:
                        return False
                    # What the controller has said before it went is still to be read.
                    self.going, self.frames, self.posts = (EMPTY, []), [], []
                    return True
                continue
            self.prepare()
            if not self.frames:
                return True
            self.going = EMPTY.join(self.frames), []
            del self.frames[:]

    def prepare(self):
        """Turns what was posted into frames, up to a batch, as far as credit goes."""
        while self.posts:
            stream, (what, value) = self.posts.pop(0)
            if what is USED or what is EARLY:
                self.give(stream, what, value)
            elif what is STOP:
                if stream.opening is OPEN:
                    self.piece(stream, True)
                if stream.unsent and stream.unsent[0][1]:
                    self.finished(len(stream.unsent[0][0]))
                del stream.unsent[:]
                stream.said_all, stream.posted = True, stream.spent
                if stream.number in self.streams:
                    self.control(RESET, stream.number, struct.pack('B', value))
                    if stream.heard_all:
                        stream.over()
            elif what is GO:
                if stream.unsent and stream not in self.ready:
                    self.ready.append(stream)
            elif not stream.said_all:
                stream.unsent.append([what, 0, value])
                stream.said_all = bool(value)
                if len(stream.unsent) == 1:
                    self.ready.append(stream)
        size = 0
        while self.ready and size < BATCH_BYTES:
            size += self.piece(self.ready.pop(0))

    def piece(self, stream, last=False):
        """The next frame of a stream; returns its size. `last`: what it belongs to is not to be finished."""
        if not stream.unsent:
            return 0
        message = stream.unsent[0]
        data, at, end = message
        size = min(len(data) - at, stream.granted - stream.spent, PIECE_BYTES)
        if size <= 0 and data:
            return 0
        body = data
        if size < len(data):
            if not at:
                if self.begun and self.begun + len(data) > UNFINISHED_BYTES and not last:
                    if stream not in self.held:
                        self.held.append(stream)
                    return 0
                self.begun += len(data)
            body = data[at:at + size]
        stream.spent += size
        message[1] += size
        flags = INTERACTIVE | MORE
        if message[1] == len(data):
            flags = INTERACTIVE
            if end:
                flags = INTERACTIVE | END
            stream.unsent.pop(0)
            if at:
                self.finished(len(data))
        self.frames.append(framed(stream.opening, flags, stream.number, body))
        self.frames.append(body)
        stream.opening = DATA
        if flags & END and stream.heard_all:
            stream.over()
        elif stream.unsent:
            self.ready.append(stream)
        return size

    def finished(self, size):
        """A message of several pieces has gone, or will not: there is room for others."""
        self.begun -= size
        self.ready.extend(self.held)
        del self.held[:]

    def give(self, stream, what, size):
        """Credit; what was given before a message was whole is not given again when that has been used."""
        if what is EARLY:
            stream.early += size
        else:
            before = min(size, stream.early)
            stream.early -= before
            size -= before
        stream.taken += size
        if stream.taken >= WINDOW // 2 and stream.number in self.streams and not stream.heard_all:
            self.control(CREDIT, stream.number, struct.pack('>I', stream.taken))
            stream.taken = 0

    # Receiving

    def read(self):
        before = len(self.buffer)
        try:
            # One step of the interpreter's: no byte is lost, whatever interrupts.
            for _ in stepped(self.buffer.extend, itertools.starmap(os.read, ((self.fd, WINDOW),))):
                pass
        except OSError:
            if sys.exc_info()[1].errno == errno.EAGAIN:
                return
            return self.end(None)
        if len(self.buffer) == before:
            return self.end(None)
        self.take()

    def take(self):
        """What has come whole."""
        buffer = self.buffer
        while len(buffer) >= HEADER.size:
            magic, size, crc, kind, flags, to, source, number = HEADER.unpack_from(buffer)
            end = HEADER.size + size
            if magic != MAGIC:
                return self.end('it says something that is not ours')
            if len(buffer) < end:
                return
            frame = bytes(buffer[HEAD.size:end])
            if zlib.crc32(frame) & 0xffffffff != crc:
                return self.end('what it says is damaged on the way')
            whole = False
            try:
                try:
                    del buffer[:end]
                    self.receive(kind, flags, number, frame[TAIL.size:])
                    whole = True
                except Exception:
                    # A sink's: told, and nobody else's affair.
                    sys.excepthook(*sys.exc_info())
            finally:
                # An interrupt in the midst of this: the stream is not whole any more, but nobody waits for ever.
                if not whole and number in self.streams:
                    stream = self.streams[number]
                    stream.stop()
                    if stream.sink:
                        stream.sink(None, None, True)

    def receive(self, kind, flags, number, body):
        stream = self.streams.get(number)
        if not self.greeted:
            self.greeted = True
            wrong = 'it does not greet'
            if kind == HELLO:
                wrong = self.check(body)
            if wrong:
                self.end(wrong)
        elif kind == OPEN or stream and kind == DATA:
            if stream is None:
                stream = Stream(self, number, None)
                stream.opening = DATA
                self.streams[number] = stream
            stream.parts.append(body)
            if flags & MORE:
                return self.post(stream, (EARLY, len(body)))
            message = EMPTY.join(stream.parts)
            stream.parts = []
            if flags & END:
                stream.heard_all = True
                self.busy.pop(number, None)
                if stream.said_all and not stream.unsent:
                    stream.over()
            tag = 0
            if message:
                tag, = struct.unpack('B', message[:1])
            if stream.sink is None:
                self.opened(stream, tag, message[1:])
            else:
                stream.sink(tag, message[1:], flags & END > 0)
        elif kind == CREDIT and stream:
            stream.granted += struct.unpack('>I', body)[0]
            self.post(stream, (GO, None))
        elif kind == RESET and stream:
            stream.over()
            stream.said_all = stream.heard_all = True
            if stream.waiting_bytes:
                # It goes nowhere, and is in the way of others.
                stream.stop()
            if stream.sink:
                reason, = struct.unpack('B', body[:1] or struct.pack('B', 1))
                stream.sink(None, REASONS.get(reason), True)
        elif kind == BYE:
            self.end(None)

    def end(self, why):
        """Nothing comes any more: told to everybody who waits for something."""
        if self.error is None:
            self.error = why or 'it has ended'
            # The number stays taken: another thread may be about to write to it.
            nothing = os.open(os.devnull, os.O_RDWR)
            os.dup2(nothing, self.fd)
            os.close(nothing)
            self.forget()
            for stream in list(self.streams.values()):
                stream.over()
                if stream.sink:
                    stream.sink(None, self.error, True)

    def close(self, patience):
        """Says goodbye, and waits so many seconds for the controller to end; then it does by the end of the link."""
        if self.error is None:
            self.busy.clear()
            self.control(BYE, 0, EMPTY)
            self.pump()
            self.wait(lambda: self.error is not None, patience)


def framed(kind, flags, number, body):
    """The header of a frame with that body."""
    tail = TAIL.pack(kind, flags, CONTROLLER, ME, number)
    return HEAD.pack(MAGIC, len(body), zlib.crc32(body, zlib.crc32(tail)) & 0xffffffff) + tail
