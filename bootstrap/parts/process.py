"""Calls in a process of their own: a fresh interpreter that answers on the stream of its call in this agent's name.

What it asks for goes up under numbers of this agent's. Credit passes through, so that the ends hold back each other.
"""
CALL_PROCESS = 9
# By the number of a stream of this agent's: the child that it belongs to.
delegated = {}
# Parts as they came, for more than one child.
packed = {}
receive_undelegated = receive
START = '''import sys
del sys.path[0]
import os,zlib
s=os.read(0,0)
while len(s)<%d:s+=os.read(0,%d-len(s))or 1/0
t=zlib.decompressobj(-15).decompress(s)
c=type(sys)('hopvine_core')
exec(t,c.__dict__)'''


def process(stream, body):
    # Not in the loop's thread: before Python 3.3 a fork waits for imports, which may wait for the loop.
    thread.start_new_thread(launch, (stream, body))


def launch(stream, body):
    """Starts the interpreter and hands it the call."""
    if not begin(stream):
        finish(stream)
        lock.acquire()
        stream.put(end=END)
        lock.release()
        return flush()
    for name in 'importer', 'offer', 'logs':
        if name not in packed:
            packed[name] = ask(NEED, utf8('packed:' + name))[1]
    try:
        hand_over(stream, body)
    except OSError:
        finish(stream)
        written()
        stream.put(FAILURE, part('failure')(sys.exc_info()), END)
        lock.release()
        flush()


def hand_over(stream, body):
    theirs_in, ours_out = os.pipe()
    ours_in, theirs_out = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            os.dup2(theirs_in, 0)
            os.dup2(theirs_out, 1)
            os.dup2(last_words, 2)
            for fd in theirs_in, theirs_out, ours_in, ours_out:
                os.close(fd)
            size = len(started.s)
            os.execv(sys.executable, [sys.executable, '-SEc', START % (size, size)])
        finally:
            os._exit(127)
    tell('spared[%d] = 1', pid)
    os.close(theirs_in)
    os.close(theirs_out)
    child = Child(stream, pid, private(ours_in), private(ours_out))
    child.start(body)
    lock.acquire()
    stream.cancel = child.kill
    streams.pop((stream.peer, stream.number), 0)
    delegated[stream.number] = child
    gone = stream.gone
    if gone:
        child.kill()
    lock.release()
    readers[child.input] = child.read
    writers[child.output] = child.write
    os.write(wake, pack('B', 0))


def receive(kind, flags, to, source, number, body):
    if to == me and number in delegated:
        delegated[number].receive(kind, flags, number, body)
    else:
        receive_undelegated(kind, flags, to, source, number, body)


