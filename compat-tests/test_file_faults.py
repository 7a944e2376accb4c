"""What ends a transfer before it is done: a clear error, what was there stays, and nothing is left."""

import os
import shlex
import shutil
import signal
import subprocess
import time
from subprocess import PIPE

import pytest

from harness.files import begun, children, contents, each_agent, half_done, mode, noise, opened, until
from harness.leaks import read
from harness.places import install
from harness.process import exits
from harness.pythons import discover

pytest_generate_tests = each_agent
pytestmark = pytest.mark.usefixtures('agent')

OLDEST, NEWEST = discover()[0], discover()[-1]
BOTH = pytest.mark.parametrize('verb', ['put', 'fetch'])
OLD = {b'file': (0o644, b'old')}
ENDLESS = 1 << 43
LONG = 60


@pytest.fixture
def place(hop):
    """The folder that files go to, where there is one already."""
    folder = hop.scratch / 'place'
    folder.mkdir()
    (folder / 'file').write_text('old')
    yield folder
    assert half_done(hop.scratch) == []


@pytest.fixture
def sparse(hop):
    """`sparse(size)`: a file that takes its time and no room."""
    def sparse(size, name='sparse'):
        path = hop.scratch / name
        path.touch()
        os.truncate(path, size)
        return path
    return sparse


@pytest.fixture
def large(hop):
    """`large(mebibytes)`: a file that takes its time and is read bit by bit."""
    def large(mebibytes, name='large'):
        piece = noise(1 << 20)
        with open(hop.scratch / name, 'wb') as file:
            for _ in range(mebibytes):
                file.write(piece)
        return hop.scratch / name
    return large


@pytest.fixture
def busy(hop, ssh, place, sparse):
    """`busy(verb)`: a transfer that is in the middle of its file, and will be there for long. What is not whole has a
    name where the interpreter is old, and none where it is new."""
    def busy(verb, target='local:', *words):
        if target != 'h1' and '--python' not in words:
            words = *words, '--python', OLDEST.path
        live = hop.start(*order(verb, target, *words), stdin=PIPE)
        if verb == 'put':
            live.feed(bytes(range(256)) * 1000)
            until(live, lambda: begun(place))
        else:
            until(live, lambda: opened(live.pid, place))
        return live

    def order(verb, target, *words):
        ends = ('-', place / 'file') if verb == 'put' else (sparse(ENDLESS), place / 'file')
        return (verb, '-w', target, '--json', *words, *ends)
    return busy


def watchdog(live):
    """Of the only agent, which is its child; the other one is its own guardian."""
    pid, = [pid for pid in children(live.pid) if read(f'/proc/{pid}/cmdline') != read(f'/proc/{live.pid}/cmdline')]
    return pid


def worker(live):
    pid, = children(watchdog(live))
    return pid


def ended(live, place, status, kind, within=3):
    """Told so, and what was there is all that is there."""
    result = live.finish(10)
    assert (result.rc, result.only['error']['kind']) == (status, kind), result
    until_gone(place, within)
    return result


def until_gone(place, within=3):
    """What is not whole goes with the agent, whose end nobody here hears of."""
    deadline = time.monotonic() + within
    while half_done(place) and time.monotonic() < deadline:
        exits(os.getpid(), time.monotonic() + 0.005)
    left = half_done(place)
    for path in left:
        path.unlink()
    assert contents(place) == OLD and left == []


# The one end or the other goes.

@BOTH
@pytest.mark.parametrize('target', ['local:', 'h1', 'local:a/local:b'])
def test_an_interrupted_transfer_leaves_what_was_there(busy, place, verb, target):
    live = busy(verb, target)
    live.signal(signal.SIGINT)
    assert ended(live, place, 130, 'interrupted').seconds < 5


@BOTH
@pytest.mark.parametrize('target', ['local:', 'h1', 'local:a/local:b'])
def test_a_transfer_whose_controller_is_killed_leaves_what_was_there(busy, place, verb, target):
    live = busy(verb, target)
    live.signal(signal.SIGKILL)
    live.finish(10)
    until_gone(place, 5)


