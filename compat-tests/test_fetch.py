"""`hopvine fetch`: a file from each host; what is here stays until all has come."""

import os
import re

import pytest

from harness import smuggler
from harness.files import SIZES, WAYS, contents, each_agent, each_way, half_done, mode, noise, sha1, used_bytes
from harness.pythons import discover, oldest_and_newest
from harness.tree import Tree

pytest_generate_tests = each_agent
pytestmark = pytest.mark.usefixtures('agent')


@pytest.fixture
def here(hop):
    """Where what is fetched goes; nothing half done may be left."""
    folder = hop.scratch / 'here'
    folder.mkdir()
    yield folder
    assert half_done(folder) == []


@pytest.fixture
def there(hop):
    """`there(contents)` is a file of the host's."""
    def there(data, name='there'):
        path = hop.scratch / name
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return path
    return there


def mistaken(result, said):
    return result.rc == 2 and result.out == b'' and said in result.said


def failed(result, said):
    return result.rc == 1 and result.out == b'' and said in result.said and 'hopvine: local: ' in result.said


# What comes of it.

@each_way
@pytest.mark.parametrize('size', [0, 200_000])
def test_a_file_comes_each_way(hop, ssh, here, there, way, size):
    data = noise(size)
    path = there(data)
    result = hop('fetch', *WAYS[way], path, here / 'file')
    assert result.text.endswith(sha1(data) + '\n')
    assert result.text == f'{here}/file {path} {size} {sha1(data)}\n' and result.err == b'', result
    assert result.rc == 0 and (here / 'file').read_bytes() == data


@pytest.mark.parametrize('python', discover(), ids=repr)
def test_a_file_comes_from_each_interpreter(hop, here, there, python):
    data = noise(100_000) + bytes(100_000)
    result = hop('fetch', '-w', 'local:', there(data), here / 'file', '--python', python.path, '-z', '-p')
    assert result.rc == 0 and (here / 'file').read_bytes() == data, result


@pytest.mark.parametrize('size', SIZES)
def test_a_file_of_any_size_comes_whole(hop, here, there, size):
    data = noise(size)
    hop('fetch', '-w', 'local:', there(data), here / 'file')
    assert (here / 'file').read_bytes() == data


def test_json_has_an_object_for_each_host(hop, ssh, here, there):
    path = there('contents')
    result = hop('fetch', '-w', 'local:a,h1', '--json', path, here / '{host}')
    told = {name: {'local_path': f'{here}/{name}', 'remote_path': str(path), 'size': 8, 'sha1sum': sha1(b'contents'),
                   'files': 1} for name in ('local:a', 'h1')}
    assert result.rc == 0 and {name: each['value'] for name, each in result.json.items()} == told, result


def test_what_is_here_is_replaced_and_not_written_into(hop, here, there):
    (here / 'file').write_text('old')
    os.link(here / 'file', here / 'other')
    assert hop('fetch', '-w', 'local:', there('new'), here / 'file').rc == 0
    assert (here / 'file').read_text() == 'new' and (here / 'other').read_text() == 'old'


@pytest.mark.parametrize('words, remote_mode, umask, expected', [
    ([], 0o644, 0o022, 0o644), ([], 0o4777, 0o022, 0o755), ([], 0o666, 0o077, 0o600), (['-p'], 0o4751, 0o077, 0o4751)])
def test_its_mode_is_the_one_there_within_the_umask_here(hop, here, there, words, remote_mode, umask, expected):
    there('contents').chmod(remote_mode)
    prefix = ['sh', '-c', f'umask {umask:o}; exec "$@"', 'with-umask']
    result = hop.start('fetch', '-w', 'local:', hop.scratch / 'there', here / 'file', *words, prefix=prefix).finish()
    assert result.rc == 0 and oct(mode(here / 'file')) == oct(expected), result


def test_times_stay_with_p(hop, here, there):
    os.utime(there('contents'), ns=(10 ** 18, 1_234_567_890_123_456_789))
    hop('fetch', '-w', 'local:', '-p', hop.scratch / 'there', here / 'file')
    assert (here / 'file').stat().st_mtime_ns == 1_234_567_890_123_456_789


