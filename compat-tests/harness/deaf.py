"""Stands in for an agent that greets, answers PINGs, and never ends what is cancelled: `deaf.py LOG`, as the command of an `exec:` target.

LOG has a line for each command that was asked for (`run PID`), of which `up` is told as its output, and for each RESET.
"""

import os
import struct
import sys

from liar import DATA, HELLO, INTERACTIVE, OPEN, PING, frame, next_frame

PONG, RESET = 3, 8
RUN, OUTPUT = b'\x02', b'\x11'


def frames():
    data = b''
    while True:
        fields, data = next_frame(data)
        if fields:
            yield fields
        else:
            data += os.read(0, 1 << 16) or sys.exit(1)


def main(path):
    runs = set()
    with open(path, 'a', buffering=1) as log:
        for kind, _, to, source, stream, body in frames():
            if kind == HELLO:
                os.write(1, body[11:27][::-1] + frame(HELLO, 0, source, to, 0, struct.pack('>HII', 1, os.getpid(), 0)))
            elif kind == PING:
                os.write(1, frame(PONG, 0, source, to, 0, body))
            elif kind == OPEN and body[:1] == RUN:
                runs.add(stream)
                os.write(1, frame(DATA, INTERACTIVE, source, to, stream, OUTPUT + b'up\n'))
                log.write(f'run {os.getpid()}\n')
            elif kind == RESET and stream in runs:
                log.write('reset\n')


if __name__ == '__main__':
    main(sys.argv[1])
