"""A user at a real terminal."""

import os
import pty
import select
import termios
import time


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
            assert select.select([self.tty], [], [], deadline - time.monotonic())[0] and self.read(), self.shown

    def read(self):
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
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
