"""`put` and `fetch` by this program alone: where there is no Python, and where what is not whole must have a name.

All that both kinds of agents have in common is in test_put.py, test_fetch.py, test_file_trees.py and test_file_faults.py.
"""

import contextlib
import os
import signal
import subprocess
import time
from subprocess import PIPE

import pytest

from harness.binary import BINARY
from harness.files import contents, half_done, noise, sha1, until
from harness.process import exits
from test_file_faults import OLD, into, place, told, until_gone, worker  # noqa: F401
from test_native_relay import IN_MEMORY, program
from test_relay_install import BEHIND, bare, native  # noqa: F401

NO_PROC = "unshare -m --propagation private sh -c 'mount -t tmpfs tmpfs /proc && exec sh -c \"$0\"' {}"
PIECE = bytes(range(256)) * 1000
KILLED, INTERRUPTED = signal.SIGKILL, signal.SIGINT


# Without Python

@BEHIND
def test_a_file_goes_to_and_comes_from_where_there_is_no_python(hop, bare, behind):  # noqa: F811
    data, path = noise(200_000), hop.scratch / 'file'
    result = native(hop, 'put', bare + behind, '-v', '-z', hop.write('local', data), path)
    assert result.text == f'{path} 200000 {sha1(data)}\n' and 'hopvine runs\n' in result.said, result
    assert 'agent runs on' not in result.said and path.read_bytes() == data, result
    result = native(hop, 'fetch', bare + behind, '-z', path, '-')
    assert result.out == data, result.said


@BEHIND
def test_a_tree_goes_to_and_comes_from_where_there_is_no_python(hop, bare, behind):  # noqa: F811
    tree = hop.scratch / 'tree'
    (tree / 'deep/er').mkdir(parents=True)
    (tree / 'deep/file').write_text('contents')
    (tree / 'link').symlink_to('deep/file')
    for verb, to in (('put', 'there'), ('fetch', 'here')):
        result = native(hop, verb, bare + behind, '-rp', tree, hop.scratch / to)
        assert result.rc == 0 and contents(hop.scratch / to) == contents(tree), result


def test_a_relay_serves_files_and_children_at_once(hop, bare):  # noqa: F811
    """One context is asked for both, in one flight."""
    hop.write('local', noise(5_000_000))
    result = native(hop, 'put', f'{bare}/local:b,{bare}', '--json', 'local')
    paths = {name: each['value']['remote_path'] for name, each in result.json.items()}
    assert result.rc == 0 and len(set(paths.values())) == 2, result
    for path in paths.values():
        with open(path, 'rb') as file:
            assert file.read() == noise(5_000_000)
        os.unlink(path)


def test_a_relay_that_is_found_serves_files_where_it_is_a_target_itself(hop):
    env = {'PATH': f'{BINARY.parent}:{hop.env["PATH"]}'}
    result = hop('put', '-w', 'local:a/local:b,local:a', '-v', '--json', hop.write('local', 'contents'), env=env)
    assert result.rc == 0 and 'local:a: hopvine runs\n' in result.said, result
    assert result.said.count('agent runs on') == 1, result
    for each in result.json.values():
        with open(each['value']['remote_path']) as file:
            assert file.read() == 'contents'
        os.unlink(file.name)


# What is not whole has a name where /proc is missing.

@pytest.fixture
def way(hop, site):
    if not site.accounts.private:
        pytest.skip('a /proc that is missing needs root and unshare')
    hop.folder_with(hop.path, 'hopvine')
    hop.env['PATH'] = f'{hop.scratch}/path:{hop.env["PATH"]}'
    return hop.way_in(NO_PROC, 'hidden')


def begin(hop, target, place, *words):  # noqa: F811
    """A put that is in the middle, and will be there for long."""
    live = hop.start('put', '-w', target, '--agent', 'native', *words, '--json', '-', place / 'file', stdin=PIPE)
    live.feed(PIECE)
    return live