@BOTH
@pytest.mark.parametrize('python', [OLDEST, NEWEST], ids=repr)
def test_a_transfer_whose_agent_is_killed_leaves_what_was_there(busy, place, verb, python):
    live = busy(verb, 'local:', '--python', python.path)
    os.kill(worker(live), signal.SIGKILL)
    ended(live, place, 255, 'link_lost')


@BOTH
def test_a_transfer_whose_watchdog_is_killed_ends_whole_or_not_at_all(busy, place, verb):
    live = busy(verb)
    left = worker(live)
    os.kill(watchdog(live), signal.SIGKILL)
    live.end_input()
    if verb == 'fetch':
        live.signal(signal.SIGINT)
    result = live.finish(10)
    gone = exits(left, time.monotonic() + 2)
    if not gone:
        os.kill(left, signal.SIGKILL)
    if (place / 'file').read_bytes() != b'old':
        assert (place / 'file').read_bytes() == bytes(range(256)) * 1000, result
        (place / 'file').write_text('old')
    until_gone(place)
    assert gone


@BOTH
def test_a_transfer_whose_ssh_is_killed_leaves_what_was_there(busy, place, verb):
    live = busy(verb, 'h1')
    os.kill(watchdog(live), signal.SIGKILL)  # what is our child is ssh
    ended(live, place, 255, 'link_lost', within=6)


@BOTH
def test_a_transfer_whose_relay_is_killed_leaves_what_was_there(busy, place, verb):
    live = busy(verb, 'local:a/local:b', '--relay', 'python')
    os.kill(worker(live), signal.SIGKILL)
    ended(live, place, 255, 'link_lost', within=6)


@BOTH
def test_a_transfer_that_is_out_of_time_leaves_what_was_there(busy, place, verb):
    assert ended(busy(verb, 'local:', '-t', '1s'), place, 124, 'timed_out').seconds < 4


@BOTH
def test_an_agent_that_is_stopped_is_given_up_as_silent(busy, place, verb):
    live = busy(verb, 'local:', '--keepalive', '300ms')
    os.kill(worker(live), signal.SIGSTOP)
    ended(live, place, 255, 'link_lost', within=6)


@BOTH
@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGKILL], ids=['interrupted', 'killed'])
def test_a_transfer_that_ends_while_it_connects_leaves_what_was_there(hop, fifo, place, sparse, verb, number):
    bell = fifo('bell')
    way = hop.way_in(f"sh -c 'echo here >{bell}; exec cat' {{}}")
    ends = [sparse(10), place / 'file']
    live = hop.start(verb, '-w', way, '--json', *ends)
    bell.read_lines(1)
    live.signal(number)
    assert live.finish(10).rc in (130, -9) and contents(place) == OLD


@pytest.mark.parametrize('attempt', range(4))
def test_a_tree_whose_controller_is_killed_has_only_whole_files(hop, place, attempt):
    many = hop.scratch / 'many'
    many.mkdir()
    for n in range(2000):
        (many / str(n)).write_bytes(b'x' * 20_000)
    python = (OLDEST, NEWEST)[attempt % 2]
    live = hop.start('put', '-w', 'local:', '--python', python.path, '-r', many, place / 'many')
    until(live, lambda: (place / 'many').is_dir() and len(os.listdir(place / 'many')) > 50 * attempt)
    pids = [watchdog(live), worker(live)]
    live.signal(signal.SIGKILL)
    live.finish(10)
    assert all([exits(pid, time.monotonic() + 6) for pid in pids])
    left = half_done(place)
    for path in left:
        path.unlink()
    assert {what for name, what in contents(place / 'many').items()} == {(0o644, b'x' * 20_000)}
    assert left == []


def test_a_put_of_zeros_without_end_can_be_interrupted(hop, place, sparse):
    live = hop.start('put', '-w', 'local:', '--json', sparse(ENDLESS), place / 'file')
    until(live, lambda: opened(live.pid, hop.scratch))
    live.signal(signal.SIGINT)
    assert live.finish(2).rc == 130
    until_gone(place, 6)


# Nowhere to put it.

