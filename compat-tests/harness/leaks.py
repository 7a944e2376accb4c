"""What a test must not leave behind: processes, zombies, descriptors, files, sockets."""

import os
import pathlib
import signal
import time

from .process import exits

PATIENCE_SECONDS = 5


class Leaks:
    """Made before a test, asked after it. Processes of this run carry its id in their environment, or descend from a
    server of ours (dropbear clears the environment)."""

    def __init__(self, site, hop):
        self.site, self.hop = site, hop
        self.pids_before = set(all_pids())
        self.fds_before = descriptors()
        self.sockets_before = self._sockets()

    def found(self):
        """One line for each thing left; a process is given a moment, then named and killed."""
        return [*self._lasting_processes(), *self._zombies(),
                *(f'descriptor {fd} -> {where}' for fd, where in descriptors() - self.fds_before),
                *(f'file {path}' for path in self._litter()),
                *(f'socket {path}' for path in self._sockets() - self.sockets_before)]

    def _lasting_processes(self):
        deadline = time.monotonic() + PATIENCE_SECONDS
        while left := list(self._processes()):
            if not all([exits(pid, deadline) for pid in left]):
                break
        for pid in left:
            yield f'process {pid}: {command_line(pid)}'
            kill(pid)
            exits(pid, time.monotonic() + PATIENCE_SECONDS)

    def _processes(self):
        """Only those that are new are looked at: it takes a while to ask each of a machine's."""
        mark = self.site.run_id.encode()
        for pid in set(all_pids()) - self.pids_before - {os.getpid(), *self.site.server_pids}:
            if is_alive(pid) and (mark in read(f'/proc/{pid}/environ') or self._is_session(pid)):
                yield pid

    def _is_session(self, pid):
        while stat := read_stat(pid):
            pid = stat[1]
            if pid in self.site.server_pids:
                return True
        return False

    def _zombies(self):
        while zombie := waiting_child():
            yield f'zombie {zombie.si_pid}'
            os.waitpid(zombie.si_pid, 0)  # what one test has left is not held against the next

    def _litter(self):
        """Nothing but the test itself may write to the user's folders."""
        if self.hop:
            for name in ('home', 'tmp', 'cwd'):
                for path in sorted((self.hop.cwd.parent / name).rglob('*')):
                    if not any(path == own or path in own.parents for own in self.hop.written):
                        yield path
            # Whoever makes a session's socket waits for others at the lock, which stays.
            stays = {self.hop.runtime, self.hop.runtime / 'session.lock'}
            yield from sorted({*self.hop.runtime.parent.rglob('*')} - stays)

    def _sockets(self):
        mark = str(self.site.dir)
        lines = pathlib.Path('/proc/net/unix').read_text(errors='replace').splitlines()
        return {line.split(None, 7)[-1] for line in lines if mark in line}


def descriptors():
    found = set()
    for fd in os.listdir('/proc/self/fd'):
        try:
            found.add((fd, os.readlink(f'/proc/self/fd/{fd}')))
        except FileNotFoundError:
            pass  # the descriptor of this very listing
    return found


def all_pids():
    return [int(name) for name in os.listdir('/proc') if name.isdigit()]


def read(path):
    try:
        with open(path, 'rb', 0) as file:
            return file.read()
    except OSError:
        return b''


def read_stat(pid):
    """(state, parent), or None when it has gone."""
    fields = read(f'/proc/{pid}/stat').decode(errors='replace').rpartition(')')[2].split(None, 2)
    return (fields[0], int(fields[1])) if fields else None


def is_alive(pid):
    stat = read_stat(pid)
    return stat is not None and stat[0] != 'Z'


def waiting_child():
    """A child of this process that has ended and that nobody has waited for."""
    try:
        return os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return None


def command_line(pid):
    return read(f'/proc/{pid}/cmdline').replace(b'\0', b' ').decode(errors='replace')


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
