"""Stands between the program and the start command and delivers its bytes as some transports do.

    filter.py trickle|late|socket|spoil|spoil-later COMMAND...    run as a script, as the command of an `exec:` target
"""

import os
import select
import selectors
import socket
import subprocess
import sys
import time


class Pump:
    """Copies one direction in pieces of `size` bytes, each `pause_seconds` after the one before."""

    def __init__(self, source, sink, size, pause_seconds):
        self.source, self.sink = source, sink
        self.size, self.pause = size, pause_seconds
        self.due = time.monotonic() + pause_seconds
        self.spoiled_at = None

    def move(self):
        """False at the end of the source."""
        data = self.changed(os.read(self.source, self.size))
        try:
            written = 0
            while written < len(data):
                written += os.write(self.sink, data[written:])
        except BrokenPipeError:
            return False
        self.due = time.monotonic() + self.pause
        return bool(data)

    def changed(self, data):
        """One byte at that place is another."""
        if self.spoiled_at is None:
            return data
        at, self.spoiled_at = self.spoiled_at, self.spoiled_at - len(data)
        if not 0 <= at < len(data):
            return data
        return data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]


def start(mode, argv):
    """The child, and our ends of its stdin and stdout."""
    if mode == 'socket':
        # one socket for both directions, as rsh and some versions of sshd give
        ours, theirs = socket.socketpair()
        with theirs:
            child = subprocess.Popen(argv, stdin=theirs, stdout=theirs)
        return child, ours.detach(), None
    stdin, to_child = os.pipe()
    from_child, stdout = os.pipe()
    if mode == 'late':
        # set on the pipe itself, so the child inherits it as from a parent that uses an event loop
        os.set_blocking(stdin, False)
        os.set_blocking(stdout, False)
    child = subprocess.Popen(argv, stdin=stdin, stdout=stdout)
    os.close(stdin)
    os.close(stdout)
    return child, to_child, from_child


def main(mode, *argv):
    size, pause = {'trickle': (1, 0), 'late': (1000, 0.02), 'socket': (65536, 0), 'spoil': (65536, 0), 'spoil-later': (65536, 0)}[mode]
    child, to_child, from_child = start(mode, argv)
    upward = Pump(from_child or to_child, 1, 1 if mode == 'trickle' else 65536, 0)
    downward = Pump(0, to_child, size, pause)
    downward.spoiled_at = {'spoil': 1 << 20, 'spoil-later': 8 << 20}.get(mode)
    selector = selectors.DefaultSelector()
    for pump in (upward, downward):
        selector.register(pump.source, selectors.EVENT_READ, pump)
    while upward:
        for key, _ in selector.select():
            pump = key.data
            # the latency of the link that this stands for; nothing waits for it to have passed
            select.select([], [], [], max(0, pump.due - time.monotonic()))
            if pump.move():
                continue
            selector.unregister(pump.source)
            if pump is upward:
                upward = None
            elif from_child:
                os.close(to_child)
            else:
                socket.socket(fileno=os.dup(to_child)).shutdown(socket.SHUT_WR)
    return child.wait()


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:]))
