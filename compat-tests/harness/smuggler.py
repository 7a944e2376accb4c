"""Stands in for an agent that is asked for files and sends what it may not: `-m harness.smuggler HOW PLACE`.

PLACE is a folder of the receiver's machine that it would like to write to. It keeps to the credit that it is given.
Asked to send to another machine, it sends the same on the stream that leads there.
"""

import hashlib
import os
import re
import struct
import sys
import zlib

from harness.liar import CREDIT, DATA, END, HELLO, INTERACTIVE, OPEN, PING, frame, next_frame

PUT, FETCH, RESULT, ENTRY, CONTENT, HOLE, SUM, TROUBLE = 18, 19, 19, 31, 32, 33, 34, 35
FOLDER, LINK, WHOLE, FILE = range(4)
PONG, BYE, RESET = 3, 4, 8
UNKNOWN = 2 ** 64 - 1
BAD = b'smuggled'


class Smuggler:
    def __init__(self):
        self.data, self.credit, self.asked = b'', 65_536, None
        self.way = None  # the context and the stream that files go to
        while self.asked is None:
            kind, _, to, source, stream, body = self.next()
            if kind == HELLO:
                self.me, parent = to, source
                nonce = body[11:27]
            elif kind == OPEN and body[0] in (PUT, FETCH):
                self.asked = stream
                self.way = joined(body) or (0, stream)
        os.write(1, nonce[::-1] + frame(HELLO, 0, parent, self.me, 0, struct.pack('>HII', 1, os.getpid(), 0)))

    def next(self):
        fields = None
        while not fields:
            fields, self.data = next_frame(self.data)
            if not fields:
                self.data += os.read(0, 65536) or sys.exit(1)
        kind, _, _, _, stream, body = fields
        if kind == CREDIT and self.way and stream == self.way[1]:
            self.credit += struct.unpack('>I', body)[0]
        elif kind == PING:
            write(frame(PONG, 0, 0, self.me, 0))
        elif kind == BYE or kind == RESET and stream == self.asked:
            sys.exit(0)
        return fields

    def say(self, tag, body, flags=INTERACTIVE):
        while self.credit <= len(body):
            self.next()
        self.credit -= len(body) + 1
        to, stream = self.way
        write(frame(DATA, flags, to, self.me, stream, bytes([tag - 11 if stream != self.asked else tag]) + body))

    def result(self, total):
        if self.way[1] != self.asked:
            self.say(CONTENT, b'', INTERACTIVE | END)
        write(frame(DATA, INTERACTIVE | END, 0, self.me, self.asked, bytes([RESULT]) + total))


def joined(order):
    """The context and the stream that an order names, if it does."""
    found = [re.search(rb's\0\0\0\x04peeri\0\0\0.([0-9a-f]+)', order), re.search(rb's\0\0\0\x06streami\0\0\0.([0-9a-f]+)', order)]
    return all(found) and tuple(int(each[1], 16) for each in found)


def write(data):
    while data:
        data = data[os.write(1, data):]


def text(data):
    return struct.pack('>cI', b's', len(data)) + data


def raw(data):
    return struct.pack('>cI', b'b', len(data)) + data


def listed(*items):
    return struct.pack('>cI', b'l', len(items)) + b''.join(items)


def total(**more):
    told = {'path': raw(b'/there'), 'size': b'i\0\0\0\x018', 'sum': b'n', 'files': b'i\0\0\0\x011', **more}
    return struct.pack('>cI', b'D', len(told)) + b''.join(text(key.encode()) + told[key] for key in told)


def entry(kind, name=b'', rest=b'', size=0, mode=0o644):
    return ENTRY, struct.pack('>BIqQH', kind, mode, 0, size, len(name)) + name + rest


def whole(name=b'', contents=BAD, size=None, packed=None):
    plain = hashlib.sha1(contents).digest()
    return entry(WHOLE, name, plain + (contents if packed is None else packed), len(contents) if size is None else size)


def large(size, *pieces, name=b''):
    return [entry(FILE, name, size=size), *pieces]


def sum_of(contents):
    return SUM, hashlib.sha1(contents).digest()


def content(data):
    return CONTENT, data


def hole(size):
    return HOLE, struct.pack('>Q', size)


def deflated(data):
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    return deflate.compress(data) + deflate.flush(zlib.Z_SYNC_FLUSH)


ROOT = entry(FOLDER, mode=0o755)
OUT = os.fsencode(sys.argv[2]) if __name__ == '__main__' else b''

