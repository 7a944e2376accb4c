"""Where a plain account sits that starts the program: in the namespace where it and its password exist."""

import os
import time

from .leaks import all_pids, command_line, kill, read_stat
from .places import install
from .privileges import PASSWORD
from .process import exits


class Seat:
    """`seat('hvask', 'run', ...)` runs the program as that account; `seat.secret` are words that give its password."""

    def __init__(self, site, hop):
        self.site, self.hop = site, hop
        install(site, hop)
        self.server = site.sshd.daemon.pid
        self.before = set(self.processes())
        self.password_file = hop.scratch / 'password'
        self.password_file.write_text(f'{PASSWORD}\n')
        self.secret = ['--secret-file', self.password_file]

    def start(self, user, *words, **options):
        prefix = self.site.accounts.become(user, self.server, self.hop.cwd)
        return self.hop.start(*words, prefix=prefix, **options)

    def __call__(self, user, *words, timeout=30, **options):
        return self.start(user, *words, **options).finish(timeout)

    def read(self, path):
        """A file of the namespace, by its own root."""
        with open(f'/proc/{self.server}/root/{path}', 'rb') as file:
            return file.read()

    def processes(self):
        """All that runs in the namespace, whoever started it and whatever it has made of its environment."""
        mine = mount_namespace(self.server)
        return [pid for pid in all_pids() if mount_namespace(pid) == mine]

    def left(self, seconds=5):
        """Waits until nothing runs that did not run before; names and kills what does."""
        deadline = time.monotonic() + seconds
        while left := {pid for pid in self.processes() if (read_stat(pid) or 'Z')[0] != 'Z'} - self.before:
            if not all([exits(pid, deadline) for pid in left]):
                break
        lines = [f'{pid}: {command_line(pid)}' for pid in left]
        for pid in left:
            kill(pid)
        return lines


def mount_namespace(pid):
    try:
        return os.readlink(f'/proc/{pid}/ns/mnt')
    except OSError:
        return None
