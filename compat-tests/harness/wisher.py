"""A relay that plays its own children, and asks for more in their names: run as the command of an `exec:` target,
which is called.

    wisher.py down      each child that it is given asks for the next, until one is refused
    wisher.py beside    asks for one child after the other, until one is refused

The result of the call is what it was told in the end.
"""

import os
import struct
import sys

from .liar import DATA, OPEN, PING, frame
from .traitor import HELLO_RECORD, NEED, PONG, SPAWN, STARTED, Traitor, write



class Wisher(Traitor):
    def wish(self, by, stream):
        """Asks in the name of `by`, starts what it is told to, and returns what is answered."""
        write(self.open(0, NEED + b'child:local:c%d' % stream, stream, by))
        while True:
            kind, _, to, _, number, body = self.next()
            if kind == OPEN and body[:1] == SPAWN:
                write(self.say(0, STARTED + HELLO_RECORD, number, to))
            elif kind == DATA and (to, number) == (by, stream):
                return value(body[1:])
            elif kind == PING:
                write(frame(PONG, 0, self.parent, self.me, 0, b''))


def value(data):
    """The number of a context, the first of a tuple; or the text of a refusal."""
    if data[:1] == b'u':
        return int(text_at(data, 6), 16)
    return text_at(data, data.index(b'message') + 8)


def text_at(data, at):
    size, = struct.unpack('>I', data[at:at + 4])
    return data[at + 4:at + 4 + size].decode()


def main(how):
    wisher = Wisher()
    by, count = wisher.me, 0
    while True:
        answer = wisher.wish(by, 101 + 2 * count)
        if isinstance(answer, str):
            return wisher.result(f'after {count}: {answer}')
        count += 1
        if how == 'down':
            by = answer


if __name__ == '__main__':
    main(sys.argv[1])
    os.read(0, 1)  # it is heard, and all of them are to go
