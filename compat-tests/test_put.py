"""`hopvine put`: a file to each host, whole and compared before it takes its place."""

import os
import re
import shlex
import sys
from subprocess import PIPE

import pytest

from harness import filter as delivery
from harness.files import SIZES, WAYS, each_agent, each_way, half_done, mode, noise, sha1, used_bytes
from harness.places import install
from harness.pythons import discover, oldest_and_newest

pytest_generate_tests = each_agent
pytestmark = pytest.mark.usefixtures('agent')

TARGETS = pytest.mark.parametrize('target', ['local:', 'h1'])


@pytest.fixture
def there(hop):
    """A folder of the host, where nothing half done may be left."""
    folder = hop.scratch / 'there'
    folder.mkdir()
    yield folder
    assert half_done(folder) == []


@pytest.fixture
def put(hop, ssh):
    """`put(contents, remote, ...)` sends a file with these contents."""
    def put(contents, *words, target='local:', **options):
        return hop('put', '-w', target, hop.write('local', contents), *words, **options)
    return put


def mistaken(result, said):
    return result.rc == 2 and result.out == b'' and said in result.said


def failed(result, said):
    """A single host's transfer has failed, and the one line that says so names the host."""
    host = result.argv[result.argv.index('-w') + 1].rstrip(':')
    return result.rc == 1 and result.out == b'' and said in result.said and f'hopvine: {host}: ' in result.said


# What comes of it.

@each_way
@pytest.mark.parametrize('size', [0, 200_000])
def test_a_file_goes_each_way(hop, ssh, there, way, size):
    data = noise(size)
    result = hop('put', *WAYS[way], hop.write('local', data), there / 'file')
    assert result.rc == 0 and result.err == b'', result
    assert result.lines == [f'{there}/file {size} {sha1(data)}']
    assert (there / 'file').read_bytes() == data and mode(there / 'file') == 0o644


@pytest.mark.parametrize('python', discover(), ids=repr)
def test_a_file_goes_to_each_interpreter(put, there, python):
    data = noise(200_000)
    result = put(data, there / 'file', '--python', python.path, '-z', '-p')
    assert result.rc == 0 and (there / 'file').read_bytes() == data, result


def delivered(hop, there, python, how, data):
    way = hop.way_through(f'exec {shlex.join([sys.executable, delivery.__file__, how])} sh -c "$1"')
    return hop('put', '-w', way, '--python', python.path, hop.write('local', data), there / 'file')


@pytest.mark.parametrize('python', oldest_and_newest(), ids=repr)
@pytest.mark.parametrize('how, size', [('late', 60_000), ('trickle', 100_000)])
def test_a_file_goes_through_a_way_that_delivers_in_its_own_manner(hop, there, python, how, size):
    data = noise(size)
    result = delivered(hop, there, python, how, data)
    assert result.rc == 0 and (there / 'file').read_bytes() == data, result


@pytest.mark.parametrize('python', oldest_and_newest(), ids=repr)
def test_a_byte_of_a_file_that_comes_as_another_is_noticed(hop, there, python):
    """By the sum of its frame, or by that of the file where the agent need not look at both."""
    result = delivered(hop, there, python, 'spoil', noise(3 << 20))
    by_file, by_frame = [result.rc == rc and said in result.said for rc, said in ((1, 'another SHA-1 sum'), (255, 'broken frame'))]
    # It may be a byte of a header.
    assert (by_frame or by_file and python.number >= (3, 3)) and os.listdir(there) == [], result


SLOW = "import sys\nsys.channel.send('importing')\nsys.channel.receive()\n__import__('later')\n"
BESIDE = '''
import sys
from hopvine import Channel, Local, Queue
def loads(channel):
    sys.channel = channel
    __import__('slow')
    return sys.modules['later'].V
channel = Channel()
one = Local('one', python=sys.argv[1])
called = one.call_async(loads, channel)
print(channel.receive(30))
queue = Queue()
moved = queue.put(one, 'later.py', sys.argv[2])
# By the time that the other has answered, the file is on its way.
queue.call(Local('other'), len, '').with_callback(lambda _: channel.send('on'))
queue.run()
print(called.get(30), moved.get()['size'])
'''


