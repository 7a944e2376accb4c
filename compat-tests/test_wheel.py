"""The wheel: the module and its program, as `pip install` brings them to any Python."""

import os
import re
import subprocess
import sys
import zipfile

import pytest

from harness.binary import BINARY, REPO
from harness.process import Process
from harness.pythons import discover

SCRIPT = '''
from __future__ import print_function
import os, sys
import hopvine
from hopvine import Group, Local

def where():
    return os.getpid(), sys.version_info[0]

with Group([Local(name, python=sys.argv[1]) for name in ('a', 'b')]) as group:
    results = group.call(where).raise_failures()
print(len(set(results.values())), [version for pid, version in results.values()] == [sys.version_info[0]] * 2)
print(os.path.dirname(os.path.abspath(hopvine.__file__)))
'''


@pytest.fixture(scope='module')
def wheel(tmp_path_factory):
    """Made of the program that is tested, in a folder of its own."""
    folder = tmp_path_factory.mktemp('wheel')
    with zipfile.ZipFile(make(folder)) as archive:
        names = set(archive.namelist())
    assert {'hopvine/bin/hopvine', 'hopvine/__init__.py', 'hopvine/wire.py', 'hopvine/py.typed', 'hopvine/__init__.pyi'} <= names
    return next(folder.glob('*.whl'))


def make(folder):
    made = subprocess.run(['make', '--no-print-directory', 'wheel-of', f'WHEEL_OF={BINARY}', f'WHEEL_TO={folder}'], cwd=REPO,
                          capture_output=True, text=True)
    if re.search('No matching distribution|NewConnectionError|Temporary failure', made.stderr):
        pytest.skip('pip cannot install setuptools and wheel here')
    assert made.returncode == 0, made.stderr
    return next(folder.glob('hopvine-*.whl'))


@pytest.fixture(scope='module')
def installed(wheel, tmp_path_factory):
    """Installed beside no interpreter: a folder for PYTHONPATH."""
    folder = tmp_path_factory.mktemp('installed')
    subprocess.run([sys.executable, '-m', 'pip', 'install', '-q', '--no-deps', '--target', folder, wheel], check=True)
    return folder


def test_a_fresh_environment_has_module_and_command(hop, wheel, tmp_path):
    subprocess.run([sys.executable, '-m', 'venv', tmp_path / 'venv'], check=True)
    python = tmp_path / 'venv/bin/python'
    subprocess.run([python, '-m', 'pip', 'install', '-q', '--no-deps', wheel], check=True)
    env = {name: value for name, value in hop.env.items() if name != 'HOPVINE'}
    result = Process([python, hop.write('script.py', SCRIPT), python], env=env, cwd=hop.cwd).finish(60)
    assert (result.rc, result.err) == (0, b''), result
    assert result.lines[0] == '2 True' and result.lines[1].startswith(str(tmp_path)), result
    command = Process([tmp_path / 'venv/bin/hopvine', 'run', '-w', 'local:', '--', 'echo well'], env=env, cwd=hop.cwd).finish(60)
    assert (command.rc, command.lines) == (0, ['well']), command


@pytest.mark.parametrize('python', [python for python in discover() if python.runs_scripts], ids=repr)
def test_it_serves_every_python(hop, installed, python):
    env = {**hop.env, 'PYTHONPATH': str(installed), 'PYTHONDONTWRITEBYTECODE': '1'}
    env.pop('HOPVINE', None)
    result = Process([python.path, hop.write('script.py', SCRIPT), python.path], env=env, cwd=hop.cwd).finish(60)
    assert (result.rc, result.err) == (0, b''), result
    assert result.lines == ['2 True', os.path.join(str(installed), 'hopvine')], result