class Child:
    """A process with one call, as this agent sees it."""

    def __init__(self, stream, pid, input, output):
        self.stream, self.pid, self.input, self.output = stream, pid, input, output
        # Its numbers of streams and ours for them.
        self.ours = {stream.number: stream.number}
        self.theirs = {stream.number: stream.number}
        self.marker = 16
        self.rest = self.unwritten = EMPTY
        self.answered = self.killed = 0
        # Streams of this agent's own to it.
        self.sent = 0x70000000

    def start(self, body):
        title = open('/proc/self/cmdline', 'rb').read()
        hello = pack('>HIIB16sQ', 1, me, 0xffffffff, log_level, EMPTY, len(ancestors))
        hello += pack('>%dI' % len(ancestors), *ancestors) + pack('>Q', len(title)) + title
        self.unwritten = started.s
        self.down(HELLO, 0, 0, hello)
        self.unwritten += guard
        for name in 'importer', 'offer', 'logs':
            self.send(pack('B', PART) + packed[name])
        known = globals()
        # Without data (5), which is asked for anew each time.
        modules = [(name,) + module for name, module in list(known.get('sources', {}).items()) if module[0] != 5]
        value = dump((list(known.get('roots', {}).items()), modules))
        self.send(pack('B', 5) + zlib.compress(value)[2:-4])
        self.send(pack('B', CALL) + body, self.stream.number)

    def send(self, message, number=None):
        """A message on a stream of its own, or on that of the call."""
        kind = OPEN
        self.sent += 2
        while message:
            piece, message = message[:65535], message[65535:]
            flags = INTERACTIVE | END
            if message:
                flags = INTERACTIVE | MORE
            self.down(kind, flags, number or self.sent, piece)
            kind = DATA

    def down(self, kind, flags, number, body):
        tail = pack('>BBIII', kind, flags, me, self.stream.peer, number) + body
        self.unwritten += pack('>HHI', 0xfeb1, len(body), zlib.crc32(tail) & 0xffffffff) + tail

    def receive(self, kind, flags, number, body):
        """A frame from above for one of its streams."""
        if kind == RESET and number == self.stream.number:
            lock.acquire()
            self.kill()
            lock.release()
        else:
            self.down(kind, flags, self.theirs[number], body)
            writers[self.output] = self.write

    def write(self):
        try:
            self.unwritten = self.unwritten[os.write(self.output, self.unwritten):]
        except OSError:
            # It has ended, which its other pipe tells.
            self.unwritten = EMPTY
        if not self.unwritten:
            writers.pop(self.output, 0)

    def read(self):
        got = os.read(self.input, WINDOW)
        if not got:
            readers.pop(self.input)
            os.close(self.input)
            # Its process is about to end; if not, only a thread waits.
            thread.start_new_thread(self.end, ())
            return
        skipped = min(self.marker, len(got))
        self.marker -= skipped
        self.rest = frames(self.rest + got[skipped:], self.pass_on)

    def pass_on(self, kind, flags, to, source, theirs, body):
        """A frame of the child's, upwards; what it says about the credit of its call's message has been said."""
        global number
        if not theirs or theirs > 0x70000000 and theirs < 0x80000000:
            return
        if kind == CREDIT and theirs == self.stream.number:
            return
        asked = pack('B', NEED) + utf8('part:')
        if kind == OPEN and body[:len(asked)] == asked:
            # As it is for somebody else: a relay would give it to this agent.
            body = pack('B', NEED) + utf8('packed:') + body[len(asked):]
        lock.acquire()
        if theirs not in self.ours:
            number += 2
            self.ours[theirs], self.theirs[number] = number, theirs
            delegated[number] = self
        outbox.append(frame(kind, flags, to, self.ours[theirs], body))
        if theirs == self.stream.number and flags & END:
            self.answered = 1
            self.close_output()
        lock.release()

    def close_output(self):
        """The end of its input is the end of the child."""
        if self.output:
            writers.pop(self.output, 0)
            os.close(self.output)
            self.output = 0

    def kill(self):
        """Its call has been cancelled, which its end tells above; the lock is held."""
        self.killed = 1
        tell('over(%d, %r)', self.pid, self.stream.begun)

    def end(self):
        status = os.waitpid(self.pid, 0)[1]
        tell('spared.pop(%d, 0)', self.pid)
        lock.acquire()
        finish(self.stream)
        self.close_output()
        for ours in self.theirs:
            delegated.pop(ours, 0)
        if self.killed:
            self.stream.over()
        elif not self.answered:
            message = 'the process of the call ended with status %d' % (status >> 8)
            if status >> 8 > 128 or status & 127:
                message = 'the process of the call was killed by signal %d' % (status & 127 or (status >> 8) - 128)
            body = pack('B', FAILURE) + dump({
                'type': 'hopvine.ProcessEnded', 'message': message, 'args': (message,), 'attributes': {},
                'traceback': message, 'cause': None, 'unsendable': False})
            outbox.append(frame(DATA, INTERACTIVE | END, self.stream.peer, self.stream.number, body))
        lock.release()
        flush()


handlers[CALL_PROCESS] = process
