"""A PID, mount and network namespace of a test's own: what is left in it at the end, the test has left."""

import contextlib
import ctypes
import functools
import os
import subprocess
import time

from .leaks import all_pids, command_line, kill, read, read_stat
from .process import Process, exits

UNSHARE = ['unshare', '--pid', '--fork', '--kill-child', '--mount-proc', '--net']
# Who ignores SIGCHLD reaps whatever loses its parent. Pid 1 ends with its input, and all else with pid 1.
INIT = 'ip link set lo up; echo ready; exec env --ignore-signal=CHLD cat'
# A neighbour that nobody is: packets to it are lost without a word to anybody, unlike those to a link that is down.
NOBODY = '02:00:00:00:00:99'
ADDRESSES = '10.77.0.1', '10.77.0.2'
LIBC = ctypes.CDLL(None, use_errno=True)


@functools.cache
def missing():
    """Why there can be none here; '' where there can."""
    try:
        tried = subprocess.run([*UNSHARE, 'ip', 'link', 'set', 'lo', 'up'], capture_output=True, text=True)
    except FileNotFoundError as error:
        return str(error)
    return f'no namespaces here: {tried.stderr.strip()}' if tried.returncode else ''


class Namespace:
    """What `start` starts in it are children of this process, and their pids those that it knows out here."""

    def __init__(self):
        self.unshare = Process([*UNSHARE, 'sh', '-c', INIT], env=dict(os.environ), stdin=subprocess.PIPE)
        self.unshare.until(b'ready')
        self.init = int(read(f'/proc/{self.unshare.pid}/task/{self.unshare.pid}/children'))
        self.inside = ['nsenter', f'--mount=/proc/{self.init}/ns/mnt', f'--net=/proc/{self.init}/ns/net']
        self.expected = {self.init}
        self.others = []

    def start(self, hop, *words, **options):
        with self._entered():
            return hop.start(*words, prefix=self.inside, **options)

    def start_other(self, *argv, env=None):
        """Any program, that ends with this namespace at the latest."""
        with self._entered():
            self.others.append(Process([*self.inside, *argv], env or {'PATH': os.environ['PATH']}))
        return self.others[-1]

    def serve(self, sshd, *options):
        """One more of this server, in here; the process that listens is expected to stay."""
        server = self.start_other(*sshd.command, '-o', 'LogLevel=INFO', *options)
        for address in sshd.addresses:
            server.until(f'listening on {address} '.encode(), 'err')
        self.expected.add(server.pid)

    def crowd(self, count):
        """As on a machine where other things run too."""
        loop = f'n={count}; while [ $n -gt 0 ]; do sleep 1000 & n=$((n - 1)); done; echo there; exec sleep 1000'
        self.start_other('sh', '-c', loop).until(b'there')
        self.expected.update(self.processes())

    def processes(self):
        mine = namespace_of(self.init)
        return [pid for pid in all_pids() if namespace_of(pid) == mine]

    def children(self, pid):
        return {each for each in self.processes() if (stat := read_stat(each)) and stat[1] == pid}

    def outer(self, pid):
        """The pid out here of the process that knows itself as `pid`."""
        for each in self.processes():
            if inner(each) == pid:
                return each
        raise AssertionError(f'no process {pid} among\n{self}')

    def find(self, words):
        """The one process with these words in its command line."""
        found = [pid for pid in self.processes() if words in command_line(pid)]
        assert len(found) == 1, f'{words!r}: {found} of\n{self}'
        return found[0]

    def left(self, deadline):
        """Waits until only what is expected is here; returns what else there still is."""
        while left := set(self.processes()) - self.expected:
            if time.monotonic() > deadline:
                break
            for pid in left:
                exits(pid, deadline)
            # A zombie has ended, and its burial announces itself to nobody.
            exits(self.init, min(deadline, time.monotonic() + 0.005))
        return [describe(pid) for pid in sorted(left)]

    def __repr__(self):
        return '\n'.join(describe(pid) for pid in self.processes())

    def link(self, other, cable='cable', addresses=ADDRESSES):
        """A cable between the two."""
        self.ip('link', 'add', cable, 'type', 'veth', 'peer', 'name', cable, 'netns', other.init)
        for namespace, address in zip((self, other), addresses):
            namespace.ip('address', 'add', f'{address}/24', 'dev', cable)
            namespace.ip('link', 'set', cable, 'up')

    def lose_all_packets(self, other):
        for namespace, address in zip((other, self), ADDRESSES):
            namespace.ip('neighbour', 'replace', address, 'lladdr', NOBODY, 'dev', 'cable', 'nud', 'permanent')

    def ip(self, *words):
        subprocess.run([*self.inside, 'ip', *map(str, words)], check=True)

    def close(self):
        """After all that was started from out here has been reaped: pid 1 waits for that."""
        for process in self.others:
            kill(process.pid)
            process.close()
        self.unshare.end_input()
        self.unshare.finish(10)

    @contextlib.contextmanager
    def _entered(self):
        """What this process forks meanwhile is in there."""
        home, there = (os.open(f'/proc/{pid}/ns/pid', os.O_RDONLY) for pid in ('self', self.init))
        try:
            set_namespace(there)
            yield
        finally:
            set_namespace(home)
            os.close(home)
            os.close(there)


def set_namespace(fd):
    if LIBC.setns(fd, 0):
        raise OSError(ctypes.get_errno(), 'setns')


def namespace_of(pid):
    try:
        return os.readlink(f'/proc/{pid}/ns/pid')
    except OSError:
        return None


def describe(pid):
    state, parent = read_stat(pid) or ('gone', '')
    return f'{pid} ({inner(pid)} in there) {state} child of {parent}: {command_line(pid)}'


def inner(pid):
    for line in read(f'/proc/{pid}/status').splitlines():
        if line.startswith(b'NSpid:'):
            return int(line.split()[-1])
    return None
