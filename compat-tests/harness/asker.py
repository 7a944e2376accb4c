"""Stands in for an agent that asks its controller for things: run as a script, as the command of an `exec:` target.

    asker.py REQUEST...             the call's result: for each its answer as bytes, or None where it was refused
    asker.py --flood N BELL GATE REQUEST     asks on and on, gives no credit, until N were done with; rings; waits
"""

import os
import struct
import sys

from liar import DATA, END, HELLO, INTERACTIVE, MORE, OPEN, PING, frame, next_frame, receive

PONG, RESET = 3, 8
NEED, RESULT = b'\x16', b'\x13'


def write(data):
    while data:
        data = data[os.write(1, data):]


def frames():
    data = b''
    while True:
        fields, data = next_frame(data)
        if fields:
            yield fields
        else:
            data += os.read(0, 1 << 20) or sys.exit(1)


def ask(me, number, request):
    write(frame(OPEN, INTERACTIVE | END, 0, me, 2 * number + 1, NEED + request.encode()))


def encoded(answers):
    items = [b'n' if answer is None else struct.pack('>cI', b'b', len(answer)) + answer for answer in answers]
    return struct.pack('>cI', b'l', len(items)) + b''.join(items)


def collect(me, requests):
    answers = {}
    for number, request in enumerate(requests):
        ask(me, number, request)
    arrived = {number: b'' for number in range(len(requests))}
    for kind, flags, _, _, stream, body in frames():
        number = stream // 2
        if stream % 2 and kind in (OPEN, DATA):
            arrived[number] += body
            if not flags & MORE:
                answers[number] = arrived[number]
        elif stream % 2 and kind == RESET:
            answers[number] = None
        if len(answers) == len(requests):
            return [answers[number] for number in sorted(answers)]


def flood(me, wanted, bell, gate, request):
    """A hundred at a time, so that neither end waits for the other to read."""
    asked = done = 0
    coming = frames()
    while done < wanted:
        for _ in range(100):
            ask(me, asked, request)
            asked += 1
        write(frame(PING, 0, 0, me, 0, b'all read?'))
        for kind, flags, _, _, stream, _ in coming:
            done += stream % 2 and (kind == RESET or kind == DATA and flags & END > 0)
            if kind == PONG:
                break
    with open(bell, 'w') as rung:
        rung.write('done\n')
    with open(gate) as opened:
        opened.readline()
    return []


def main(*words):
    me, nonce, call = receive()
    write(nonce[::-1] + frame(HELLO, 0, 0, me, 0, struct.pack('>HII', 1, os.getpid(), 0)))
    answers = flood(me, int(words[1]), *words[2:]) if words[0] == '--flood' else collect(me, words)
    write(frame(DATA, INTERACTIVE | END, 0, me, call, RESULT + encoded(answers)))
    while os.read(0, 65536):
        pass


if __name__ == '__main__':
    main(*sys.argv[1:-3])  # the last three are the start command of the target
