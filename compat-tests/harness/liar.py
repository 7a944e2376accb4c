"""Stands in for an agent and answers a call with whatever bytes a test wants: liar.py HOW."""

import marshal
import os
import struct
import sys
import zlib

HEADER = 22
HELLO, PING, OPEN, DATA, CREDIT = 1, 2, 5, 6, 7
INTERACTIVE, MORE, END = 1, 4, 8


def frame(kind, flags, to, source, stream, body=b''):
    tail = struct.pack('>BBIII', kind, flags, to, source, stream) + body
    return struct.pack('>HHI', 0xfeb1, len(body), zlib.crc32(tail)) + tail


def next_frame(data):
    """(frame's fields, rest) of the first whole frame in data, whatever stands before it."""
    at = data.find(b'\xfe\xb1')
    while at >= 0:
        size, crc = struct.unpack('>HI', data[at + 2:at + 8].ljust(6, b'\0'))
        tail = data[at + 8:at + HEADER + size]
        if len(tail) == HEADER - 8 + size and zlib.crc32(tail) == crc:
            return struct.unpack('>BBIII', tail[:14]) + (tail[14:],), data[at + HEADER + size:]
        at = data.find(b'\xfe\xb1', at + 1)
    return None, data


def receive():
    """The hello's context and nonce, and the stream of the call."""
    data = b''
    context = nonce = None
    while True:
        data += os.read(0, 65536) or sys.exit(1)
        fields, rest = next_frame(data)
        while fields:
            data = rest
            if fields[0] == HELLO:
                context, nonce = fields[2], fields[5][11:27]
            elif fields[0] == OPEN and fields[5][:1] == b'\x01':
                return context, nonce, fields[4]
            fields, rest = next_frame(data)


def main():
    me, nonce, call = receive()

    def answer(body, source=me, to=0, stream=call):
        return frame(DATA, INTERACTIVE | END, to, source, stream, body)
    lies = {
        'honest': answer(b'\x13n'),
        'another source': answer(b'\x13n', source=me + 1),
        'a sibling as destination': answer(b'\x13n', to=me + 1),
        'a wrong checksum': answer(b'\x13n')[:-1] + b'x',
        'an unknown kind': frame(99, 0, 0, me, call),
        'a second hello': frame(HELLO, 0, 0, me, 0, b'x' * 10),
        'an unknown message': answer(b'\xee'),
        'no message': answer(b''),
        'a request as an answer': answer(b'\x16os'),
        'a value cut short': answer(b'\x13l\xff\xff\xff\xff'),
        'a deep value': answer(b'\x13' + b'l\0\0\0\1' * 5000 + b'n'),
        'a reference to nothing': answer(b'\x13r\0\0\0\7'),
        'a pickle': answer(b'\x13' + b"cos\nsystem\n(S'touch /tmp/pwned'\ntR."),
        'a marshalled code': answer(b'\x13' + marshal.dumps(compile('1', 'x', 'eval'))),
        'a type nobody knows': answer(b'\x13x\0\0\0\4code' + b's\0\0\0\1x'),
        'a type within a type': answer(b'\x13' + b'x\0\0\0\x07decimal' * 90 + b's\0\0\0\x011'),
        'a time that is no number': answer(b'\x13x\0\0\0\x09timedeltas\0\0\0\x041},{'),
        'a log record of one piece': answer(b'\x18n'),
        'too much credit': frame(CREDIT, 0, 0, me, call, b'\xff\xff\xff\xff') * 2,
        'more than was granted': frame(DATA, INTERACTIVE | MORE, 0, me, call, b'x' * 65535) * 40,
        'noise': os.urandom(300_000),
    }
    version = 99 if sys.argv[1] == 'another version' else 1
    hello = frame(HELLO, 0, 0, me, 0, struct.pack('>HII', version, os.getpid(), 0))
    os.write(1, nonce[::-1] + hello)
    data = lies.get(sys.argv[1], b'')
    while data:
        data = data[os.write(1, data):]
    while os.read(0, 65536):
        pass


if __name__ == '__main__':
    main()
