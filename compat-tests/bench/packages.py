"""The peers, as their users get them: from the Python package index, in a virtual environment of their own."""

import functools
import os
import shutil
import subprocess
import sys

from harness.binary import REPO
from harness.pythons import discover

PEERS = {'mitogen': '0.3.54', 'chopsticks': '1.0', 'execnet': '2.1.2'}
# Programs for commands on many hosts; pdsh and pssh come with the system.
TOOLS = {'ClusterShell': '1.10.1', 'ansible-core': '2.19.14'}
# What users have installed on their side only.
USED = {'jinja2': '3.1.6', 'MarkupSafe': '3.0.3', 'PyYAML': '6.0.3'}
# chopsticks needs `imp`, which has gone after this one.
NEWEST_PYTHON = (3, 11)
OLDEST_PYTHON = (3, 8)
FOLDER = REPO / 'target/bench-venv'
STAMP = 'requirements.txt'
USED_FOLDER = REPO / 'target/bench-packages'
TOOLS_FOLDER = REPO / 'target/bench-tools'


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
        install(FOLDER, pinned(PEERS))
        return cls(FOLDER)

    @functools.cache
    def tool(self, name):
        """The path of a program, installed as these are where it is none of the system's."""
        install(TOOLS_FOLDER, pinned(TOOLS))
        path = shutil.which(name, path=f'{TOOLS_FOLDER}/bin:{os.environ["PATH"]}')
        if path is None:
            raise LookupError(f'{name} is not installed')
        return path

    def used(self):
        """The folder where they are; without their compiled modules, which all of them can do without."""
        folder, wanted = USED_FOLDER, pinned(USED)
        if not holds(folder, wanted):
            shutil.rmtree(folder, ignore_errors=True)
            pip = self.python, '-m', 'pip', 'install', '-q', '--no-deps', '--target', folder
            subprocess.run([*pip, *wanted], check=True)
            for compiled in folder.rglob('*.so'):
                compiled.unlink()
            stamp(folder, wanted)
        return folder


def mitogen_strategy():
    """What has ansible work by mitogen, which is installed beside it and not with it."""
    plugins = next(FOLDER.glob('lib/python3*/site-packages/ansible_mitogen/plugins/strategy'), None)
    if plugins is None:
        raise LookupError('mitogen is not installed')
    return {'ANSIBLE_STRATEGY': 'mitogen_linear', 'ANSIBLE_STRATEGY_PLUGINS': str(plugins), 'PYTHONPATH': str(plugins.parents[2])}


def install(folder, wanted):
    if holds(folder, wanted):
        return
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([python_for_peers(), '-m', 'venv', folder], check=True)
    installed = subprocess.run([folder / 'bin/python', '-m', 'pip', 'install', '-q', *wanted])
    # Their authors' code, compiled before it is measured.
    subprocess.run([folder / 'bin/python', '-m', 'compileall', '-q', folder / 'lib'])
    if installed.returncode == 0:
        stamp(folder, wanted)


def pinned(versions):
    return [f'{name}=={version}' for name, version in versions.items()]


def holds(folder, wanted):
    stamp = folder / STAMP
    return stamp.exists() and stamp.read_text().split() == wanted


def stamp(folder, wanted):
    (folder / STAMP).write_text('\n'.join(wanted))


def python_for_peers():
    fitting = [python for python in discover() if OLDEST_PYTHON <= python.number[:2] <= NEWEST_PYTHON]
    for python in reversed(fitting):
        if subprocess.run([python.path, '-c', 'import ensurepip, venv'], stderr=subprocess.DEVNULL).returncode == 0:
            return python.path
    return sys.executable
