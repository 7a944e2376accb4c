"""What tests of put and fetch share: contents, ways to a host, and what a transfer may leave behind."""

import contextlib
import hashlib
import os
import random
import time

import pytest

from .leaks import all_pids, read
from .process import exits

WAYS = {'here': ['-w', 'local:'], 'ssh': ['-w', 'h1'], 'behind Python': ['-w', 'local:a/local:b', '--relay', 'python'],
        'behind a native relay': ['-w', 'local:a/local:b', '--relay', 'native']}
each_way = pytest.mark.parametrize('way', WAYS)
AGENTS = 'python', 'native'
# Around a small file's limit, a piece's, a message's and the first window.
SIZES = [0, 1, 10_240, 32_768, 32_769, 61_440, 61_441, 65_536, 200_000]


def each_agent(metafunc):
    """A module's `pytest_generate_tests`, where its tests use the fixture `agent`: by Python and by this program."""
    if 'agent' in metafunc.fixturenames:
        agents = AGENTS[:1] if 'python' in metafunc.fixturenames else AGENTS
        metafunc.parametrize('agent', agents, indirect=True)


def noise(size):
    """Bytes that cannot be compressed, the same each time."""
    return random.Random(size).randbytes(size)


def sha1(data):
    return hashlib.sha1(data).hexdigest()


def mode(path):
    return path.lstat().st_mode & 0o7777


def used_bytes(path):
    return path.stat().st_blocks * 512


def write_sparse(path, size, *pieces):
    """A file of that size with these (offset, bytes) in it, and nothing else written."""
    with open(path, 'wb') as file:
        file.truncate(size)
        for at, data in pieces:
            file.seek(at)
            file.write(data)
    return path


def half_done(folder):
    """What is not whole has such a name until it is."""
    return [path for path in folder.rglob('*') if 'hopvine-' in path.name]


def contents(folder):
    """All that is below, by name, with what makes it what it is."""
    found = {}
    for path, folders, files in os.walk(os.fsencode(folder)):
        for name in folders + files:
            full = os.path.join(path, name)
            info = os.lstat(full)
            if os.path.islink(full):
                what = os.readlink(full)
            elif os.path.isdir(full):
                what = info.st_mode & 0o7777
            else:
                with open(full, 'rb') as file:
                    what = info.st_mode & 0o7777, file.read()
            found[os.path.relpath(full, os.fsencode(folder))] = what
    return found


def until(live, condition, timeout=10):
    """A file that appears announces itself to nobody; the end of what makes it ends the wait."""
    deadline = time.monotonic() + timeout
    while not condition():
        over = exits(live.pid, min(deadline, time.monotonic() + 0.005))
        assert not over and time.monotonic() < deadline, live.finish(1)


def children(pid):
    return [int(each) for each in read(f'/proc/{pid}/task/{pid}/children').split()]


def opened(pid, folder):
    """One more than the size of the file that it has open and that is, or was, in that folder."""
    with contextlib.suppress(OSError):
        for name in os.listdir(f'/proc/{pid}/fd'):
            with contextlib.suppress(OSError):
                fd = f'/proc/{pid}/fd/{name}'
                if os.readlink(fd).startswith(f'{folder}/'):
                    return os.stat(fd).st_size + 1
    return 0


def begun(folder):
    """Whether anybody writes a file in that folder, by whatever name or none."""
    return half_done(folder) or any(opened(pid, folder) for pid in all_pids())