@pytest.mark.parametrize('python', discover(), ids=repr)
def test_a_file_that_comes_during_an_import_keeps_nobody_waiting(hop, there, python):
    hop.write_all('.', {'slow.py': SLOW, 'later.py': 'V = 3\n', 'job.py': BESIDE})
    newest = [each for each in discover() if each.runs_scripts][-1]
    result = hop('py', '--interpreter', newest.path, 'job.py', python.path, there / 'file')
    assert (result.rc, result.text, result.err) == (0, 'importing\n3 6\n', b''), result
    assert (there / 'file').read_text() == 'V = 3\n'


@pytest.mark.parametrize('size', SIZES)
def test_a_file_of_any_size_comes_whole(put, there, size):
    data = noise(size)
    assert put(data, there / 'file').text == f'{there}/file {size} {sha1(data)}\n'
    assert (there / 'file').read_bytes() == data


def test_json_has_an_object_for_each_host(put, there):
    result = put('contents', there / '{host}', '--json', target='local:a,h1')
    told = {'remote_path': f'{there}/{{host}}', 'size': 8, 'sha1sum': sha1(b'contents'), 'files': 1}
    assert {name: each['value'] for name, each in result.json.items()} == {'local:a': told, 'h1': told}, result
    assert result.rc == 0 and all(each['ok'] for each in result.json.values()), result


def test_many_hosts_are_named_before_their_lines(put, there):
    result = put('contents', there / 'file', target='local:a,local:b')
    told = f'{there}/file 8 {sha1(b"contents")}'
    assert sorted(result.lines) == [f'local:a: {told}', f'local:b: {told}'], result


def test_without_a_remote_name_it_is_a_fresh_temporary_file(hop, put):
    results = [put('contents') for _ in range(2)]
    paths = [result.text.split()[0] for result in results]
    for path in paths:
        assert re.fullmatch(rf'{hop.env["TMPDIR"]}/hopvine-[0-9a-f]{{16}}', path), results
        with open(path) as file:
            assert file.read() == 'contents'
        os.unlink(path)
    assert len(set(paths)) == 2


def test_a_remote_name_that_ends_in_a_slash_is_the_folder_it_goes_into(put, there):
    assert put('contents', f'{there}/').text.startswith(f'{there}/local 8 ')


def test_a_relative_name_begins_where_a_login_does(hop, site, put):
    home = site.accounts.home(site.accounts.user)
    result = put('contents', 'relative', target='h1')
    assert result.text.startswith(f'{home}/relative 8 '), result
    (home / 'relative').unlink()


def test_a_tilde_is_the_home(hop, put):
    result = put('contents', '~/file')
    home = hop.cwd.parent / 'home'
    assert result.text.startswith(f'{home}/file 8 '), result
    (home / 'file').unlink()


@pytest.mark.parametrize('remote, said', [('~', '/home is a folder'), ('~/../home/file', None)])
def test_a_lone_tilde_is_the_home_too(hop, put, remote, said):
    result = put('contents', remote)
    assert not (hop.cwd / '~').exists()
    if said:
        assert failed(result, said)
    else:
        assert result.text.startswith(f'{hop.cwd.parent}/home/file 8 '), result
        (hop.cwd.parent / 'home/file').unlink()


# Standard input.

@TARGETS
@pytest.mark.parametrize('data', [b'', b'a\0b\377\r\n', noise(300_000)], ids=['nothing', 'odd bytes', 'much'])
def test_a_dash_is_standard_input_byte_for_byte(hop, ssh, there, target, data):
    result = hop('put', '-w', target, '-', there / 'file', stdin=data)
    assert result.text == f'{there}/file {len(data)} {sha1(data)}\n', result
    assert (there / 'file').read_bytes() == data


def test_standard_input_goes_to_every_host(hop, ssh, there):
    data = noise(2_000_000)
    targets = {name: hop.way_in(f'env TMPDIR={there} sh -c {{}}', name) for name in ('one', 'two')}
    result = hop('put', '-w', ','.join(targets.values()), '--json', '-z', '-', stdin=data)
    paths = [each['value']['remote_path'] for each in result.json.values()]
    assert len(set(paths)) == 2, result
    for path in paths:
        with open(path, 'rb') as file:
            assert file.read() == data
        os.unlink(path)