def mounted(place, what, then='exec "$@"'):
    """Before a command: it alone sees something else in that place, with the old file in it."""
    script = f'mount -t tmpfs -o {what} tmpfs {place} && printf old >{place}/file && {then}'
    return ['unshare', '-m', '--propagation', 'private', 'sh', '-c', script, 'mounted']


@pytest.fixture
def into(hop, place, need):
    """`into(verb, what, ...)`: a transfer into what is mounted at the place; returns its result and what it has left."""
    if os.getuid():
        pytest.skip('only root mounts')

    def into(verb, what, *words, then='"$@"'):
        left = hop.scratch / 'left'
        script = f'{then}; rc=$?; ls -A {place} >{left}; cat {place}/file >>{left}; exit $rc'
        (hop.scratch / 'local').exists() or (hop.scratch / 'local').write_bytes(noise(5_000_000))
        ends = hop.scratch / 'local', place / 'file'
        if verb == 'put':
            way = hop.way_in(shlex.join([*mounted(place, what, script), 'sh', '-c']) + ' {}')
            result = hop('put', '-w', way, *words, *ends)
        else:
            prefix = mounted(place, what, script)
            result = hop.start('fetch', '-w', 'local:', *words, *ends, prefix=prefix).finish()
        return result, left.read_text()
    return into


@pytest.fixture
def quota(hop, place):
    """What mounts, before a command, a disk of 2 MiB for each account in that place."""
    image = hop.scratch / 'image'
    image.touch()
    os.truncate(image, 120 << 20)
    script = f'mkfs.btrfs -q {image} && mount -o loop {image} {place} && btrfs quota enable {place} && btrfs qgroup limit 2M {place}'
    tried = subprocess.run(['unshare', '-m', '--propagation', 'private', 'sh', '-c', script], capture_output=True, text=True)
    if tried.returncode:
        pytest.skip(f'no disk with quotas here: {tried.stderr.strip()}')
    return f'mount -o loop {image} {place} && printf old >{place}/file'


def told(result, verb, said):
    """By the one line, with the name of the host and of the file."""
    host = {'put': 'exec:way', 'fetch': 'local'}[verb]
    return result.rc == 1 and f'hopvine: {host}: ' in result.said and '/file' in result.said and said in result.said


@BOTH
@pytest.mark.parametrize('what, said', [
    ('size=1m', 'No space left on device'), ('nr_inodes=2', 'No space left on device')], ids=['blocks', 'inodes'])
def test_a_disk_that_is_full_is_told_and_what_was_there_stays(into, verb, what, said):
    result, left = into(verb, what)
    assert told(result, verb, said), result
    assert left == 'file\nold', left


@BOTH
def test_a_disk_that_is_read_only_is_told(into, place, verb):
    result, left = into(verb, 'size=1m', then=f'mount -o remount,ro {place} && "$@"')
    assert told(result, verb, 'Read-only file system'), result
    assert left == 'file\nold', left


@BOTH
def test_a_quota_that_is_used_up_is_told_with_what_to_do(into, quota, verb):
    result, left = into(verb, 'size=1m', then=f'{quota} && "$@"')
    assert told(result, verb, 'Disk quota exceeded') and 'try: ' in result.said and 'quota -s' in result.said, result
    assert left == 'file\nold', left


@BOTH
def test_a_limit_to_the_size_of_files_is_told(into, verb):
    result, left = into(verb, 'size=20m', then='(ulimit -f 1000; "$@")')
    assert told(result, verb, 'File too large'), result
    assert left == 'file\nold', left


@pytest.mark.parametrize('python', [OLDEST, NEWEST], ids=repr)
def test_a_disk_that_is_full_is_told_by_either_interpreter(into, python):
    result, left = into('put', 'size=1m', '--python', python.path, '-z')
    assert told(result, 'put', 'No space left on device') and left == 'file\nold', result


def test_a_full_disk_on_one_host_harms_no_other(hop, place, into):
    (hop.scratch / 'local').write_bytes(noise(5_000_000))
    way = hop.way_in(shlex.join([*mounted(place, 'size=1m'), 'sh', '-c']) + ' {}')
    result = hop('put', '-w', f'{way},local:', '--json', hop.scratch / 'local', place / 'file')
    assert result.rc == 5 and not result.json[way]['ok'] and result.json['local']['ok'], result
    assert (place / 'file').read_bytes() == noise(5_000_000)