@pytest.mark.parametrize('python', oldest_and_newest(), ids=repr)
def test_a_time_that_no_64_bits_of_nanoseconds_hold_stops_nothing(hop, here, there, python):
    """They end in the year 2262."""
    path = there('contents')
    os.utime(path, (9_300_000_000,) * 2)
    result = hop('fetch', '-w', 'local:', '--python', python.path, '-p', path, here / 'file')
    assert result.rc == 0 and (here / 'file').read_text() == 'contents', result


def test_holes_stay_holes(hop, here, there):
    with open(there(b''), 'r+b') as file:
        file.seek(100 << 20)
        file.write(b'in the middle')
        file.truncate(150 << 20)
    result = hop('fetch', '-w', 'local:', '--json', hop.scratch / 'there', here / 'file')
    assert result.only['value']['size'] == 150 << 20 == (here / 'file').stat().st_size, result
    assert used_bytes(here / 'file') < 1 << 20
    with open(here / 'file', 'rb') as file:
        file.seek(100 << 20)
        assert file.read(20) == b'in the middle' + bytes(7)


@pytest.mark.parametrize('path', ['/proc/version', '/proc/self/environ'])
def test_a_file_of_the_kernel_s_own_comes_as_it_reads(hop, here, path):
    result = hop('fetch', '-w', 'local:', '--json', path, here / 'file')
    data = (here / 'file').read_bytes()
    assert result.rc == 0 and data and result.only['value']['sha1sum'] == sha1(data), result


def test_a_file_of_sys_comes_as_it_reads(hop, here):
    """It says that it holds a page, and holds less."""
    result = hop('fetch', '-w', 'local:', '/sys/kernel/mm/transparent_hugepage/enabled', here / 'file')
    assert result.rc == 0 and b'never' in (here / 'file').read_bytes(), result


def test_a_link_is_fetched_as_what_it_leads_to(hop, here, there):
    (hop.scratch / 'link').symlink_to(there('contents'))
    assert hop('fetch', '-w', 'local:', hop.scratch / 'link', here / 'file').rc == 0
    assert (here / 'file').read_text() == 'contents' and not (here / 'file').is_symlink()


def test_a_link_here_is_replaced_and_what_it_leads_to_stays(hop, here, there):
    (here / 'kept').write_text('kept')
    (here / 'file').symlink_to('kept')
    assert hop('fetch', '-w', 'local:', there('new'), here / 'file').rc == 0
    assert (here / 'kept').read_text() == 'kept' and (here / 'file').read_text() == 'new'


@pytest.mark.parametrize('name', [b'a\nb', b'\xff\xfe', b'-rf', b'x' * 255, b'\033[2J'], ids=ascii)
def test_a_name_may_be_odd(hop, here, there, name):
    there('contents', os.fsdecode(name))
    words = '-w', 'local:', '--', os.fsdecode(os.fsencode(hop.scratch) + b'/' + name), f'{here}/'
    result = hop('fetch', '--json', *words)
    assert contents(here) == {name: (0o644, b'contents')}, result
    plain = hop('fetch', *words)
    assert plain.rc == 0 and len(plain.lines) == 1 and b'\033' not in plain.out, plain


# Where it goes.

def test_a_target_of_several_hops_is_one_name(hop, here, there):
    result = hop('fetch', '-w', 'local:a/local:b,local:c', there('contents'), here / '{host}/{host}.txt')
    assert result.rc == 0 and sorted(contents(here)) == [
        b'local:a_local:b', b'local:a_local:b/local:a_local:b.txt', b'local:c', b'local:c/local:c.txt'], result


@pytest.mark.parametrize('host', ['.', '..'])
def test_no_name_of_a_host_leads_elsewhere(hop, ssh, here, there, host, request):
    alias = ssh.alias(f'dots{len(host)}')
    path = ssh.client.aliases / alias
    path.write_text(path.read_text().replace(f'Host {alias}', f'Host {host}'))
    request.addfinalizer(path.unlink)
    result = hop('fetch', '-w', host, there('contents'), here / '{host}/file')
    assert list(contents(here)) == [b'_' * len(host), b'_' * len(host) + b'/file'], result


