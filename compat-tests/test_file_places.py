"""Where files go is found out once: nobody on the way leads them elsewhere afterwards."""

import os
import signal
import shutil
import time
from subprocess import PIPE

import pytest

from harness.binary import BINARY
from harness.files import begun, contents, half_done, noise, opened, until
from harness.process import exits
from harness.pythons import discover
from test_file_faults import OLD, place, until_gone, watchdog, worker  # noqa: F401

OLDEST, NEWEST = discover()[0], discover()[-1]
EACH = pytest.mark.parametrize('by', [OLDEST, NEWEST, 'native'], ids=repr)
BOTH = pytest.mark.parametrize('verb', ['put', 'fetch'])
STRANGER = 30001
NO_PROC = ['unshare', '-m', '--propagation', 'private', 'sh', '-c', 'mount -t tmpfs tmpfs /proc && exec "$@"', 'hidden']


@pytest.fixture
def words(hop):
    """`words(by)`: what has files taken by that interpreter, or by this program."""
    def words(by):
        if by != 'native':
            return '--python', by.path
        hop.env['PATH'] = f'{BINARY.parent}:{hop.env["PATH"]}'
        return '--agent', 'native'
    return words


@pytest.fixture
def theirs(hop):
    """A folder of somebody else, who may do there as they please; beside it is what they may not write."""
    if os.getuid():
        pytest.skip('only root has anything to lose')
    folder, secret = hop.scratch / 'theirs', hop.scratch / 'secret'
    for each in (folder / 'x/dir', secret / 'dir'):
        each.mkdir(parents=True)
        (each / 'file').write_text('old')
    for path, _, names in os.walk(folder):
        for each in (path, *(os.path.join(path, name) for name in names)):
            os.lchown(each, STRANGER, STRANGER)
    yield folder
    assert contents(secret) == {b'dir': 0o755, b'dir/file': (0o644, b'old')}
    assert half_done(hop.scratch) == []


def swap(folder, to):
    """What somebody else does: their folder goes, and a link of theirs has its name."""
    moved = folder.rename(folder.with_name('moved'))
    folder.symlink_to(to)
    os.lchown(folder, STRANGER, STRANGER)
    return moved


# A file.

@EACH
def test_a_folder_on_the_way_that_becomes_a_link_leads_no_file_elsewhere(hop, theirs, words, by):
    live = hop.start('put', '-w', 'local:', *words(by), '-', theirs / 'x/dir/file', stdin=PIPE)
    live.feed(noise(100_000))
    until(live, lambda: begun(theirs / 'x/dir'))
    moved = swap(theirs / 'x', theirs.parent / 'secret')
    live.end_input()
    result = live.finish()
    assert result.rc == 1 and 'another folder has taken the place' in result.said, result
    assert (moved / 'dir/file').read_text() == 'old'


def test_a_folder_here_that_becomes_a_link_leads_no_file_elsewhere(hop, theirs):
    large = hop.write('large', noise(1 << 20) * 100)
    live = hop.start('fetch', '-w', 'local:', large, theirs / 'x/dir/file')
    until(live, lambda: opened(live.pid, theirs / 'x/dir'))
    moved = swap(theirs / 'x', theirs.parent / 'secret')
    result = live.finish()
    assert result.rc == 1 and 'another folder has taken the place' in result.said, result
    assert (moved / 'dir/file').read_text() == 'old'


def test_a_link_of_another_user_here_is_refused_before_anything_is_written(hop, theirs):
    swap(theirs / 'x', theirs.parent / 'secret')
    result = hop('fetch', '-w', 'local:', '/etc/passwd', theirs / 'x/dir/file')
    assert result.rc == 1 and f'{theirs}/x here is a symbolic link of another user' in result.said, result


@EACH
def test_a_folder_that_is_moved_on_the_way_holds_nothing_half_done(hop, place, words, by):  # noqa: F811
    live = hop.start('put', '-w', 'local:', *words(by), '-', place / 'file', stdin=PIPE)
    live.feed(noise(100_000))
    until(live, lambda: begun(place))
    moved = place.rename(place.with_name('moved'))
    live.end_input()
    result = live.finish()
    left = contents(moved)
    moved.rename(place)
    assert result.rc == 1 and left == OLD, result


