"""`put -r` and `fetch -r`: folders with all that is in them."""

import os
import pathlib
import shlex
import shutil
import socket
import sys
import tempfile

import pytest

from harness import flights
from harness.files import (WAYS, contents, each_agent, each_way, half_done, mode, noise, sha1, used_bytes,
                           write_sparse)
from harness.pythons import discover, oldest_and_newest

pytest_generate_tests = each_agent
pytestmark = pytest.mark.usefixtures('agent')

BOTH = pytest.mark.parametrize('verb', ['put', 'fetch'])
MANY = 100_000


@pytest.fixture
def source(hop):
    """A tree with all that a tree can have."""
    folder = hop.scratch / 'source'
    for name in ('empty', 'deep/er/still', 'closed', 'open to all'):
        (folder / name).mkdir(parents=True)
    for name, data in {'file': b'contents', 'nothing': b'', 'deep/large': noise(150_000), 'deep/er/zeros': bytes(130_000),
                       '-rf': b'dash', 'new\nline': b'line', 'closed/file': b'closed', '.hidden': b'.', 'x' * 255: b'x'}.items():
        (folder / name).write_bytes(data)
    with open(os.fsencode(folder) + b'/\xff\xfe', 'wb') as file:
        file.write(b'no UTF-8')
    (folder / 'link').symlink_to('deep/large')
    (folder / 'to a folder').symlink_to('deep')
    (folder / 'dangling').symlink_to('/no/such/file')
    (folder / 'out').symlink_to('../..')
    os.symlink(b'\xff', os.fsencode(folder) + b'/odd')
    for name, bits in {'file': 0o750, '-rf': 0o600, 'open to all': 0o777, 'deep/large': 0o4755, 'closed': 0o500,
                       'closed/file': 0o400}.items():
        (folder / name).chmod(bits)
    yield folder
    assert half_done(hop.scratch) == []


@pytest.fixture
def copy(hop, source):
    """`copy(verb, ...)` of the tree; returns the result and the copy."""
    def copy(verb, *words, way='here', to='copy', **options):
        to = source.parent / to
        return hop(verb, *WAYS[way], '-r', *words, source, to, **options), to
    return copy


def plainly(tree):
    """What comes without -p: modes within the umask, and none of their special bits."""
    limited = {name: what & 0o755 if isinstance(what, int) else what for name, what in tree.items()}
    return {name: (what[0] & 0o755, what[1]) if isinstance(what, tuple) else what for name, what in limited.items()}


def size_of(tree):
    return sum(len(what[1]) for what in tree.values() if isinstance(what, tuple))


@BOTH
@each_way
def test_a_tree_goes_each_way(hop, ssh, source, copy, verb, way):
    result, to = copy(verb, '--json', way=way)
    told, expected = result.only['value'], contents(source)
    assert result.rc == 0 and contents(to) == plainly(expected), result
    assert (told['size'], told['files'], told['sha1sum']) == (size_of(expected), len(expected) + 1, None), result


@BOTH
@pytest.mark.parametrize('python', oldest_and_newest(), ids=repr)
def test_each_interpreter_has_the_same_tree(source, copy, verb, python):
    result, to = copy(verb, '--python', python.path, '-p', '-z')
    assert result.rc == 0 and result.err == b'' and contents(to) == contents(source), result


@BOTH
def test_times_and_modes_stay_with_p(source, copy, verb):
    names = 'file', 'deep/large', 'empty', 'deep', 'dangling'
    for name in names:
        os.utime(source / name, ns=(10 ** 18, 1_234_567_890_123_456_789), follow_symlinks=False)
    # Older ones have no nanoseconds.
    result, to = copy(verb, '-p', '--python', discover()[-1].path)
    assert contents(to) == contents(source), result
    assert [(to / name).lstat().st_mtime_ns for name in names] == [1_234_567_890_123_456_789] * 5, result


