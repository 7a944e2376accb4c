"""Stands in for an agent or a relay that does what it may not: `-m harness.traitor LIE BELL`, as the command of an `exec:` target.

The contexts are numbered in the order of the targets: `1` is a stranger at a link of its own, the one before us a sibling.
A lie that is refused is answered with a RESET; who sent it is then our call's result. Any other lie ends our link, or is
told as heard by nobody when the next PING comes.
"""

import os
import struct
import sys

from harness.liar import CREDIT, DATA, END, HELLO, INTERACTIVE, MORE, OPEN, PING, frame, next_frame

PONG, BYE, RESET = 3, 4, 8
CALL, SPAWN, KEEP, GIVE, BEHIND = b'\x01', b'\x0a', b'\x0b', b'\x0c', b'\x0d'
RESULT, NEED = b'\x13', b'\x16'
STARTED, NOISE, ENDED, ASKED, TOLD_REFUSED = (bytes([tag]) for tag in range(26, 31))
LIE = 99  # an odd stream, as ours have to be
STRANGER = 1
CALL_GETPID = CALL + struct.pack('>Q', 9) + b'os:getpid' + b'u\0\0\0\2' + b'u\0\0\0\0' + b'D\0\0\0\0'
HELLO_RECORD = struct.pack('>HII', 1, 4242, 0x030b0000)


class Traitor:
    def __init__(self):
        self.data = b''
        self.me = self.nonce = self.asked = None
        self.ancestors = ()
        while self.asked is None:
            kind, _, to, _, stream, body = self.next()
            if kind == HELLO:
                self.me, self.nonce = to, body[11:27]
                count, = struct.unpack('>Q', body[27:35])
                self.ancestors = struct.unpack(f'>{count}I', body[35:35 + 4 * count])
            elif kind == OPEN and to == self.me and body[:1] in (CALL, SPAWN):
                self.asked, self.relays = stream, body[:1] == SPAWN
        write(self.nonce[::-1] + frame(HELLO, 0, self.ancestors[0], self.me, 0, HELLO_RECORD))

    def next(self):
        fields = None
        while not fields:
            fields, self.data = next_frame(self.data)
            if not fields:
                self.data += os.read(0, 65536) or sys.exit(1)
        return fields

    @property
    def parent(self):
        return self.ancestors[0]

    @property
    def sibling(self):
        return self.me - 1

    @property
    def child(self):
        return self.me + 1

    def open(self, to, body, stream=LIE, source=None, flags=INTERACTIVE | END):
        return frame(OPEN, flags, to, self.me if source is None else source, stream, body)

    def say(self, to, body, stream=None, source=None, flags=INTERACTIVE):
        return frame(DATA, flags, to, self.me if source is None else source,
                     self.asked if stream is None else stream, body)

    def result(self, text):
        body = RESULT + struct.pack('>cI', b's', len(text)) + text.encode()
        write(self.say(0, body, flags=INTERACTIVE | END))


def write(data):
    while data:
        data = data[os.write(1, data):]


NUMBERS = struct.pack('>II', 7, 8)

