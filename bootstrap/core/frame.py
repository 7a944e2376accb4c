"""Frames: a header of 22 bytes and a body (docs/PROTOCOL.md, "Frames")."""
HELLO, PING, PONG, BYE, OPEN, DATA, CREDIT, RESET = range(1, 9)
INTERACTIVE, MORE, END = 1, 4, 8
# The messages that the core knows; each part names its own.
CALL, PART = 1, 4
OUTPUT, ERRORS, RESULT, FAILURE = range(17, 21)
NEED = 22
WINDOW = 65536
me = 0
outbox = []


def frame(kind, flags, to, number, body):
    tail = pack('>BBIII', kind, flags, to, me, number) + body
    return pack('>HHI', 0xfeb1, len(body), zlib.crc32(tail) & 0xffffffff) + tail


def frames(data, receive):
    """Calls receive(kind, flags, to, source, number, body) for each whole frame; returns the rest."""
    at = 0
    while len(data) - at >= 22:
        magic, size, crc = unpack('>HHI', data[at:at + 8])
        end = at + 22 + size
        if len(data) < end:
            break
        if magic != 0xfeb1 or zlib.crc32(data[at + 8:end]) & 0xffffffff != crc:
            raise ValueError('broken frame')
        receive(*unpack('>BBIII', data[at + 8:at + 22]) + (data[at + 22:end],))
        at = end
    return data[at:]