@EACH
def test_a_folder_that_is_moved_on_the_way_is_found_by_the_watchdog(hop, place, words, by):  # noqa: F811
    """Which is told the name where there is one, and holds the folder from then on."""
    live = hop.start('put', '-w', 'local:', *words(by), '-', place / 'file', stdin=PIPE)
    live.feed(noise(100_000))
    until(live, lambda: begun(place))
    until(live, lambda: not half_done(place) or str(place) in folders_of(watchdog(live)))
    moved = place.rename(place.with_name('moved'))
    os.kill(worker(live), signal.SIGKILL)
    live.finish()
    moved.rename(place)
    until_gone(place, 6)


def folders_of(pid):
    return {os.readlink(f'/proc/{pid}/fd/{fd}') for fd in os.listdir(f'/proc/{pid}/fd')}


# A tree.

@pytest.fixture
def source(hop):
    """A tree whose first file takes its time."""
    folder = hop.scratch / 'source'
    (folder / 'd').mkdir(parents=True)
    (folder / 'a').write_bytes(noise(1 << 20) * 50)
    (folder / 'd/file').write_text('new')
    return folder


@BOTH
@EACH
def test_a_folder_of_a_tree_that_becomes_a_link_leads_no_file_elsewhere(hop, theirs, source, words, verb, by):
    """The first file is seen by its name or, without one, by its descriptor; the folder is made before or after."""
    (theirs / 'x/d').mkdir()
    live = hop.start(verb, '-w', 'local:', *words(by), '-r', source, theirs / 'x')
    until(live, lambda: begun(theirs / 'x'))
    swap(theirs / 'x/d', theirs.parent / 'secret/dir')
    result = live.finish()
    assert result.rc == 1 and f'{theirs}/x/d' in result.said, result


@EACH
def test_a_tree_that_is_moved_on_the_way_is_told_and_holds_nothing_half_done(hop, place, source, words, by):  # noqa: F811
    live = hop.start('put', '-w', 'local:', *words(by), '-r', source, place / 'tree')
    until(live, lambda: (place / 'tree').is_dir() and begun(place / 'tree'))
    moved = (place / 'tree').rename(place / 'moved')
    result = live.finish()
    assert result.rc == 1 and f'{place}/tree' in result.said and half_done(moved) == [], result
    shutil.rmtree(moved)


@EACH
def test_a_tree_of_many_folders_needs_few_descriptors(hop, source, words, by):
    (source / 'a').unlink()
    for n in range(300):
        (source / f'{n}/below/deep').mkdir(parents=True)
        (source / f'{n}/file').write_text(str(n))
    way = hop.way_in("sh -c 'ulimit -n 64; exec sh -c \"$0\"' {}")
    result = hop('put', '-w', way, *words(by), '-r', source, hop.scratch / 'copy')
    assert result.rc == 0 and contents(hop.scratch / 'copy') == contents(source), result


# What is named is what the system means by it.

@BOTH
@EACH
def test_two_dots_behind_a_link_are_those_of_what_it_leads_to(hop, words, verb, by):
    deep = hop.scratch / 'real/deep'
    deep.mkdir(parents=True)
    (hop.scratch / 'link').symlink_to(deep)
    for name in ('f', 'real/f'):
        (hop.scratch / name).write_text(f'old {name}')
    path = f'{hop.scratch}/link/../f'
    if verb == 'fetch':
        assert hop('fetch', '-w', 'local:', *words(by), path, '-').text == 'old real/f'
        return
    result = hop('put', '-w', 'local:', *words(by), hop.write('local', 'new'), path)
    assert result.text.startswith(f'{hop.scratch}/real/f 3 '), result
    assert (hop.scratch / 'real/f').read_text() == 'new' and (hop.scratch / 'f').read_text() == 'old f'


# Where what is not whole must have a name, and nobody is left to remove it.

@pytest.mark.parametrize('what', ['a file', 'a tree'])
def test_a_fetch_whose_controller_is_killed_leaves_no_name(hop, site, place, source, what):  # noqa: F811
    if not site.accounts.private:
        pytest.skip('a /proc that is missing needs root and unshare')
    words = ('-r', source, place / 'tree') if what == 'a tree' else (source / 'a', place / 'file')
    live = hop.start('fetch', '-w', 'local:', *words, prefix=NO_PROC)
    until(live, lambda: half_done(place))
    live.signal(signal.SIGKILL)
    live.finish(10)
    deadline = time.monotonic() + 6
    while half_done(place) and time.monotonic() < deadline:
        exits(os.getpid(), time.monotonic() + 0.005)
    assert half_done(place) == [] and (place / 'file').read_text() == 'old'