def test_standard_input_may_come_piece_by_piece(hop, there):
    live = hop.start('put', '-w', 'local:', '-v', '-', there / 'file', stdin=PIPE)
    for _ in range(3):
        live.feed(b'piece')
    assert not (there / 'file').exists()
    live.end_input()
    assert live.finish().text.startswith(f'{there}/file 15 ')


def test_an_empty_device_as_standard_input_is_an_empty_file(hop, there):
    result = hop('put', '-w', 'local:', '-', there / 'file')
    assert result.rc == 0 and (there / 'file').read_bytes() == b'', result


# What a file becomes there.

@pytest.mark.parametrize('words, local_mode, expected', [
    ([], 0o4777, 0o644), ([], 0o600, 0o644), (['--mode', '0760'], 0o644, 0o760), (['--mode', '4755'], 0o644, 0o4755),
    (['-p'], 0o4751, 0o4751), (['-p'], 0o400, 0o400), (['--mode', '0'], 0o644, 0)])
@pytest.mark.parametrize('umask', ['022', '077'])
def test_its_mode_is_the_one_asked_for_whatever_the_umask(hop, there, words, local_mode, expected, umask):
    way = hop.way_in(f"sh -c 'umask {umask}; exec sh -c \"$0\"' {{}}")
    hop.write('local', 'contents', local_mode)
    result = hop('put', '-w', way, 'local', there / 'file', *words)
    assert result.rc == 0 and oct(mode(there / 'file')) == oct(expected), result


@pytest.mark.parametrize('python', discover()[::len(discover()) - 1], ids=repr)
def test_times_stay_with_p(hop, there, python):
    os.utime(hop.write('local', 'contents'), ns=(10 ** 18, 1_234_567_890_123_456_789))
    result = hop('put', '-w', 'local:', '--python', python.path, '-p', 'local', there / 'file')
    kept = (there / 'file').stat().st_mtime_ns
    # A float is what Python 2 has for a time.
    assert abs(kept - 1_234_567_890_123_456_789) < (1000 if python.number[0] == 2 else 1), result


@pytest.mark.parametrize('python', oldest_and_newest(), ids=repr)
def test_times_before_1970_stay_with_p(hop, there, python):
    """To the nearest second, where a time is a float and its fraction is lost."""
    os.utime(hop.write('local', 'contents'), (-86_400.75,) * 2)
    result = hop('put', '-w', 'local:', '--python', python.path, '-p', 'local', there / 'file')
    assert abs((there / 'file').stat().st_mtime + 86_400.75) <= (0.5 if python.number < (3, 3) else 0), result


def test_what_is_there_is_replaced_and_not_written_into(put, there):
    (there / 'file').write_text('old')
    os.link(there / 'file', there / 'other')
    assert put('new', there / 'file').rc == 0
    assert (there / 'file').read_text() == 'new' and (there / 'other').read_text() == 'old'


def test_a_file_that_cannot_be_written_is_replaced_by_one_who_may_write_to_its_folder(put, need, there):
    need('dash')
    there.chmod(0o777)
    (there / 'file').write_text('old')
    assert put('new', there / 'file', target='dash').rc == 0
    assert (there / 'file').read_text() == 'new'


def test_holes_stay_holes(hop, there):
    """Sparse at both ends; the sum is that of all the zeros."""
    path = hop.write('local', b'')
    with open(path, 'r+b') as file:
        file.seek(200 << 20)
        file.write(b'in the middle')
        file.truncate(300 << 20)
    result = hop('put', '-w', 'local:', '--json', path, there / 'file')
    assert result.only['value']['size'] == 300 << 20, result
    assert (there / 'file').stat().st_size == 300 << 20 and used_bytes(there / 'file') < 1 << 20
    with open(there / 'file', 'rb') as file:
        file.seek(200 << 20)
        assert file.read(20) == b'in the middle' + bytes(7)


@pytest.mark.skipif('HOPVINE_LARGE' not in os.environ, reason='zeros take their time; HOPVINE_LARGE=1 runs it')
def test_more_than_four_gib_are_no_limit(hop, there):
    path = hop.write('local', b'')
    with open(path, 'r+b') as file:
        file.truncate((4 << 30) + 5)
        file.seek(4 << 30)
        file.write(b'end')
    result = hop('put', '-w', 'local:', path, there / 'file', timeout=60)
    assert result.text.split()[1] == str((4 << 30) + 5), result
    with open(there / 'file', 'rb') as file:
        file.seek(4 << 30)
        assert file.read() == b'end\0\0' and used_bytes(there / 'file') < 1 << 20