@pytest.mark.parametrize('template', ['here', 'here/', 'here/new/'])
def test_a_template_that_is_a_folder_is_where_it_goes_into(hop, here, there, template):
    path = here.parent / template
    expected = path / 'there'
    result = hop('fetch', '-w', 'local:', there('contents'), f'{here.parent}/{template}')
    assert result.rc == 0 and expected.read_text() == 'contents', result


@pytest.mark.parametrize('hosts, template', [
    ('local:a,local:b', 'file'), ('local:a,local:b', ''), ('local:a/local:b,local:a_local:b', '{host}'),
    ('local:a,local:b', '{hos}'), ('local:a,local:b', '{HOST}')])
def test_paths_that_are_not_unique_are_a_mistake_and_nothing_is_started(hop, here, there, hosts, template):
    (here / 'file').write_text('old')
    result = hop('fetch', '-v', '-w', hosts, there('new'), f'{here}/{template}')
    assert mistaken(result, '{host}') and result.said.count('\n') == 1, result
    assert contents(here) == {b'file': (0o644, b'old')}


@pytest.mark.parametrize('template', ['{host}/../x', 'new/{host}/../x', '{host}', 'link/{host}'])
def test_paths_that_lead_to_one_file_are_not_unique(hop, here, there, template):
    """By two dots, there or not, and by links."""
    (here / 'real').mkdir()
    for name in ('local:c', 'local:d'):
        (here / name).symlink_to('real')
    (here / 'link').symlink_to('.')
    hosts = 'local:a,local:b' if 'x' in template else 'local:c,local:d'
    result = hop('fetch', '-w', hosts, there('new'), f'{here}/{template}')
    assert mistaken(result, 'would hold the files of') and contents(here / 'real') == {}, result


@pytest.mark.parametrize('template', ['{target}', '{host:x}', '{HOST}/file', '{}'])
def test_a_placeholder_that_is_none_is_a_mistake(hop, here, there, template):
    result = hop('fetch', '-w', 'local:', there('new'), f'{here}/{template}')
    assert mistaken(result, 'a template knows {host} only') and contents(here) == {}, result


@pytest.mark.parametrize('template', ['~/', '~/file', '~'])
def test_a_tilde_in_a_template_is_the_home_here(hop, there, template):
    result = hop('fetch', '-w', 'local:', there('contents'), template)
    home = hop.cwd.parent / 'home'
    path = home / ('file' if template.endswith('file') else 'there')
    assert result.text.startswith(f'{path} ') and path.read_text() == 'contents', result
    path.unlink()


def test_a_home_of_somebody_else_is_a_mistake(hop, here, there):
    assert mistaken(hop('fetch', '-w', 'local:', '~root/x', here / 'x'), '~root/x: of homes only your own')
    assert mistaken(hop('fetch', '-w', 'local:', there('x'), '~root/x'), '~root/x: of homes only your own')


def test_several_files_are_a_mistake_that_tells_what_to_do(hop, there):
    assert mistaken(hop('fetch', '-w', 'local:', there('x'), 'b', 'c/'), 'tar c FILE...')


def test_without_a_template_each_is_a_fresh_temporary_file(hop, there):
    result = hop('fetch', '-w', 'local:a,local:b', '--json', there('contents'))
    paths = [each['value']['local_path'] for each in result.json.values()]
    for path in paths:
        assert re.fullmatch(rf'{hop.env["TMPDIR"]}/hopvine-[0-9a-f]{{16}}', path), result
        with open(path) as file:
            assert file.read() == 'contents'
        os.unlink(path)
    assert len(set(paths)) == 2


# Standard output.

@each_way
def test_a_dash_is_standard_output_byte_for_byte(hop, ssh, there, way):
    data = noise(100_000) + bytes(200_000) + b'\r\n\0\xff'
    result = hop('fetch', *WAYS[way], there(data), '-')
    assert len(result.out) == len(data)
    assert (result.rc, result.out, result.err) == (0, data, b''), (result.rc, result.said)


