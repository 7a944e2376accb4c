"""Every interpreter of this machine, once for each version."""

import functools
import glob
import os
import pathlib
import re
import subprocess

from .binary import REPO

SAY_VERSION = 'import sys; sys.stdout.write("%d.%d.%d" % sys.version_info[:3])'


class Python:
    def __init__(self, path, version):
        self.path, self.version = str(path), version
        self.number = tuple(int(part) for part in version.split('.'))

    @property
    def command(self):
        """The name that it has in most PATHs: python2 or python3."""
        return f'python{self.number[0]}'

    @property
    def versioned_command(self):
        return 'python{}.{}'.format(*self.number)

    @property
    def runs_scripts(self):
        """Whether it is one for scripts; what they call may run on any."""
        return self.number >= (3, 6) or (2, 7) <= self.number < (3,)

    def __repr__(self):
        return self.version


@functools.cache
def discover():
    """Those of PYTHONS first, then pyenv's, then PATH's; the newest may be a whole Debian root (see provision.sh)."""
    found = {}
    for path in _candidates():
        version = _version(path)
        if version and version not in found:
            found[version] = Python(path, version)
    return sorted(found.values(), key=lambda python: python.number)


def oldest_and_newest():
    """The two majors' ends: what a test takes that cannot afford them all."""
    by_major = {}
    for python in discover():
        by_major.setdefault(python.number[0], []).append(python)
    ends = [end for group in by_major.values() for end in (group[0], group[-1])]
    return list(dict.fromkeys(ends))


def starts_itself_again(python):
    """Whether what it takes for its own path starts it: not where it runs by a wrapper only."""
    ask = [python.path, '-S', '-E', '-c', 'import sys; sys.stdout.write(sys.executable)']
    executable = subprocess.run(ask, capture_output=True, text=True).stdout
    return subprocess.run([executable, '-S', '-E', '-c', 'pass'], capture_output=True).returncode == 0


def _candidates():
    yield from os.environ.get('PYTHONS', '').split()
    pyenv = os.environ.get('PYENV_ROOT') or os.path.expanduser('~/.pyenv')
    yield from sorted(glob.glob(f'{pyenv}/versions/*/bin/python'))
    yield pathlib.Path(os.environ.get('HOPVINE_FORKY', REPO / 'target/forky'), 'python3')
    for folder in os.get_exec_path():
        if not folder.endswith('/shims'):
            names = sorted(glob.glob(f'{folder}/python[23]*'))
            yield from (name for name in names if re.fullmatch(r'python[23](\.\d+)?', os.path.basename(name)))


def _version(path):
    try:
        ran = subprocess.run([path, '-S', '-E', '-c', SAY_VERSION], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return ran.stdout if ran.returncode == 0 else None
