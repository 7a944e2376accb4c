"""Looks out for the password where other accounts of a machine could see it."""

import os
import threading

from .leaks import all_pids, command_line, read
from .privileges import CANARY


class Lookout:
    """Looks at the command line and the environment of all that runs, again and again until the `end`."""

    def __init__(self, hop, live):
        self.hop, self.live, self.found, self.rounds = hop, live, [], 0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._watch)
        self.thread.start()

    def look(self):
        for pid in all_pids():
            # Before its environment is read: it may have gone by then.
            excused = self._is_the_user_s(pid)
            for name in ('cmdline', 'environ'):
                if CANARY in read(f'/proc/{pid}/{name}') and not (name == 'environ' and excused):
                    self.found.append(f'{name} of {command_line(pid)}')
        self.rounds += 1

    def end(self):
        self.over.set()
        self.thread.join()
        return self.found

    def _is_the_user_s(self, pid):
        """What the user has put into our environment is there for the user: in what becomes the program, the program,
        and its fork before that has become another."""
        try:
            # As ssh's helper it is a child like any other.
            return pid == self.live.pid or (os.path.samefile(f'/proc/{pid}/exe', self.hop.path)
                                            and not command_line(pid).startswith('/proc/'))
        except OSError:
            return False

    def _watch(self):
        while not self.over.is_set():
            self.look()
