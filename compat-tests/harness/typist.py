"""A user at a real terminal."""

import os
import pty
import select
import termios
import time

from .process import exits


# A program that shows nothing more, and does not end either, fails its test.
PATIENCE_SECONDS = 60


class Typist:
    """Waits for what the program shows, and types. `outputs` replace its own: descriptor by number."""

    def __init__(self, argv, env, cwd, size=(80, 24), outputs=None):
        self.pid, self.tty = pty.fork()
        if not self.pid:
            termios.tcsetwinsize(2, (size[1], size[0]))
            for number, descriptor in (outputs or {}).items():
                os.dup2(descriptor, number)
            os.chdir(cwd)
            os.execvpe(argv[0], [str(word) for word in argv], env)
        self.shown = b''

    def until(self, marker, seconds=30):
        deadline = time.monotonic() + seconds
        while marker not in self.shown:
            assert self.read(deadline - time.monotonic()), self.shown

    def read(self, seconds=PATIENCE_SECONDS):
        assert select.select([self.tty], [], [], max(0, seconds))[0], self.shown
        try:
            got = os.read(self.tty, 65536)
        except OSError:  # the other side has gone
            return b''
        self.shown += got
        return got

    def type(self, text):
        os.write(self.tty, text.encode())

    def end(self):
        while self.read():
            pass
        os.close(self.tty)
        assert exits(self.pid, time.monotonic() + PATIENCE_SECONDS), self.shown
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