# Frames that are for somebody whom we may not address, or ask for what we may not have.
REFUSED = {
    'a call of a sibling': lambda t: t.open(t.sibling, CALL_GETPID),
    'a call of a stranger': lambda t: t.open(STRANGER, CALL_GETPID),
    'a call of nobody': lambda t: t.open(4_000_000_000, CALL_GETPID),
    'a call of ourselves': lambda t: t.open(t.me, CALL_GETPID),
    'a call of the parent': lambda t: t.open(t.parent, CALL_GETPID),
    'a call of the controller': lambda t: t.open(0, CALL_GETPID),
    'a child of the parent': lambda t: t.open(t.parent, SPAWN + b'D\0\0\0\0'),
    'a child of the controller': lambda t: t.open(0, SPAWN + b'D\0\0\0\0'),
    'a part for the parent': lambda t: t.open(t.parent, b'\x04' + b'x' * 50),
    'a message to keep': lambda t: t.open(t.parent, KEEP + NUMBERS),
    'a message to give': lambda t: t.open(t.parent, GIVE + NUMBERS),
    'a way to a sibling': lambda t: t.open(t.parent, BEHIND + struct.pack('>II', t.sibling, t.me)),
    'an answer to a sibling': lambda t: t.say(t.sibling, RESULT + b'n', LIE),
    'a log record for a sibling': lambda t: t.open(t.sibling, b'\x18n'),
    'a stream that is no request': lambda t: t.open(0, RESULT + b'n'),
    'a part that is none': lambda t: t.open(0, NEED + b'part:nothing'),
}
# What nobody who keeps to the protocol sends: the link may end.
LOST = {
    'the name of a sibling': lambda t: t.say(0, RESULT + b'n', source=t.sibling),
    'the name of a stranger': lambda t: t.say(0, RESULT + b'n', source=STRANGER),
    'the name of the parent': lambda t: t.say(0, RESULT + b'n', source=t.parent),
    'the name of the controller': lambda t: t.open(t.sibling, CALL_GETPID, 2, source=0),
    'the name of nobody': lambda t: t.say(0, RESULT + b'n', source=4_000_000_000),
    'an end in the name of a sibling': lambda t: frame(BYE, 0, 0, t.sibling, 0),
    'a reset in the name of a sibling': lambda t: frame(RESET, 0, 0, t.sibling, 2, b'\1'),
    'an unknown kind': lambda t: frame(77, 0, 0, t.me, t.asked),
    'unknown flags': lambda t: frame(DATA, 0x40, 0, t.me, t.asked, RESULT + b'n'),
    'an unknown priority': lambda t: frame(DATA, 3 | END, 0, t.me, t.asked, RESULT + b'n'),
    'a wrong checksum': lambda t: t.say(0, RESULT + b'n')[:-1] + b'x',
    'a second hello that is none': lambda t: frame(HELLO, 0, t.parent, t.me, 0, b'x'),
    'another version': lambda t: frame(HELLO, 0, t.parent, t.me, 0, struct.pack('>HII', 9, 1, 0)),
    'an end': lambda t: frame(BYE, 0, t.parent, t.me, 0),
    'more than was granted': lambda t: t.say(0, b'\x11' + b'x' * 65000, flags=INTERACTIVE | MORE) * 40,
    'too much credit': lambda t: frame(CREDIT, 0, 0, t.me, t.asked, b'\xff' * 4) * 2,
    'credit that is none': lambda t: frame(CREDIT, 0, 0, t.me, t.asked, b'\xff'),
    'a message of nothing': lambda t: t.say(0, b'', flags=INTERACTIVE | END),
    'a flood of what is refused': lambda t: t.open(t.sibling, CALL_GETPID) * 5000,
    'a flood of streams': lambda t: b''.join(t.open(0, NEED + b'part:rich', 2 * n + 101, flags=INTERACTIVE)
                                             for n in range(10_000)),
    'noise for ever': lambda t: b'noise\n' * 500_000,
}
# Heard by nobody, or answered as the first time.
HARMLESS = {
    'a stream that is over': lambda t: t.open(0, NEED + b'part:rich') + t.say(0, NEED + b'part:rich', LIE) * 3,
    'the same stream twice': lambda t: t.open(0, NEED + b'part:rich', flags=INTERACTIVE) * 2,
    'words on a stream that nobody has': lambda t: t.say(0, RESULT + b'n', 4242),
    'a reset of a stream that nobody has': lambda t: frame(RESET, 0, 0, t.me, 4242, b'\1'),
    'credit for a stream that nobody has': lambda t: frame(CREDIT, 0, 0, t.me, 4242, b'\0\0\0\1'),
    'a pong that nobody has asked for': lambda t: frame(PONG, 0, t.parent, t.me, 0, b'x'),
    'a stream with an even number': lambda t: t.open(0, NEED + b'part:rich', 98),
}
# As a relay that was asked for a child: what is told of it.
ORDER = lambda body, end=0: lambda t: t.say(0, body, flags=INTERACTIVE | end)  # noqa: E731
RELAY = {
    'a child that is started by nobody': ORDER(STARTED + HELLO_RECORD),
    'a child of another version': ORDER(STARTED + struct.pack('>HII', 9, 1, 0)),
    'a child whose hello is none': ORDER(STARTED + b'x'),
    'an end that is no value': ORDER(ENDED + b'l\xff\xff\xff\xff', END),
    'an end that tells nothing': ORDER(ENDED + b'D\0\0\0\0', END),
    'an end of numbers': ORDER(ENDED + b'D\0\0\0\1s\0\0\0\5cause' + b'i\0\0\0\1' + b'1', END),
    'a question for a password': ORDER(ASKED + b'\0Password: '),
    'a question that is none': ORDER(ASKED),
    'a flood of refusals': lambda t: ORDER(TOLD_REFUSED + b'\033[2J lies')(t) * 1000,
    'a flood of noise': lambda t: ORDER(NOISE + b'\033[2J lies')(t) * 1000,
    'an end of the order': ORDER(b'', END),
    'words of a child that does not run': lambda t: t.say(0, RESULT + b'n', 2, source=t.child),
    'a sibling as its child': lambda t: ORDER(STARTED + HELLO_RECORD)(t) + t.say(0, RESULT + b'n', 2, source=t.sibling),
    'a stranger as its child': lambda t: ORDER(STARTED + HELLO_RECORD)(t) + t.say(0, RESULT + b'n', 2, source=STRANGER),
    'a child that calls a stranger': lambda t: (ORDER(STARTED + HELLO_RECORD)(t) +
                                                t.open(STRANGER, CALL_GETPID, source=t.child)),
    'a child that calls the controller': lambda t: (ORDER(STARTED + HELLO_RECORD)(t) +
                                                    t.open(0, CALL_GETPID, source=t.child)),
}


def main(how, bell):
    traitor = Traitor()
    lie = {**REFUSED, **LOST, **HARMLESS, **RELAY, 'honest': lambda t: b''}[how]
    try:
        write(lie(traitor))
    finally:
        with open(bell, 'w') as rung:
            rung.write('lied\n')
    if how in HARMLESS or how == 'honest':
        traitor.result('heard by nobody')
    while True:
        kind, _, _, source, stream, _ = traitor.next()
        if kind == RESET and stream == LIE and how in REFUSED:
            traitor.result(f'reset by {"the parent" if source == traitor.parent else source}')
        elif kind == PING:
            write(frame(PONG, 0, traitor.parent, traitor.me, 0, b''))


if __name__ == '__main__':
    main(*sys.argv[1:3])