def test_a_folder_that_another_account_may_not_write_to_is_told(hop, need, place):
    need('dash')
    result = hop('put', '-w', 'dash', hop.write('local', 'new'), place / 'file')
    assert result.rc == 1 and f'hopvine: dash: {place}/file: Permission denied' in result.said, result
    assert contents(place) == OLD


def test_a_local_folder_that_an_account_may_not_write_to_is_told(hop, site, need, place):
    need('dash')
    install(site, hop)
    prefix = ['setpriv', '--reuid=30001', '--regid=30001', '--clear-groups']
    words = '-w', 'local:', '--python', '/usr/bin/python3', '/etc/passwd', place / 'file'
    result = hop.start('fetch', *words, prefix=prefix).finish()
    assert told(result, 'fetch', 'Permission denied'), result
    assert contents(place) == OLD


# What changes meanwhile.

@BOTH
def test_a_folder_that_is_removed_on_the_way_is_told(hop, place, large, verb):
    live = started(hop, verb, large, place)
    shutil.rmtree(place)
    finish(live)
    result = live.finish(20)
    assert result.rc == 1 and f'{place}/file' in result.said and 'No such file or directory' in result.said, result
    assert not place.exists()


@BOTH
def test_a_folder_that_is_moved_on_the_way_holds_nothing_half_done(hop, place, large, verb):
    live = started(hop, verb, large, place)
    moved = place.rename(place.with_name('moved'))
    finish(live)
    result = live.finish(20)
    try:
        assert contents(moved) == OLD, result
    finally:
        shutil.rmtree(moved)
    assert result.rc == 1, result


@BOTH
def test_a_folder_that_takes_the_place_of_the_file_is_told(hop, place, large, verb):
    live = started(hop, verb, large, place)
    (place / 'file').unlink()
    (place / 'file').mkdir()
    finish(live)
    result = live.finish(20)
    assert result.rc == 1 and f'{place}/file' in result.said, result
    assert list(contents(place)) == [b'file'] and (place / 'file').is_dir()


def started(hop, verb, large, place):
    """In the middle, and on its way to the end; a put waits for `finish`."""
    if verb == 'put':
        live = hop.start('put', '-w', 'local:', '-', place / 'file', stdin=PIPE)
        live.feed(noise(100_000))
        until(live, lambda: begun(place))
    else:
        live = hop.start('fetch', '-w', 'local:', large(LONG), place / 'file', stdin=PIPE)
        until(live, lambda: opened(live.pid, place))
    return live


def finish(live):
    live.end_input()


@BOTH
@pytest.mark.parametrize('change, status, said', [
    ('shorter', 1, 'has become shorter while it was read'), ('longer', 0, 'has changed while it was read')])
def test_a_file_that_changes_while_it_is_read_is_told(hop, place, large, verb, change, status, said):
    path = large(LONG)
    live = hop.start(verb, '-w', 'local:', path, place / 'file')
    until(live, lambda: begun(place))
    os.truncate(path, 100 if change == 'shorter' else (LONG << 20) + 1000)
    result = live.finish(20)
    if verb == 'put' and change == 'longer':
        assert said in result.said, result
    assert result.rc == status and f'{path} ' in result.said and said in result.said, result
    assert contents(place) == OLD if status else (place / 'file').stat().st_size == LONG << 20


@BOTH
def test_a_file_that_vanishes_from_a_tree_on_the_way_is_told(hop, place, large, verb):
    (hop.scratch / 'tree').mkdir()
    large(LONG, 'tree/a')
    (hop.scratch / 'tree/b').write_text('going')
    live = hop.start(verb, '-w', 'local:', '-r', hop.scratch / 'tree', place / 'tree')
    until(live, lambda: begun(place))
    (hop.scratch / 'tree/b').unlink()
    result = live.finish(20)
    assert result.rc == 1 and f'hopvine: local: {hop.scratch}/tree/b' in result.said, result
    assert 'No such file or directory' in result.said and not (place / 'tree/b').exists(), result


