"""The ways of a tool to a host: by ssh, by ssh over a connection that is open already, and by this program over a session."""

import contextlib
import os
import pathlib
import tempfile

from harness.binary import BINARY
from harness.leaks import all_pids, read
from harness.process import peak_bytes

LOOK_SECONDS = .02
# To /proc/PID/clear_refs: the peak begins anew.
RESET_PEAK = b'5'


class Session:
    """Keeps hosts open until the job is over, in a runtime folder of its own: without its `env` all is cold."""

    def __init__(self, bench, *hosts):
        self.folder = tempfile.mkdtemp(prefix='run-', dir=bench.hop.scratch)
        self.env = {'XDG_RUNTIME_DIR': self.folder}
        bench.during_job.callback(lambda: bench.hopvine('down', env=self.env).well_done())
        bench.hopvine('up', *(word for host in hosts for word in ('-w', host)), env=self.env).well_done()

    def peaks(self, run):
        """The most, in MiB, that a process of the session has held while that ran, and one that came to it."""
        # The session's title names its socket.
        session, guest = f'session\0{self.folder}/'.encode(), f'XDG_RUNTIME_DIR={self.folder}\0'.encode()
        keepers = list(holding('cmdline', session))
        for pid in keepers:
            pathlib.Path(f'/proc/{pid}/clear_refs').write_bytes(RESET_PEAK)
        peaks = {}
        while run.goes_on(LOOK_SECONDS):
            for pid in {*keepers, *holding('environ', guest)}:
                with contextlib.suppress(OSError, StopIteration):  # has ended meanwhile
                    peaks[pid] = peak_bytes(pid) / (1 << 20)
        run.well_done()
        return {'session_mb': max(peaks.pop(pid) for pid in keepers), 'guest_mb': max(peaks.values())}


def holding(file, mark):
    """The processes of our program of which that file below /proc has the mark."""
    program = os.path.realpath(BINARY)
    for pid in all_pids():
        with contextlib.suppress(OSError):
            if os.readlink(f'/proc/{pid}/exe') == program and mark in read(f'/proc/{pid}/{file}'):
                yield pid


class Way:
    """`host`: what the tool is to call it. `ssh`: the program that the tool is told to use; None where it finds ours."""

    def __init__(self, bench, name, host, ssh=None, prefix=(), session=None):
        self.bench, self.name, self.host, self.ssh, self.prefix, self.session = bench, name, host, ssh, prefix, session
        self.env = dict(session.env) if session else {}
        if ssh:
            self.env.update(RSYNC_RSH=str(ssh), GIT_SSH=str(ssh), ANSIBLE_SSH_EXECUTABLE=str(ssh), ANSIBLE_SFTP_EXTRA_ARGS=f'-S {ssh}')

    def start(self, tool, *words, env=None):
        # scp alone has nothing in the environment for it.
        told = ['-S', self.ssh] if tool == 'scp' and self.ssh else []
        program = self.ssh if tool == 'ssh' and self.ssh else tool
        return self.bench.start(*self.prefix, program, *told, *words, env={**self.env, **(env or {})})


def ways(bench, alias):
    """All of them; `alias(name, **options)` makes one more name for the server, with options of ssh's."""
    wrapper, ours = bench.site.client.bin / 'ssh', bench.hop.scratch / 'ours/ssh'
    if not ours.exists():
        ours.parent.mkdir()
        ours.symlink_to(BINARY)
    warm = alias('warm')
    session = Session(bench, warm)
    return [Way(bench, 'ssh', alias('plain'), wrapper), Way(bench, 'ControlMaster', master(bench, alias), wrapper),
            Way(bench, 'hopvine fakessh --', warm, prefix=[BINARY, 'fakessh', '--'], session=session),
            Way(bench, 'hopvine ssh', warm, ours, session=session)]


def master(bench, alias):
    """A name for the server, to which a connection of ssh's is open until the job is over."""
    host = alias('muxed', ControlPath=bench.hop.scratch / '%n')
    bench.start('ssh', '-M', '-N', '-f', host).well_done()
    bench.during_job.callback(lambda: bench.start('ssh', '-O', 'exit', host).well_done())
    return host