# What a file was asked for is answered with.
FOR_A_FILE = {
    'a folder': [ROOT],
    'a link': [entry(LINK, rest=OUT + b'/secret')],
    'a name': [whole(b'name')],
    'a name above': [whole(b'../smuggled')],
    'a file and another': [whole(), whole(b'name')],
    'a file twice': [whole(), whole()],
    'more than was announced': large(4, content(BAD), sum_of(BAD)),
    'less than was announced': large(40, content(BAD), sum_of(BAD)),
    'less than was announced, which is what nobody has to announce': large(64 << 20, content(BAD), sum_of(BAD)),
    'more in one piece than was announced': [whole(size=2)],
    'less in one piece than was announced': [whole(size=200)],
    'a hole that is larger than announced': large(40, content(BAD), hole(41), sum_of(BAD)),
    'a hole that is larger than any file': large(UNKNOWN - 1, hole(UNKNOWN - 1)),
    'a hole that is larger than a piece may be': large((1 << 20) + 1, hole((1 << 20) + 1), sum_of(bytes((1 << 20) + 1))),
    'a wrong sum': large(8, content(BAD), sum_of(b'')),
    'a wrong sum in one piece': [entry(WHOLE, rest=bytes(20) + BAD, size=8)],
    'no sum': large(8, content(BAD)),
    'contents of no file': [content(BAD)],
    'a hole of no file': [hole(8)],
    'a sum of no file': [sum_of(b'')],
    'two sums': large(8, content(BAD), sum_of(BAD), sum_of(BAD)),
    'an entry that is cut short': [(ENTRY, b'\2\0')],
    'an entry of no kind': [entry(9)],
    'an entry with a name that is longer than it': [(ENTRY, entry(WHOLE)[1][:21] + b'\xff\xff')],
    'a sum that is cut short': large(8, content(BAD), (SUM, b'xx')),
    'a file that is given up': large(8, content(BAD), (SUM, b'')),
    'no file that is given up': [(SUM, b'')],
    'nothing at all': [],
}
# These begin as an honest sender would.
WHOLE_FIRST = 'a file and another', 'a file twice', 'two sums'
# The same with -z.
PACKED = {
    'a bomb': large(10 ** 7, content(deflated(bytes(10 ** 7)))),
    'a bomb in one piece': [whole(contents=bytes(10 ** 6), packed=deflated(bytes(10 ** 6)))],
    'what is no deflate': large(8, content(b'\xff' * 8), sum_of(BAD)),
    'an end of the deflate and more': large(16, content(zlib.compress(BAD)[2:-4] + BAD), sum_of(BAD * 2)),
}
# What a tree was asked for is answered with.
NAMES = [b'../smuggled', b'/smuggled', b'a/../../smuggled', b'..', b'.', b'', b'./x', b'a//x', b'a/', b'unknown/x', b'x\0y']
FOR_A_TREE = {
    **{f'the name {os.fsdecode(name)!r}': [ROOT, entry(FOLDER, b'a', mode=0o755), whole(name)] for name in NAMES},
    'an absolute name': [ROOT, whole(OUT + b'/smuggled')],
    'a file in a link to a folder': [ROOT, entry(LINK, b'a', OUT), whole(b'a/smuggled')],
    'a folder in the place of a link': [ROOT, entry(LINK, b'a', OUT), entry(FOLDER, b'a'), whole(b'a/smuggled')],
    'a link in the place of a folder': [ROOT, entry(FOLDER, b'a', mode=0o755), entry(LINK, b'a', OUT), whole(b'a/smuggled')],
    'a file in a folder that is a link here': [ROOT, entry(FOLDER, b'linked', mode=0o755), whole(b'linked/smuggled')],
    'a link to a folder as the tree': [entry(LINK, rest=OUT), whole(b'smuggled')],
    'a file in a file': [ROOT, whole(b'a'), whole(b'a/smuggled')],
    'a file in the middle of a file': [ROOT, *large(8, content(BAD[:4]), name=b'a'), whole(b'smuggled')],
    'the tree twice': [ROOT, ROOT],
    'a tree that is given up': large(8, content(BAD), (SUM, b'')),
}
ONE = b'i\0\0\0\x011'
ENDS = {
    'no dict': b'l\0\0\0\0', 'no value': b'l\xff\xff\xff\xff', 'another sum': total(sum=text(b'0' * 40)),
    'numbers for paths': total(path=b'i\0\0\0\x011', changed=ONE, skipped=listed(raw(b'one')), unread=listed(text(b'no'))),
    'an escape': total(path=raw(b'\033[2J'), **{kind: listed(ONE, raw(b'\033[2J')) for kind in ('changed', 'skipped', 'unread')}),
    'a flood of remarks': total(changed=listed(ONE, *[raw(b'remark')] * 5000)),
    'less than nothing': total(changed=listed(b'i\0\0\0\2-1'), unread=listed(b'i\0\0\0\2-1')),
}


def main(how):
    smuggler = Smuggler()
    if how == 'trouble with an escape':
        smuggler.say(TROUBLE, b'\033[2Jtrouble\nhopvine: another line', INTERACTIVE | END)
    elif how == 'more after the end':
        smuggler.say(*whole())
        smuggler.result(total())
        for tag, body in (whole(), ROOT, content(BAD)):
            smuggler.say(tag, body)
    elif how == 'odd credit':
        # As a member of a splice, which then wants no more.
        to, stream = smuggler.way
        for body in b'', b'\0\1', b'\0' * 5, b'\1\0\0\0':
            write(frame(CREDIT, 0, to, smuggler.me, stream, body))
        write(frame(DATA, INTERACTIVE | END, 0, smuggler.me, smuggler.asked, bytes([TROUBLE]) + b'enough'))
    elif how == 'zeros for a while':
        smuggler.say(*entry(FILE, size=UNKNOWN - 1))
        for _ in range(60_000):
            smuggler.say(*hole(1 << 20))
    else:
        for tag, body in {**FOR_A_FILE, **PACKED, **FOR_A_TREE, 'honest': [whole()]}.get(how, [whole()]):
            smuggler.say(tag, body)
        smuggler.result(ENDS.get(how, total()))
    while True:
        smuggler.next()


if __name__ == '__main__':
    main(sys.argv[1])
