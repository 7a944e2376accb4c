"""The link while much passes over it."""
# The streams whose messages let all others of the link go first.
bulk = {}
frame_own, tap_own = frame, tap
# Links that hold so much that the other end need not wait while we do, which spares both of us a turn for each piece.
roomy = []
PAUSE = .0005
# The transfers that take from the link, and the inputs of commands that much has come for.
taking = []
fed = []
# How often what writes much is read before others have their turn.
READS = 4
# The link is read as the core does it after so many reads without contents.
CALM_READS = 4
# What one write takes: IOV_MAX is 1,024.
PIECES = 64
MAGIC = pack('>H', 0xfeb1)
# The tag of a piece of a file.
CONTENTS = 21
# Frames that are larger carry contents.
SMALL_BYTES = 4096
# Whether the link comes by ssh: the part of that name says so.
sealed = 0
# 1, or the input of a command, where pieces of whole messages may come as fast as they can.
Stream.quick = 0


def frame(kind, flags, to, number, body):
    if kind in (OPEN, DATA) and (to, number) in bulk:
        flags += 1
    return frame_own(kind, flags, to, number, body)


class Intake:
    """The link while contents come: read into one place, and copied from there but once. What the core does is
    shorter, and copies a frame with each piece that it comes in."""

    def __init__(self):
        self.space = memoryview(bytearray(8 * WINDOW))
        self.start = self.end = self.calm = 0

    def read(self):
        global data
        space = self.space
        if data:
            self.start, self.end = 0, len(data)
            space[:self.end] = data
            data = EMPTY
        if len(space) - self.end < 2 * WINDOW:
            rest = self.end - self.start
            space[:rest] = space[self.start:self.end].tobytes()
            self.start, self.end = 0, rest
        before = self.end
        self.end += os.readv(link, [space[self.end:]]) or leave(1)
        got = self.end - before
        at, contents = self.start, 0
        while self.end - at >= 22:
            magic, size, crc, kind, flags, to, source, number = unpack('>HHIBBIII', space[at:at + 22])
            end = at + 22 + size
            if self.end < end:
                break
            stream = kind == DATA and size and flags < MORE and to == me and streams.get((source, number))
            much = stream and stream.quick and not stream.parts
            # Where ssh has seen to it that a command's input is what was sent, only a byte that somebody else has read could be
            # missing: then there is no header behind it. A file's contents have a sum of their own.
            summed = sealed
            if stream and stream.quick == 1:
                summed = space[at + 22] == CONTENTS
            trusted = much and summed and size > SMALL_BYTES
            behind = space[end:min(end + 2, self.end)].tobytes()
            if magic != 0xfeb1 or not trusted and zlib.crc32(space[at + 8:end]) & 0xffffffff != crc or MAGIC[:len(behind)] != behind:
                raise ValueError('broken frame')
            contents = contents or much
            if not much:
                receive(kind, flags, to, source, number, space[at + 22:end].tobytes())
            elif stream.quick == 1:
                stream.handle(space[at + 22], space[at + 23:end].tobytes(), 0)
            else:
                feed_now(stream.quick, space[at + 23:end])
            at = end
        self.start = at
        # The middle of a frame is contents too.
        self.calm = not contents and at == self.end and self.calm + 1 or 0
        if at == self.end:
            self.start = self.end = 0
        fed[:] = [input for input in fed if streams.get((input.stream.peer, input.stream.number)) is input.stream]
        if not taking and (not fed or self.calm > CALM_READS):
            # More of it brings this back.
            for input in fed:
                input.stream.quick = 0
            del fed[:]
            data = space[self.start:self.end].tobytes()
            readers[link] = take
        elif not self.calm and link in roomy and got < WINDOW:
            readable([], PAUSE)


def feed_now(input, body):
    """Gives a command what has come for it, where it takes that at once."""
    size = len(body) + 1
    if input.fd and not input.pieces:
        try:
            body = body[os.write(input.fd, body):]
        except OSError:
            # As with what has to wait.
            pass
    if len(body):
        input.pieces.append((body.tobytes(), size))
        input.wait()
    else:
        input.spend(size)


def feed_much(input):
    """Much has come for a command, and more may."""
    if hasattr(os, 'readv'):
        input.stream.quick = input
        fed.append(input)
        take_in()


def take_in():
    """Something takes much from the link; only from the loop's thread."""
    if hasattr(os, 'readv') and readers[link] is take:
        readers[link] = Intake().read


def tap(fd):
    """As the core's, with as much as one frame holds, and more of it at once; the lock is held."""
    global log
    for again in range(READS):
        try:
            data = os.read(fd, WINDOW - 2)
        except OSError:
            return
        if not data:
            taps.pop(fd)
            os.close(fd)
            return
        if not target(fd):
            log = Stream(0, 1)
        target(fd).put(taps[fd][0], data)
        if len(data) < WINDOW - 2:
            return


def pump_quick():
    """As the core's, but what is to be written is not copied, and less of it stands before an answer; the lock is held."""
    while 1:
        while ready and len(outbox) < 8:
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
            if (stream.peer, stream.number) in bulk:
                flags += 1
            head = pack('>BBIII', stream.opening, flags, stream.peer, me, stream.number)
            crc = zlib.crc32(body, zlib.crc32(head))
            outbox.extend([pack('>HHI', 0xfeb1, len(body), crc) + head, body])
            stream.opening = DATA
            if stream.unsent:
                ready.append(stream)
        if not outbox:
            writers.pop(link_out, 0)
            return
        pieces = outbox[:PIECES]
        try:
            done = os.writev(link_out, pieces)
        except OSError:
            if sys.exc_info()[1].errno != errno.EAGAIN:
                leave(1)
            done = 0
        while pieces and done >= len(pieces[0]):
            done -= len(pieces.pop(0))
        del outbox[:min(len(outbox), PIECES) - len(pieces)]
        if pieces:
            outbox[0] = memoryview(outbox[0])[done:]
            if link_out not in writers:
                writers[link_out] = drain
                os.write(wake, pack('B', 0))
            return


def drain():
    """The link takes more."""
    if link_out in roomy:
        readable([], PAUSE)
    flush()


if hasattr(os, 'writev'):
    # glibc keeps freed memory up to twice the size of what it has once mapped and let go. What passes would otherwise
    # be given back, and faulted in again, piece by piece. Nothing of this is ever touched.
    Bytes(128 * WINDOW)
    if 'pump_own' in globals():
        # What a relay does beside goes on.
        pump_own = pump_quick
    else:
        pump = pump_quick
for fd in link, link_out:
    try:
        # F_SETPIPE_SZ, where it is a pipe. Whatever is said meanwhile waits behind what is in it.
        fcntl.fcntl(fd, 1031, 4 * WINDOW)
        roomy.append(fd)
    except EnvironmentError:
        pass