@BOTH
@pytest.mark.parametrize('umask', ['077', '0'])
def test_modes_are_within_the_umask_of_who_writes(hop, source, verb, umask):
    to = source.parent / 'copy'
    way = hop.way_in(f"sh -c 'umask {umask}; exec sh -c \"$0\"' {{}}") if verb == 'put' else 'local:'
    prefix = ['sh', '-c', f'umask {umask}; exec "$@"', 'with-umask'] if verb == 'fetch' else []
    result = hop.start(verb, '-w', way, '-r', source, to, prefix=prefix).finish()
    bits = 0o777 & ~int(umask, 8)
    assert oct(mode(to / 'open to all')) == oct(bits) and oct(mode(to / 'file')) == oct(0o750 & bits), result
    assert oct(mode(to / 'deep/large')) == oct(0o755 & bits), result


@BOTH
def test_the_same_tree_again_replaces_its_files_and_keeps_what_else_is_there(source, copy, verb):
    copy(verb)
    to = source.parent / 'copy'
    (to / 'mine').write_text('mine')
    (to / 'file').write_text('changed')
    (to / 'link').unlink()
    (to / 'link').write_text('no link')
    (to / 'nothing').unlink()
    (to / 'nothing').symlink_to('mine')
    result, _ = copy(verb)
    expected = {**plainly(contents(source)), b'mine': (0o644, b'mine')}
    assert result.rc == 0 and contents(to) == expected, result


@BOTH
def test_a_tree_may_hold_nothing(hop, source, verb):
    result = hop(verb, '-w', 'local:', '-r', source / 'empty', source.parent / 'copy')
    assert result.rc == 0 and list((source.parent / 'copy').iterdir()) == [], result


@BOTH
def test_a_file_is_a_tree_too(hop, source, verb):
    result = hop(verb, '-w', 'local:', '-r', source / 'deep/large', source.parent / 'copy')
    assert result.rc == 0 and (source.parent / 'copy').read_bytes() == noise(150_000), result


@BOTH
def test_a_link_that_is_named_is_the_tree_that_it_leads_to(hop, source, verb):
    (source.parent / 'way').symlink_to('source/deep')
    result = hop(verb, '-w', 'local:', '-r', source.parent / 'way', source.parent / 'copy')
    assert result.rc == 0 and contents(source.parent / 'copy') == plainly(contents(source / 'deep')), result


@BOTH
@pytest.mark.parametrize('name', ['copy/', 'copy/below'])
def test_where_the_tree_goes(hop, source, verb, name):
    """Into a folder whose name ends in a slash; a put makes only the last folder."""
    to = source.parent / 'copy'
    if verb == 'put':
        to.mkdir()
    result = hop(verb, '-w', 'local:', '-r', source / 'deep', f'{source.parent}/{name}')
    assert result.rc == 0 and list(to.iterdir()) == [to / ('deep' if name == 'copy/' else 'below')], result


@BOTH
def test_what_a_tree_elsewhere_cannot_hold_is_left_out_and_named(hop, source, copy, verb):
    os.mkfifo(source / 'deep/fifo')
    os.mknod(source / 'deep/null', 0o020666, os.makedev(1, 3))
    with socket.socket(socket.AF_UNIX) as held:
        held.bind(os.path.relpath(source / 'socket'))
        result, to = copy(verb)
    assert result.rc == 0 and result.said.count('is no file, and is left out') == 3, result
    assert f'hopvine: local: {source}/deep/fifo is no file' in result.said, result
    assert not {b'deep/fifo', b'deep/null', b'socket'} & set(contents(to))


@BOTH
def test_of_many_that_are_left_out_the_first_are_named_and_the_others_counted(source, copy, verb):
    for n in range(30):
        os.mkfifo(source / f'deep/fifo{n}')
    result, _ = copy(verb)
    assert result.rc == 0 and result.said.count('is no file, and is left out') == 20, result
    assert 'hopvine: local: and 10 more are no files, and are left out' in result.said, result


@BOTH
def test_folders_belong_to_the_group_that_the_place_gives_them(source, copy, verb):
    """The set-group-id bit of a folder goes to those that are made in it."""
    source.parent.chmod(0o2775)
    result, to = copy(verb)
    assert [oct(mode(path)) for path in (to, to / 'deep', to / 'deep/er', to / 'open to all')] == ['0o2755'] * 4, result