def test_a_file_of_the_kernel_s_own_is_sent_as_it_reads(hop, there):
    result = hop('put', '-w', 'local:', '/proc/version', there / 'file')
    with open('/proc/version', 'rb') as version:
        assert (there / 'file').read_bytes() == version.read(), result


# Names.

NAMES = {'a newline': b'a\nb', 'no UTF-8': b'\xff\xfe', 'a leading dash': b'-rf', 'the longest': b'x' * 255,
         'spaces': b' a  b ', 'a question': b'?*[', 'an escape': b'\033[2J'}


@pytest.mark.parametrize('target, name', [*(('local:', name) for name in NAMES), ('h1', 'no UTF-8')])
def test_a_name_may_be_odd(hop, ssh, there, target, name):
    path = os.fsencode(there) + b'/' + NAMES[name]
    hop.write(os.fsdecode(b'sent' + NAMES[name][:200]), 'contents')
    result = hop('put', '-w', target, '--json', os.fsdecode(b'sent' + NAMES[name][:200]), os.fsdecode(path))
    with open(path) as file:
        assert file.read() == 'contents', result
    plain = hop('put', '-w', target, os.fsdecode(b'sent' + NAMES[name][:200]), os.fsdecode(path))
    assert plain.rc == 0 and len(plain.lines) == 1 and b'\033' not in plain.out, plain


def test_a_local_name_that_begins_with_a_dash_comes_behind_two(hop, there):
    hop.write('-p', 'contents')
    assert hop('put', '-w', 'local:', '--', '-p', there / 'file').rc == 0


# What is refused.

@TARGETS
def test_a_folder_in_the_place_of_the_file_is_refused(put, there, target):
    (there / 'file').mkdir()
    assert failed(put('x', there / 'file', target=target), f'{there}/file is a folder; name the file in it')


@pytest.mark.parametrize('kind', ['fifo', 'device'])
def test_a_special_file_in_the_place_of_the_file_is_refused(put, there, kind):
    path = there / 'special'
    os.mkfifo(path) if kind == 'fifo' else os.mknod(path, 0o020666, os.makedev(1, 3))
    assert failed(put('x', path), f'{path} is a device, a socket or a pipe, and no file')
    assert not path.is_file()


def test_a_folder_that_is_missing_is_told(put, there):
    assert failed(put('x', there / 'missing/file'), f'{there}/missing/file: No such file or directory')


def test_a_file_in_the_place_of_a_folder_is_told(put, there):
    (there / 'file').write_text('old')
    assert failed(put('x', there / 'file/below'), 'Not a directory')
    assert (there / 'file').read_text() == 'old'


@pytest.mark.parametrize('shape', ['a parent', 'the file itself', 'a grandparent behind an own link'])
def test_a_link_of_another_user_is_refused(put, need, there, shape):
    need('dash')
    (there / 'real/sub').mkdir(parents=True)
    (there / 'real/file').write_text('old')
    link = there / 'theirs'
    link.symlink_to(there / 'real/file' if shape == 'the file itself' else there / 'real')
    os.lchown(link, 30001, 30001)
    (there / 'mine').symlink_to(link)
    path = {'a parent': link / 'file', 'the file itself': link}.get(shape, there / 'mine/sub/file')
    assert failed(put('new', path), f'{link} is a symbolic link of another user')
    assert (there / 'real/file').read_text() == 'old' and not (there / 'real/sub/file').exists()


@pytest.mark.parametrize('target', ['local:', 'dash'])
def test_a_link_of_one_s_own_or_of_root_is_followed(put, need, there, target):
    need('dash')
    (there / 'real').mkdir()
    (there / 'real').chmod(0o777)
    (there / 'link').symlink_to('real')
    (there / 'file').symlink_to('link/end')
    assert put('new', there / 'file', target=target).text.startswith(f'{there}/real/end 3 ')
    assert (there / 'real/end').read_text() == 'new' and (there / 'file').is_symlink()


