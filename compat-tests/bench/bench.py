"""What contestants are started with: one site, one interpreter for everyone, the peers, and how much of everything."""

import contextlib
import dataclasses
import functools
import os
import pathlib
import shutil
import subprocess
import time
import typing

from harness.delay import DelayProxy
from harness.process import Process

PEERS = pathlib.Path(__file__).resolve().parent / 'peers'
# A round of the slowest contestant, on a machine that has other work.
PATIENCE_SECONDS = 180


@dataclasses.dataclass
class Scale:
    rounds: typing.Optional[int] = None
    contexts: int = 200
    hosts: int = 50
    simulated: int = 10_000
    mebibytes: int = 256
    bulk_mebibytes: int = 1024
    small_files: int = 10_000

    @classmethod
    def quick(cls, rounds):
        return cls(rounds or 2, contexts=20, hosts=8, simulated=400, mebibytes=8, bulk_mebibytes=8, small_files=300)


class Bench:
    def __init__(self, site, packages, scale):
        self.site, self.packages, self.scale = site, packages, scale
        self.hop = site.hopvine()
        self.python = plain_python(self.hop.env['PATH'])
        self.proxies = {}
        self.during_job = contextlib.ExitStack()  # what is to end with the job that has begun it
        self._started = []

    def start(self, *words, stdin=None, env=None):
        self._started.append(Run(words, {**self.hop.env, **(env or {})}, self.hop.cwd, stdin))
        return self._started[-1]

    def tool(self, name, *words, env=None):
        """A program that others use for the same, where it is installed."""
        return self.start(self.packages.tool(name), *words, env=env)

    def hopvine(self, *words, env=None):
        return self.start(self.hop.path, *words, env=env)

    def script(self, verb, *words):
        """The same for hopvine from Python, under the interpreter that the peers have."""
        return self.hopvine('py', '--interpreter', self.packages.python, PEERS / 'with_hopvine.py', verb, self.python, *words)

    def peer(self, name, verb, *words, python=None):
        """The script of that peer, which is told the interpreter of the far side."""
        return self.start(self.packages.python, PEERS / f'with_{name}.py', verb, python or self.python, *words)

    @functools.cached_property
    def bare_python(self):
        """The same interpreter, where nothing has been installed."""
        folder = self.site.dir / 'bare'
        subprocess.run([self.python, '-m', 'venv', '--without-pip', folder], check=True)
        return str(folder / 'bin/python')

    def host_behind(self, name, round_trip_seconds, **options):
        """One more name for the server, with ssh's `options`: behind a proxy that delays."""
        if name not in self.proxies:
            self.proxies[name] = DelayProxy(('127.0.0.1', self.site.sshd.port), round_trip_seconds / 2)
        return self.site.sshd.alias(name, Port=self.proxies[name].port, **options)

    def close(self):
        for run in self._started:
            run.stop()
        for proxy in self.proxies.values():
            proxy.close()


class Run(Process):
    """A contestant's process, from its start to its end."""

    def until_lines(self, count):
        """Read until so many lines have been printed; return the seconds since the start."""
        while self.outputs['out'].count(b'\n') < count:
            if not self._pump(self.started + PATIENCE_SECONDS):
                raise AssertionError(f'fewer than {count} lines\n{self.finish(1)!r}')
        return time.monotonic() - self.started

    def well_done(self):
        """Its result; a failure has no figures."""
        result = self.finish(PATIENCE_SECONDS)
        assert result.rc == 0, result
        return result

    def goes_on(self, seconds):
        """Whether it still has its outputs after that time, or after something has come of it."""
        self._pump(min(time.monotonic() + seconds, self.started + PATIENCE_SECONDS))
        return bool(self._selector.get_map()) and time.monotonic() < self.started + PATIENCE_SECONDS

    def whole(self):
        """Seconds to its end, and of processor time: its own, and of what it has started and waited for."""
        return {'seconds': self.well_done().seconds, 'cpu_seconds': self.cpu_seconds}

    def close(self):
        if self.popen.returncode is None:
            _, status, usage = os.wait4(self.pid, 0)
            self.popen.returncode = os.waitstatus_to_exitcode(status)
            self.cpu_seconds = usage.ru_utime + usage.ru_stime
        super().close()

    def stop(self):
        """Ends one whose measuring has failed, and what it has started."""
        if self.popen.returncode is None:
            self.popen.terminate()
            with contextlib.suppress(AssertionError):  # late, so killed
                self.finish(5)

    def first_and_whole(self):
        """Milliseconds to the first line and to the end."""
        first = self.until_lines(1)
        return {'first_ms': first * 1e3, 'whole_ms': self.well_done().seconds * 1e3}


def plain_python(path):
    usual = '/usr/bin/python3'
    python = usual if os.access(usual, os.X_OK) else shutil.which('python3', path=path)
    assert python, 'no python3 for the far side'
    return python
