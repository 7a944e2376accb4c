"""The peers, as their users get them: from the Python package index, in a virtual environment of their own."""

import functools
import shutil
import subprocess
import sys

from harness.binary import REPO
from harness.pythons import discover

PEERS = {'mitogen': '0.3.54', 'chopsticks': '1.0', 'execnet': '2.1.2'}
# chopsticks needs `imp`, which has gone after this one.
NEWEST_PYTHON = (3, 11)
OLDEST_PYTHON = (3, 8)
FOLDER = REPO / 'target/bench-venv'


class Packages:
    def __init__(self, folder):
        self.python = folder / 'bin/python'

    @functools.cached_property
    def python_version(self):
        return subprocess.run([self.python, '-c', 'import platform; print(platform.python_version())'],
                              capture_output=True, text=True).stdout.strip()

    @classmethod
    def provide(cls):
        """Installed once; where that fails, their rows say that there are none."""
        packages, stamp = cls(FOLDER), FOLDER / 'requirements.txt'
        wanted = [f'{name}=={version}' for name, version in PEERS.items()]
        if not (stamp.exists() and stamp.read_text().split() == wanted):
            shutil.rmtree(FOLDER, ignore_errors=True)
            subprocess.run([python_for_peers(), '-m', 'venv', FOLDER], check=True)
            installed = subprocess.run([packages.python, '-m', 'pip', 'install', '-q', *wanted])
            # Their authors' code, compiled before it is measured.
            subprocess.run([packages.python, '-m', 'compileall', '-q', FOLDER / 'lib'])
            if installed.returncode == 0:
                stamp.write_text('\n'.join(wanted))
        return packages


def python_for_peers():
    fitting = [python for python in discover() if OLDEST_PYTHON <= python.number[:2] <= NEWEST_PYTHON]
    for python in reversed(fitting):
        if subprocess.run([python.path, '-c', 'import ensurepip, venv'], stderr=subprocess.DEVNULL).returncode == 0:
            return python.path
    return sys.executable