@pytest.mark.parametrize('words', [['-w', 'local:a,local:b'], ['-w', 'local:', '-r']], ids=' '.join)
def test_standard_output_takes_one_file_of_one_host(hop, there, words):
    assert mistaken(hop('fetch', *words, there('contents'), '-'), 'standard output')


def test_standard_output_does_not_mix_contents_and_json(hop, there):
    result = hop('fetch', '-w', 'local:', '--json', there('no end of line'), '-')
    assert result.out in (b'no end of line', b''), result


def test_standard_output_that_is_full_is_told(hop, there):
    with open('/dev/full', 'wb') as full:
        result = hop.start('fetch', '-w', 'local:', there(noise(200_000)), '-', stdout=full).finish()
    assert result.rc == 1 and 'No space left' in result.said, result


# What is refused, and harms nothing.

@pytest.mark.parametrize('path, said', [
    ('/no/such/file', '/no/such/file: No such file or directory'), ('/etc', '-r fetches it'),
    ('/etc/passwd/x', 'Not a directory'), ('/dev/null', 'is a device, a socket or a pipe, and no file')])
def test_what_cannot_be_fetched_leaves_what_is_here(hop, here, path, said):
    (here / 'file').write_text('old')
    assert failed(hop('fetch', '-w', 'local:', path, here / 'file'), said)
    assert contents(here) == {b'file': (0o644, b'old')}


def test_a_fifo_is_no_file_and_nobody_waits_for_its_writer(hop, fifo, here):
    assert failed(hop('fetch', '-w', 'local:', str(fifo('pipe')), here / 'file'), 'no file')


def test_a_file_that_may_not_be_read_is_told(hop, need, here, there):
    need('dash')
    there('secret').chmod(0o600)
    result = hop('fetch', '-w', 'dash', hop.scratch / 'there', here / 'file')
    assert result.rc == 1 and f'hopvine: dash: {hop.scratch}/there: Permission denied' in result.said, result


def test_a_host_that_fails_harms_no_other(hop, here, refusing, there):
    way = hop.way_in(f'unshare -m --propagation private sh -c \'mount --bind /etc {hop.scratch}/dir && exec sh -c "$0"\' {{}}')
    (hop.scratch / 'dir').mkdir()
    there('contents', 'dir/mine')
    words = hop.scratch / 'dir/mine', here / '{host}'
    result = hop('fetch', '-w', f'{way},local:', *words)
    assert result.rc == 5 and f'hopvine: {way}: ' in result.said and (here / 'local').read_text() == 'contents', result
    assert hop('fetch', '-w', f'{refusing},local:', *words).rc == 4
    assert hop('fetch', '-w', refusing, *words).rc == 255
    assert list(contents(here)) == [b'local']


@pytest.mark.parametrize('kind', ['fifo', 'folder below'])
def test_what_is_here_and_is_no_file_is_refused(hop, here, there, kind):
    if kind == 'fifo':
        os.mkfifo(here / 'file')
    else:
        (here / 'file/there').mkdir(parents=True)
    result = hop('fetch', '-w', 'local:', there('contents'), here / 'file')
    assert failed(result, 'is there, and is no file')


@pytest.mark.parametrize('words', [['', 'x'], ['x', '']])
def test_a_mistake_is_2(hop, words):
    assert mistaken(hop('fetch', '-w', 'local:', *words), '')


# Senders that lie: an end of their own, and of nobody else.