@BOTH
def test_the_rest_of_a_tree_comes_without_what_cannot_be_read(hop, place, large, verb):
    """One that becomes shorter, and more that vanish than are named."""
    tree = hop.scratch / 'tree'
    (tree / 'z').mkdir(parents=True)
    large(LONG, 'tree/a')
    for n in range(25):
        (tree / f'b{n}').write_text('going')
    (tree / 'z/last').write_text('here')
    live = hop.start(verb, '-w', 'local:', '-r', '--json', tree, place / 'tree')
    until(live, lambda: begun(place))
    for n in range(25):
        (tree / f'b{n}').unlink()
    os.truncate(tree / 'a', 100)
    result = live.finish(30)
    error = result.only['error']
    assert (result.rc, error['kind']) == (1, 'file') and 'all has come but 26 that could not be read' in error['message'], result
    assert 'has become shorter while it was read' in result.said and result.said.count('No such file') == 19, result
    assert 'hopvine: local: and 6 more could not be read' in result.said, result
    assert contents(place / 'tree') == {b'z': 0o755, b'z/last': (0o644, b'here')}, result


MODES = {'tree': 0o755, 'tree/a': 0o777, 'tree/a/b': 0o555, 'tree/a/b/c': 0o1770}
HOW_FOLDERS_COME = pytest.mark.parametrize('words, there, expected', [
    ([], False, [0o755, 0o755, 0o555, 0o750]), (['-p'], False, list(MODES.values())),
    ([], True, [0o500] * 4), (['-p'], True, list(MODES.values()))], ids=['new', 'new -p', 'there', 'there -p'])


@pytest.fixture
def folders(hop, place):
    """`folders(there)`: a tree of folders and, where these are there already, what nobody may write to."""
    def folders(there):
        for name in MODES:
            (hop.scratch / name).mkdir()
            if there:
                (place / name).mkdir()
        for name, bits in reversed(MODES.items()):
            (hop.scratch / name).chmod(bits)
            if there:
                (place / name).chmod(0o500)
        return hop.scratch / 'tree'
    return folders


@BOTH
@HOW_FOLDERS_COME
def test_a_tree_that_fails_leaves_folders_as_they_are_to_be(hop, place, folders, verb, words, there, expected):
    """No repeat would put them right."""
    source = folders(there)
    (source / 'z').mkdir()
    (place / 'tree').mkdir(exist_ok=True)
    (place / 'tree/z').write_text('no folder')
    result = hop(verb, '-w', 'local:', '-r', *words, source, place / 'tree')
    assert result.rc == 1 and 'tree/z is there, and is no folder' in result.said, result
    assert [oct(mode(place / name)) for name in MODES] == [oct(bits) for bits in expected], result


@BOTH
@HOW_FOLDERS_COME
def test_folders_can_be_written_to_while_they_are_filled(hop, place, sparse, folders, verb, words, there, expected):
    """By their owner; by everybody when all is in them. All else they have at once, should nobody come to put them right."""
    source = folders(there)
    sparse(ENDLESS, 'tree/a/b/c/file')
    live = hop.start(verb, '-w', 'local:', '-r', *words, source, place / 'tree', stdin=PIPE)
    until(live, lambda: begun(place / 'tree'))
    meanwhile = [mode(place / name) for name in MODES]
    assert [oct(bits & 0o777) for bits in meanwhile] == [
        oct((0o500 if there else bits) & 0o775 | 0o700) for bits in expected]
    live.signal(signal.SIGINT)
    assert live.finish(10).rc == 130
    left = [mode(place / name) for name in MODES]
    assert all(now in both for now, *both in zip(left, meanwhile, expected)), [oct(bits) for bits in left]


def test_a_reader_that_has_enough_ends_a_fetch(hop, sparse):
    live = hop.start('fetch', '-w', 'local:', sparse(ENDLESS), '-')
    live.until(b'')
    live.popen.stdout.close()
    assert exits(live.pid, time.monotonic() + 5)
