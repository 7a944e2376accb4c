"""A client of sessions, and a session, in Python: what docs/PROTOCOL.md says of "Sessions", and what nobody should send."""

import array
import os
import socket
import struct

HELLO, OPEN, EXEC, RESIZE, ANSWER, HELD, KEEP, TREE, CLOSE, LISTEN, LEND = range(11)
TOLD_HELLO, TOLD_OPENED, TOLD_FAILED, TOLD_ASK, TOLD_ASKED, TOLD_STARTED, TOLD_EXIT, TOLD_HELD, TOLD_TREE = range(9)
PATH, HOST = range(2)
SHELL = 0


def number(value):
    return struct.pack('>I', value)


def text(value):
    data = value if isinstance(value, bytes) else value.encode()
    return struct.pack('>Q', len(data)) + data


def many(items):
    return struct.pack('>Q', len(items)) + b''.join(items)


def path(name, hops=None):
    return text(name) + text(hops or name)


NOTHING, NO, YES = b'\0', b'\0', b'\1'
# exec, two passwords, asks, two times, python, agent, relay, hops, title, persist.
TERMS = many([]) + NOTHING * 2 + NO + struct.pack('>QQ', 30000, 15000) + NOTHING + b'\0\0' + number(8) + text('test') + NOTHING


def run(place, command, opens=True):
    """The message that asks for a command of the user's shell."""
    ends = many([]) + NOTHING + NO + NO + text('test') + (YES if opens else NO)
    return number(EXEC) + place + TERMS + number(SHELL) + text(command) + ends


def at_path(hops):
    return number(PATH) + path(hops)


def at_host(host, user=None):
    named = NOTHING if user is None else b'\1' + text(user)
    return number(HOST) + text(host) + named + NOTHING + NOTHING + many([])


class Peer:
    """One connection. `build` is what a greeting of ours must say to be understood."""

    def __init__(self, where, timeout=10):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout)
        self.socket.connect(str(where))

    def greet(self, build):
        self.say(number(HELLO) + text(build))
        return self.hear()

    def say(self, body, fds=()):
        self.send(number(len(body)) + body, fds)

    def send(self, data, fds=()):
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', fds))] if fds else []
        self.socket.sendmsg([data], rights)

    def hear(self):
        """(kind, body) of the next message; None at the end."""
        head = self._read(4)
        if head is None:
            return None
        body = self._read(struct.unpack('>I', head)[0])
        return struct.unpack('>I', body[:4])[0], body[4:]

    def hear_end(self):
        """What is told until the other end has closed."""
        heard = []
        while (told := self.hear()) is not None:
            heard.append(told)
        return heard

    def run(self, place, command, opens=True):
        """Runs it to its end; returns how that was told, and its output."""
        told, tell = os.pipe()
        null = os.open('/dev/null', os.O_RDWR)
        self.say(run(place, command, opens), [null, tell, null])
        os.close(tell)
        os.close(null)
        heard = self.hear()
        while heard and heard[0] not in (TOLD_EXIT, TOLD_FAILED):
            heard = self.hear()
        with open(told, 'rb') as output:
            return heard, output.read()

    def close(self):
        self.socket.close()

    def _read(self, count):
        data = b''
        while len(data) < count:
            try:
                came = self.socket.recv(count - len(data))
            except ConnectionResetError:
                came = b''
            if not came:
                return None
            data += came
        return data
