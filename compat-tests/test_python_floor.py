"""The agent is written for every Python from 2.4 on: checked by its syntax, and by each compiler that is here."""

import ast
import pathlib
import re
import subprocess
import sys

import pytest

from harness.binary import REMOTE, REPO
from harness.pythons import discover

SOURCES = [*sorted((REPO / 'bootstrap').rglob('*.py')), *sorted(REMOTE.glob('*.py'))]
COMPILE = 'import sys\nfor name in sys.argv[1:]:\n    compile(open(name).read(), name, "exec")\n'
# Named once, in compat.py, behind a look at the version.
EXCLUDED = [word for name in ('thread', '_thread', 'unicode', 'long') for word in ('--exclude', name)]
# What is used only where it is, as in put and fetch; importlib.resources came with 3.7; what the tests send away looks first, or is sent only
# to what has it. logging.StreamHandler is older than vermin has it.
NEWER = {'resources.py': ['io', 'io.BytesIO', 'io.TextIOWrapper'],
         'bulk.py': ['bytearray', 'memoryview', 'os.readv', 'os.writev'], 'files.py': ['hashlib', 'hashlib.sha1'],
         'put.py': ['os.O_TMPFILE', 'os.fchmod', 'os.posix_fadvise', 'os.POSIX_FADV_DONTNEED'],
         'fetch.py': ['os.SEEK_DATA', 'os.SEEK_HOLE'],
         'apply.py': ['io', 'io.BytesIO'], 'functions.py': ['io', 'io.BytesIO'],
         'source.py': ['dis', 'dis.get_instructions', 'hashlib', 'hashlib.sha1', 'io', 'io.BytesIO', 'io.TextIOWrapper'],
         'program.py': ['importlib', 'importlib.machinery', 'importlib.machinery.SourceFileLoader',
                        'importlib.machinery.SourcelessFileLoader', 'runpy', 'sys.__interactivehook__', 'sys.flags',
                        'zipimport.zipimporter'],
         # Only ever at work in scripts, for which 2.7 is the oldest.
         'link.py': ['bytearray', 'next', 'struct.Struct'], 'local.py': ['next', 'os.register_at_fork'],
         'turns.py': ['threading.Thread.daemon'],
         'records.py': ['logging.setLogRecordFactory', 'logging.StreamHandler']}
VERMIN = pathlib.Path(sys.executable).with_name('vermin')


@pytest.fixture
def filled(tmp_path):
    """A source as it is sent, with a number for each @SIZE@. vermin takes a version for met only when it has seen
    something that needs it, hence the last line."""
    def fill(path):
        copy = tmp_path / str(path.relative_to(REPO)).replace('/', '.')
        copy.write_text(re.sub(r'@\w+@', '1', path.read_text()) + '\ntype(0)\n')
        return copy
    return fill


@pytest.mark.parametrize('path', SOURCES, ids=lambda path: str(path.relative_to(REPO)))
def test_nothing_newer_than_python_2_4_and_3_0_is_used(filled, path):
    if not VERMIN.exists():
        pytest.skip('vermin is not installed')
    words = [VERMIN, '--no-tips', '-vv', '-t=2.4-', '-t=3.0-',
             *EXCLUDED, *(word for name in NEWER.get(path.name, ()) for word in ('--exclude', name)), filled(path)]
    shown = subprocess.run(words, capture_output=True, text=True)
    assert shown.returncode == 0, shown.stdout + shown.stderr


@pytest.mark.parametrize('python', discover(), ids=repr)
def test_every_interpreter_compiles_the_agent(filled, python):
    words = [python.path, '-S', '-E', '-W', 'error::SyntaxWarning', '-c', COMPILE, *map(filled, SOURCES)]
    shown = subprocess.run(words, capture_output=True, text=True)
    assert shown.returncode == 0, shown.stderr


def imported(body):
    """What is imported as soon as this is run."""
    for step in body:
        if isinstance(step, ast.Import):
            yield from (name.name for name in step.names)
        elif isinstance(step, ast.ImportFrom):
            yield step.module
        elif not isinstance(step, ast.FunctionDef):
            for below in 'body', 'orelse', 'handlers', 'finalbody':
                yield from imported(getattr(step, below, ()))


@pytest.mark.parametrize('path', sorted((REPO / 'bootstrap/parts').glob('*.py')), ids=lambda path: path.name)
def test_a_part_imports_nothing_while_it_is_read(path):
    """It is the loop that reads a part. It would wait for an import of user code, which waits for what only the loop can read; and
    for what an old Python misses it would ask. The guard is read before there is a loop."""
    assert not list(imported(ast.parse(path.read_text()).body)) or path.name == 'guard.py'