def test_links_in_a_circle_are_told(put, there):
    (there / 'one').symlink_to('two')
    (there / 'two').symlink_to('one')
    assert failed(put('x', there / 'one/file'), 'Too many levels of symbolic links')


# Mistakes in what was typed, found before any host is asked.

def test_a_local_file_that_is_missing_is_a_mistake(hop):
    assert mistaken(hop('put', '-w', 'local:', 'missing', '/nowhere'), 'missing')


def test_a_local_folder_needs_r(hop):
    assert mistaken(hop('put', '-w', 'local:', '.', '/nowhere'), '-r')


@pytest.mark.parametrize('words', [['/dev/null', 'x'], ['local', ''], ['local', 'x', '--mode', '8'],
                                   ['local', 'x', '--mode', '17777'], ['local', 'x', '--mode', 'rw'], ['-r', '-', 'x']], ids=' '.join)
def test_a_mistake_is_2(hop, words):
    hop.write('local', 'contents')
    assert mistaken(hop('put', '-w', 'local:', *words), '')


@pytest.mark.parametrize('words, said', [
    (['local', '~root/x'], '~root/x: of homes only your own'), (['-', 'folder/'], 'standard input has no name'),
    (['local', 'second', 'third'], 'tar c FILE...')], ids=' '.join)
def test_a_mistake_is_told_with_what_to_do(hop, words, said):
    hop.write('local', 'contents')
    assert mistaken(hop('put', '-w', 'local:', *words), said)


@pytest.mark.parametrize('words', [[], ['-r']], ids=['file', 'tree'])
def test_a_local_file_that_may_not_be_read_is_a_mistake_of_nobody_else(hop, site, need, words):
    need('dash')
    install(site, hop)
    path = hop.scratch / 'secret'
    path.mkdir() if words else path.write_text('secret')
    path.chmod(0)
    prefix = ['setpriv', '--reuid=30001', '--regid=30001', '--clear-groups']
    result = hop.start('put', '-w', 'local:a,local:b', *words, path, '/nowhere', prefix=prefix).finish()
    assert mistaken(result, f'{path}: Permission denied') and '--become' not in result.said, result


def test_a_fifo_is_no_local_file_and_nobody_waits_for_its_writer(hop, fifo, there):
    assert mistaken(hop('put', '-w', 'local:', str(fifo('pipe')), there / 'file'), 'no file')


def test_a_folder_as_standard_input_is_a_mistake(hop, there):
    folder = os.open(there, os.O_RDONLY)
    result = hop('put', '-w', 'local:', '-', there / 'file', stdin=folder)
    os.close(folder)
    assert not (there / 'file').exists()
    assert mistaken(result, '')


def test_a_full_name_needs_no_current_folder(hop, there):
    (there / 'gone').mkdir()
    way = hop.way_in(f'sh -c \'cd {there}/gone && rmdir {there}/gone && exec sh -c "$0"\' {{}}')
    result = hop('put', '-w', way, '--python', discover()[-1].path, hop.write('local', 'contents'), there / 'file')
    assert result.rc == 0 and (there / 'file').read_text() == 'contents', result


# How it ends with many.

def test_a_host_that_fails_harms_no_other(hop, put, refusing, there):
    (there / 'file').mkdir()
    bad = hop.way_in(f'unshare -m --propagation private sh -c \'mount --bind {there}/file {there} && exec sh -c "$0"\' {{}}')
    result = put('new', there / 'file', '--json', target=f'{bad},local:')
    assert result.rc == 5 and result.json[bad]['ok'], result
    assert result.json['local']['error']['kind'] == 'file', result
    assert (there / 'file/file').read_text() == 'new'


def test_a_host_that_cannot_be_reached_is_4_and_the_others_have_their_file(put, refusing, there):
    result = put('new', there / 'file', target=f'{refusing},local:')
    assert result.rc == 4 and (there / 'file').read_text() == 'new', result
    assert put('new', there / 'file', target=refusing).rc == 255


def test_a_file_that_is_not_there_is_told_in_the_words_of_the_system(hop):
    result = hop('put', '-w', 'local:', 'nofile', '/tmp/x')
    assert result.rc == 2 and result.said == 'hopvine: nofile: No such file or directory\n', result