@BOTH
def test_modes_of_folders_that_are_there_stay_without_p(source, copy, verb):
    to = source.parent / 'copy'
    (to / 'closed').mkdir(parents=True)
    to.chmod(0o711)
    (to / 'closed').chmod(0o555)
    result, _ = copy(verb)
    assert result.rc == 0 and (oct(mode(to)), oct(mode(to / 'closed'))) == ('0o711', '0o555'), result


@BOTH
def test_a_link_below_that_is_in_the_place_of_a_folder_is_not_followed(source, copy, verb):
    to, outside = source.parent / 'copy', source.parent / 'outside'
    outside.mkdir()
    to.mkdir()
    (to / 'deep').symlink_to(outside)
    result, _ = copy(verb)
    assert result.rc == 1 and f'{to}/deep is there, and is no folder' in result.said, result
    assert list(outside.iterdir()) == []


@BOTH
@pytest.mark.parametrize('there', ['a file', 'a folder'])
def test_a_file_and_a_folder_do_not_take_each_other_s_place(source, copy, verb, there):
    to = source.parent / 'copy'
    if there == 'a file':
        to.write_text('old')
    else:
        (to / 'file').mkdir(parents=True)
    result, _ = copy(verb)
    assert result.rc == 1 and (f'{to}' if there == 'a file' else f'{to}/file') in result.said, result
    assert to.read_text() == 'old' if there == 'a file' else (to / 'file').is_dir()


@BOTH
def test_an_own_link_to_the_folder_it_goes_to_is_followed(source, copy, verb):
    (source.parent / 'real').mkdir()
    (source.parent / 'copy').symlink_to('real')
    result, to = copy(verb)
    assert result.rc == 0 and contents(source.parent / 'real') == plainly(contents(source)), result


def test_a_link_of_another_user_to_the_folder_it_goes_to_is_refused(source, copy, need):
    need('dash')
    (source.parent / 'real').mkdir()
    (source.parent / 'copy').symlink_to('real')
    os.lchown(source.parent / 'copy', 30001, 30001)
    result, to = copy('put')
    assert result.rc == 1 and f'{to} is a symbolic link of another user' in result.said, result
    assert list((source.parent / 'real').iterdir()) == []


def test_a_tree_goes_to_many_hosts_and_comes_from_them(hop, ssh, source):
    to = source.parent / 'all'
    result = hop('fetch', '-w', 'local:a,local:b/local:c,h1', '-r', source, to / '{host}')
    assert result.rc == 0 and sorted(os.listdir(to)) == ['h1', 'local:a', 'local:b_local:c'], result
    assert all(contents(to / each) == plainly(contents(source)) for each in os.listdir(to))
    assert len(result.lines) == 3 and f'{to}/h1 {source} {size_of(contents(source))} -' in result.text, result
    ways = [hop.way_in(f'env -C {to}/{each} sh -c {{}}', f'to{n}') for n, each in enumerate(os.listdir(to))]
    result = hop('put', '-w', ','.join(ways), '-r', source, 'again', '--python', discover()[-1].path)
    assert result.rc == 0 and len(result.lines) == 3, result
    assert all(contents(to / each / 'again') == plainly(contents(source)) for each in os.listdir(to))


def test_a_folder_below_that_may_not_be_read_is_told(hop, need, source):
    need('dash')
    (source / 'closed').chmod(0o700)
    result = hop('fetch', '-w', 'dash', '-r', source, source.parent / 'copy')
    assert result.rc == 1 and f'hopvine: dash: {source}/' in result.said and 'Permission denied' in result.said, result


@pytest.mark.parametrize('verb, words', [('put', ()), ('fetch', ('-z',))], ids=['plain', 'packed'])
def test_many_small_files_take_no_round_trip_each(hop, source, verb, words, slow):
    """200 ms there and back: one by one these would take 40 s."""
    folder = source / 'many'
    folder.mkdir()
    for n in range(200):
        (folder / str(n)).write_text(f'file {n}')
    result = hop(verb, '-w', 'slow', '-r', *words, folder, source.parent / 'copy')
    assert contents(source.parent / 'copy') == contents(folder) and result.seconds < 10, result