def test_a_named_file_takes_its_place(hop, way, place):  # noqa: F811
    live = begin(hop, way, place)
    until(live, lambda: half_done(place))
    name, = half_done(place)
    assert name.parent == place and name.name.startswith('.hopvine-') and name.stat().st_mode & 0o777 == 0o600
    assert contents(place)[b'file'] == OLD[b'file']
    live.end_input()
    assert live.finish().rc == 0 and contents(place) == {b'file': (0o644, PIECE)}


def test_a_tree_of_named_files_is_as_it_was(hop, way, place):  # noqa: F811
    tree = hop.scratch / 'tree'
    for n in range(50):
        (tree / f'{n % 5}').mkdir(parents=True, exist_ok=True)
        (tree / f'{n % 5}/{n}').write_bytes(noise(n * 1000))
        (tree / f'{n % 5}/link {n}').symlink_to(str(n))
    for again in range(2):
        result = hop('put', '-w', way, '--agent', 'native', '-r', tree, place / 'tree')
        assert result.rc == 0 and contents(place / 'tree') == contents(tree), result
    assert half_done(place) == []


@pytest.mark.parametrize('who', ['the program', 'the controller'])
@pytest.mark.parametrize('number', [KILLED, INTERRUPTED], ids=['killed', 'interrupted'])
def test_a_named_file_is_removed_when_nobody_is_left_to_do_it(hop, way, place, who, number):  # noqa: F811
    """By the program itself at SIGINT, by its watchdog where it is killed."""
    live = begin(hop, way, place)
    until(live, lambda: half_done(place))
    assert program(worker(live)) == str(hop.path.resolve())
    os.kill(worker(live) if who == 'the program' else live.pid, number)
    result = live.finish(10)
    assert result.rc in (255, 130, -KILLED), result
    until_gone(place, 6)


def test_a_named_file_on_a_disk_that_is_full_is_removed(way, into):  # noqa: F811
    result, left = into('put', 'size=1m', '--agent', 'native', then='mount -t tmpfs tmpfs /proc && "$@"')
    assert told(result, 'put', 'No space left on device') and left == 'file\nold', (result, left)


# In the place of an agent, whose watchdog takes Python.

def is_in_memory(live):
    """Whatever the shell and the agent start before, has come and gone."""
    with contextlib.suppress(OSError, ValueError):
        return program(worker(live)) == IN_MEMORY


@pytest.mark.parametrize('end', ['killed', 'interrupted', 'whole'])
def test_the_watchdog_of_an_agent_removes_a_named_file(hop, site, place, end):  # noqa: F811
    """`first` is a relay that was sent the program, and a target; the folder has a name that Python must read right."""
    if not site.accounts.private:
        pytest.skip('a /proc that is missing needs root and unshare')
    folder = place / 'o\'d"d\\ \n\u00fc\udcff'
    folder.mkdir()
    way = hop.way_in('unshare -m --propagation private sh -c {}')
    live = hop.start('put', '-w', f'{way}/local:b,{way}', '--relay', 'native', '--json', '-', folder / 'file', stdin=PIPE)
    until(live, lambda: is_in_memory(live))
    # It has become itself by way of /proc.
    subprocess.run(['nsenter', '-t', str(worker(live)), '-m', 'mount', '-t', 'tmpfs', 'tmpfs', '/proc'], check=True)
    live.feed(PIECE)
    until(live, lambda: len(half_done(folder)) == 2)
    if end == 'whole':
        live.end_input()
    else:
        os.kill(worker(live), KILLED) if end == 'killed' else live.signal(INTERRUPTED)
    result = live.finish(10)
    assert (result.rc == 0) == (end == 'whole'), result
    deadline = time.monotonic() + 6
    while half_done(folder) and time.monotonic() < deadline:
        exits(os.getpid(), time.monotonic() + 0.005)
    assert contents(folder) == ({b'file': (0o644, PIECE)} if end == 'whole' else {})
