"""Stands between the program and the start command, and sees the frames that go down and up.

    -m harness.midway refuse - COMMAND...      answers an order to join streams in the place of the relay
    -m harness.midway windows FILE COMMAND...  FILE gets, after each frame with credit: the bytes of contents that have
                                                gone down, and what may be sent still, of all streams

As the command of an `exec:` target.
"""

import os
import selectors
import struct
import subprocess
import sys
import zlib

from harness.counter import write
from harness.liar import CREDIT, DATA, HEADER, OPEN, frame

RESET, SPLICE, PUT, WINDOW = 8, 24, 18, 65_536


class Lane:
    """One direction: whole frames one by one, and what stands between them as it comes."""

    def __init__(self, sink, see):
        self.sink, self.see, self.data = sink, see, b''

    def take(self, data):
        self.data += data
        while self.data:
            at = self.data.find(b'\xfe\xb1')
            if at:
                plain = len(self.data) - (self.data[-1:] == b'\xfe') if at < 0 else at
                write(self.sink, self.data[:plain])
                self.data = self.data[plain:]
                if at < 0:
                    return
                continue
            if len(self.data) < HEADER:
                return
            size, crc = struct.unpack('>HI', self.data[2:8])
            tail = self.data[8:HEADER + size]
            if len(tail) < HEADER - 8 + size:
                return
            whole = HEADER + size if zlib.crc32(tail) == crc else 1
            if whole == 1 or not self.see(*struct.unpack('>BBIII', tail[:14]), tail[14:]):
                write(self.sink, self.data[:whole])
            self.data = self.data[whole:]


class Refusal:
    def __init__(self):
        self.answers, self.greeted = [], False

    def down(self, kind, flags, to, source, stream, body):
        if kind == OPEN and body[0] == SPLICE:
            self.answers.append(frame(RESET, 0, source, to, stream, b'\2'))
            return True
        return False

    def up(self, kind, flags, to, source, stream, body):
        self.greeted = True

    def after(self):
        """Before its hello nobody listens."""
        while self.greeted and self.answers:
            write(1, self.answers.pop(0))


class Windows:
    def __init__(self, path):
        self.path, self.sent, self.allowed = path, 0, {}

    def down(self, kind, flags, to, source, stream, body):
        if kind == OPEN and body[0] == PUT:
            self.allowed[stream] = WINDOW
        if kind in (OPEN, DATA) and stream in self.allowed:
            self.allowed[stream] -= len(body)
            self.sent += len(body)

    def up(self, kind, flags, to, source, stream, body):
        if kind == CREDIT and stream in self.allowed:
            self.allowed[stream] += struct.unpack('>I', body)[0]
            with open(f'{self.path}.new', 'w') as file:
                file.write(f'{self.sent} {sum(self.allowed.values())}')
            os.rename(f'{self.path}.new', self.path)

    def after(self):
        pass


def main(how, path, *argv):
    child = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
    seen = Refusal() if how == 'refuse' else Windows(path)
    lanes = {0: Lane(child.stdin.fileno(), seen.down), child.stdout.fileno(): Lane(1, seen.up)}
    selector = selectors.DefaultSelector()
    for source in lanes:
        selector.register(source, selectors.EVENT_READ)
    while selector.get_map():
        for key, _ in selector.select():
            data = os.read(key.fd, 1 << 20)
            lanes[key.fd].take(data)
            seen.after()
            if not data:
                write(lanes[key.fd].sink, lanes[key.fd].data)
                selector.unregister(key.fd)
                os.close(lanes[key.fd].sink)
    return child.wait()


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:]))