@pytest.fixture(scope='module')
def many():
    """A folder in memory, with a folder of many small files."""
    with tempfile.TemporaryDirectory(dir='/dev/shm') as memory:
        memory = pathlib.Path(memory)
        for n in range(MANY):
            if n % 500 == 0:
                (memory / f'many/{n // 500}').mkdir(parents=True)
            with open(f'{memory}/many/{n // 500}/{n}', 'w') as file:
                file.write(str(n))
        yield memory


@BOTH
def test_a_hundred_thousand_small_files_take_seconds_and_no_round_trip_each(hop, many, verb):
    """100 ms there and back: one by one these would take hours. A flight is what answers another one, as credit does."""
    counted, to = hop.scratch / 'flights', many / 'copy'
    way = hop.way_in(shlex.join([sys.executable, flights.__file__, str(counted)]) + ' sh -c {}')
    result = hop(verb, '-w', way, '-r', '--json', many / 'many', to, timeout=60)
    came = sum(len(files) for _, _, files in os.walk(to))
    last = (to / f'{MANY // 500 - 1}/{MANY - 1}').read_text()
    shutil.rmtree(to)
    assert result.only['value']['files'] == MANY + MANY // 500 + 1 and (came, last) == (MANY, str(MANY - 1)), result
    assert result.seconds < 30 and int(counted.read_text()) < MANY // 500, (counted.read_text(), result)


# Sparse files: what is not written is not read, and not written either.

MIB = 1 << 20
SPARSE = {
    'nothing': (9 * MIB + 5, ()),
    'the beginning': (9 * MIB, [(0, b'x')]),
    'the end': (9 * MIB + 5, [(9 * MIB, b'last!')]),
    'odd places': (20 * MIB, [(3, noise(70_000)), (5 * MIB - 1, b'ab'), (5 * MIB + 61_440, noise(1)), (12 * MIB + 4097, noise(200_000))]),
    'zeros': (9 * MIB, [(MIB, bytes(3 * MIB)), (6 * MIB, b'x')]),
}


@BOTH
@pytest.mark.parametrize('what', SPARSE)
@pytest.mark.parametrize('words', [[], ['-z']], ids=' '.join)
def test_a_file_with_holes_comes_with_its_holes(hop, source, verb, what, words):
    size, pieces = SPARSE[what]
    path, to = write_sparse(source / 'sparse', size, *pieces), source.parent / 'copy'
    result = hop(verb, '-w', 'local:', '--json', *words, path, to)
    assert result.rc == 0 and result.only['value']['sha1sum'] == sha1(path.read_bytes()), result
    assert to.read_bytes() == path.read_bytes() and used_bytes(to) <= used_bytes(path) + (1 << 16)


@pytest.mark.parametrize('python', discover(), ids=repr)
def test_each_interpreter_sends_and_takes_holes(hop, source, python):
    path = write_sparse(source / 'sparse', 20 * MIB, *SPARSE['odd places'][1])
    for verb in ('put', 'fetch'):
        to = source.parent / verb
        result = hop(verb, '-w', 'local:', '--python', python.path, path, to)
        assert result.rc == 0 and to.read_bytes() == path.read_bytes() and used_bytes(to) < 2 * MIB, result


@BOTH
def test_what_is_not_written_is_not_read(hop, source, verb):
    """A gibibyte, that would be read in 17,476 pieces."""
    if not shutil.which('strace'):
        pytest.skip('strace is not installed')
    path = write_sparse(source / 'sparse', 1 << 30, (500 * MIB, b'in the middle'))
    log = source.parent / 'reads'
    prefix = ['strace', '-f', '-qq', '-e', 'trace=read,pread64', '-e', 'signal=none', '-o', log]
    result = hop.start(verb, '-w', 'local:', path, source.parent / 'copy', prefix=prefix).finish(60)
    assert result.rc == 0 and log.read_text().count('= 61440\n') < 10, result