@pytest.fixture
def smuggled(hop, here, there):
    """`smuggled(hows, ...)`: a fetch from senders that lie, each in its way, and from another host; returns by its lie
    what came of each, and what is there where it would have been."""
    outside = hop.scratch / 'outside'
    outside.mkdir()
    (outside / 'secret').write_text('kept')

    def smuggled(hows, *words, old=None):
        tree, hows = Tree(hop, 'python'), list(hows)
        ways = [tree.way_by(smuggler, how, outside, name=f'liar{n}') for n, how in enumerate(hows)]
        paths = [here / way for way in ways]
        for path in paths if old else ():
            old(path)
        result = hop('fetch', '-w', ','.join([*ways, 'local:']), '--json', *words, there('contents'), here / '{host}')
        assert result.json['local']['ok'] and 'panicked' not in result.said and b'\033' not in result.out + result.err, result
        assert contents(outside) == {b'secret': (0o644, b'kept')} and not list(hop.scratch.rglob('smuggled')), result
        return result, {how: (result.json[way], path) for how, way, path in zip(hows, ways, paths)}
    return smuggled


def refused(told):
    return not told['ok'] and told['error']['kind'] in ('file', 'bad_value', 'link_lost')


def believed(came):
    """Those whose lie is told as a success."""
    return [how for how, (told, _) in came.items() if not refused(told)]


def with_old_file(path):
    path.write_text('old')


def test_an_honest_stand_in_is_believed(smuggled):
    _, came = smuggled(['honest'])
    told, path = came['honest']
    assert told['ok'] and path.read_bytes() == smuggler.BAD, told


def test_what_is_not_the_file_that_was_asked_for_leaves_what_is_here(smuggled):
    result, came = smuggled(smuggler.FOR_A_FILE, old=with_old_file)
    for how, (_, path) in came.items():
        assert not path.is_symlink(), how
        assert path.read_bytes() in (b'old', *[smuggler.BAD] * (how in smuggler.WHOLE_FIRST)), how


def test_what_is_not_the_file_that_was_asked_for_is_an_error(smuggled):
    result, came = smuggled(smuggler.FOR_A_FILE)
    assert believed(came) == [], result


def test_what_inflates_to_too_much_or_not_at_all_is_refused(smuggled):
    result, came = smuggled(smuggler.PACKED, '-z', old=with_old_file)
    assert {how: path.read_text() for how, (_, path) in came.items()} == dict.fromkeys(smuggler.PACKED, 'old')
    assert believed(came) == [], result


def test_no_name_of_a_sender_leads_out_of_the_tree(smuggled, hop):
    def with_a_link(path):
        path.mkdir()
        (path / 'linked').symlink_to(hop.scratch / 'outside')
    result, came = smuggled(smuggler.FOR_A_TREE, '-r', old=with_a_link)
    assert believed(came) == [], result


def test_a_tree_that_is_a_link_is_refused(smuggled, here):
    result, came = smuggled(['a link'], '-r')
    assert not any(path.is_symlink() for path in here.iterdir()), result


@pytest.mark.parametrize('how', smuggler.ENDS)
def test_what_a_sender_tells_at_the_end_is_not_believed(smuggled, how):
    result, came = smuggled([how])
    told, _ = came[how]
    assert len(result.said.splitlines()) < 50, result
    assert refused(told) or (told['value']['size'], told['value']['sha1sum']) == (8, sha1(smuggler.BAD)), result


def test_what_comes_after_the_end_changes_nothing(smuggled):
    result, came = smuggled(['more after the end'])
    told, path = came['more after the end']
    assert told['ok'] and path.read_bytes() == smuggler.BAD, result


def test_trouble_is_told_in_lines_that_begin_with_its_host(hop, there, here):
    way = Tree(hop, 'python').way_by(smuggler, 'trouble with an escape', here)
    result = hop('fetch', '-w', way, there('contents'), here / 'file')
    assert result.rc == 1 and b'\033' not in result.err, result
    assert [line for line in result.said.splitlines() if line.startswith('hopvine: another')] == [], result


def test_zeros_that_never_end_hold_up_no_other_host(hop, here, there):
    """They cost their sender nothing, and us the time to add them to the sum."""
    way = Tree(hop, 'python').way_by(smuggler, 'zeros for a while', here)
    live = hop.start('fetch', '-w', f'{way},local:', '--json', '-t', '1s', there('contents'), here / '{host}')
    result = live.finish(3)
    assert result.json[way]['error']['kind'] in ('timed_out', 'file') and result.json['local']['ok'], result
