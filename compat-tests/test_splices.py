"""What is sent to several at once, and what two machines send each other: as few bytes as can be, on no link that need not."""

import contextlib
import os
import pathlib
import select
import shlex
import signal
import time
from subprocess import PIPE

import pytest

from harness import counter, midway, smuggler
from harness.binary import REPO
from harness.files import children, contents, each_agent, half_done, noise, opened, sha1, until
from harness.process import peak_bytes
from harness.tree import Tree

pytest_generate_tests = each_agent
SIZE = 3_000_000
# What a link carries beside contents: agents, orders, frames' headers.
OVERHEAD_BYTES = 150_000
# What a relay may take in all.
ROOM_BYTES = 32 << 20


@pytest.fixture
def place(hop):
    """Where nothing may be left that is not whole."""
    folder = hop.scratch / 'place'
    folder.mkdir()
    yield folder
    assert half_done(hop.scratch) == []


@pytest.fixture
def source(hop):
    path = hop.scratch / 'source'
    path.write_bytes(noise(SIZE))
    return path


@pytest.fixture
def counted(tree):
    """A first hop that counts, and `counted.bytes()`: what it has carried down and up."""
    class Counted:
        file = tree.hop.scratch / 'counted'
        hop = tree.way_by(counter, file)

        def bytes(self):
            return [int(number) for number in self.file.read_text().split()]
    return Counted()


@pytest.fixture
def members(hop, place):
    """`members(count)`: hops that each have a folder of their own, as machines have."""
    def members(*names):
        for name in names:
            (place / name).mkdir()
            hop.way_through(f'cd {shlex.quote(str(place / name))} && echo $$ > pid.new && mv pid.new pid && exec sh -c "$1"', name)
        return [f'exec:{name}' for name in names]
    return members


def agent_of(folder):
    """Its watchdog has written down who it is, and looks for an interpreter before it has a child that leads a session:
    None until then."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for pid in children(int((folder / 'pid').read_text())):
            if os.getsid(pid) == pid:
                return pid
    return None


@pytest.mark.parametrize('below', ['', 'local:q/', 'local:q[1-2]/'])
def test_what_goes_to_many_crosses_the_first_link_once(tree, counted, source, place, below):
    env = {'TMPDIR': str(place)}
    result = tree('put', f'{counted.hop}/{below}local:c[1-8]', '--json', source, env=env)
    assert result.rc == 0 and len(result.json) == 8 * (2 if '2' in below else 1), result
    for each in result.json.values():
        path = pathlib.Path(each['value']['remote_path'])
        assert path.read_bytes() == source.read_bytes() and each['value']['sha1sum'] == sha1(source.read_bytes()), each
        path.unlink()
    down, _ = counted.bytes()
    assert SIZE < down < SIZE + OVERHEAD_BYTES, down


def test_a_tree_and_standard_input_go_to_many(tree, members):
    ways = members('a', 'b', 'c')
    where = ','.join(f'local:r/{way}' for way in ways)
    result = tree('put', where, '-r', '-p', '-z', REPO / 'docs', 'docs')
    folders = [tree.hop.scratch / 'place' / name for name in 'abc']
    assert result.rc == 0 and [contents(folder / 'docs') for folder in folders] == [contents(REPO / 'docs')] * 3, result
    result = tree('put', where, '-', 'input', stdin=noise(SIZE))
    assert result.rc == 0 and all((folder / 'input').read_bytes() == noise(SIZE) for folder in folders), result


def test_standard_input_of_any_size_goes_to_many(tree, members, place):
    """What another machine sends without a size has a limit of 64 MiB; what comes from here has none."""
    data = noise(1 << 20) * 65
    where = ','.join(f'local:r/{way}' for way in members('a', 'b'))
    result = tree('put', where, '-', 'input', stdin=data)
    assert result.rc == 0 and all((place / name / 'input').read_bytes() == data for name in 'ab'), result


def test_one_that_fails_harms_no_other(tree, members, place, source):
    where = ','.join(f'local:r/{way}' for way in [*members('a', 'b', 'c'), 'exec:gone', 'local:x?python=%2Fnone'])
    tree.hop.way_in('false {}', 'gone')
    for name in 'ac':
        (place / name / 'sub').mkdir()
    result = tree('put', where, '--json', source, 'sub/file')
    told = {name.split('/')[1]: each for name, each in result.json.items()}
    assert [told[f'exec:{name}']['ok'] for name in 'abc'] == [True, False, True], result
    assert 'No such file or directory' in told['exec:b']['error']['message'], result
    assert not told['exec:gone']['ok'] and not told['local:x']['ok'] and result.rc == 4, result
    assert all((place / name / 'sub/file').read_bytes() == noise(SIZE) for name in 'ac')


def test_a_host_that_is_killed_on_the_way_harms_no_other(tree, members, place):
    where = ','.join(f'local:r/{way}' for way in members('a', 'b'))
    live = tree.start('put', where, '--json', '-', 'file', stdin=PIPE)
    live.feed(noise(SIZE))
    until(live, lambda: agent_of(place / 'a'))
    os.kill(agent_of(place / 'a'), signal.SIGKILL)
    live.feed(noise(SIZE))
    live.end_input()
    result = live.finish(30)
    assert not result.json['local:r/exec:a']['ok'] and result.json['local:r/exec:b']['ok'], result
    assert (place / 'b/file').read_bytes() == noise(SIZE) * 2 and not (place / 'a/file').exists()


def test_who_takes_nothing_for_ten_seconds_gets_his_own_afterwards(tree, members, place):
    where = ','.join(f'local:r/{way}' for way in members('a', 'b', 'c'))
    live = tree.start('put', where, '--json', '--keepalive', '60s', '-', 'file', stdin=PIPE)
    live.feed(b'begin')
    until(live, lambda: all(agent_of(place / name) for name in 'abc'))
    slow = agent_of(place / 'a')
    os.kill(slow, signal.SIGSTOP)
    try:
        live.feed(noise(SIZE))
        live.end_input()
        until(live, lambda: all((place / name / 'file').exists() for name in 'bc'), 20)
    finally:
        os.kill(slow, signal.SIGCONT)
    result = live.finish(30)
    assert result.rc == 0 and len(result.json) == 3, result
    assert all((place / name / 'file').read_bytes() == b'begin' + noise(SIZE) for name in 'abc'), result


def test_standard_input_goes_to_one_behind_a_relay(tree, members, place):
    (way,) = members('a')
    live = tree.start('put', f'local:r/{way}', '--keepalive', '60s', '-', 'file', stdin=PIPE)
    live.feed(b'begin')
    live.end_input()
    assert live.finish(30).rc == 0 and (place / 'a/file').read_bytes() == b'begin'


@pytest.mark.parametrize('to', ['local:b', 'local:q/local:b', 'local:b,local:c,local:q/local:d'])
def test_what_one_machine_sends_another_stays_below_both(tree, counted, source, place, to):
    where = ','.join(f'{counted.hop}/{each}' for each in to.split(','))
    result = tree('put', where, '--from', f'{counted.hop}/local:a', '--json', source, env={'TMPDIR': str(place)})
    assert result.rc == 0, result
    for each in result.json.values():
        path = pathlib.Path(each['value']['remote_path'])
        assert path.read_bytes() == source.read_bytes() and each['value']['size'] == SIZE, each
        path.unlink()
    assert max(counted.bytes()) < OVERHEAD_BYTES, counted.bytes()


@pytest.mark.parametrize('source_hop, to', [
    ('local:a', 'local:b'), ('local:a', 'local:a'), ('local:a', 'local:a/local:b'), ('local:a/local:b', 'local:a'),
    ('local:a/local:b', 'local:c/local:d'), ('local:a', 'local:a,local:a/local:b,local:c'),
])
def test_a_file_goes_from_any_context_to_any(tree, source, place, source_hop, to, agent):
    result = tree('put', to, '--from', source_hop, '-z', '--mode', '0600', source, place / 'file')
    assert result.rc == 0 and (place / 'file').read_bytes() == source.read_bytes(), result
    assert (place / 'file').stat().st_mode & 0o777 == 0o600


def test_between_two_hosts_over_ssh(hop, ssh, source, place):
    result = hop('put', '-w', 'h1', '--from', 'h2', '--json', source, place / 'file')
    assert result.rc == 0 and (place / 'file').read_bytes() == source.read_bytes(), result
    assert result.only['value']['sha1sum'] == sha1(source.read_bytes()), result


def test_a_tree_goes_between_two_machines(tree, place, agent):
    result = tree('put', 'local:r/local:b', '--from', 'local:r/local:a', '-r', '-p', '--json', REPO / 'docs', place / 'docs')
    assert result.rc == 0 and contents(place / 'docs') == contents(REPO / 'docs'), result
    assert result.only['value']['files'] == len(contents(REPO / 'docs')) + 1, result


@pytest.mark.parametrize('words, said', [
    (['--from', 'local:r/local:a', '/no/such/file', 'x'], 'local:r/local:a (local:a): /no/such/file: No such file or directory'),
    (['--from', 'local:r/local:a', '/etc', 'x'], '/etc is a folder; -r fetches it'),
    (['--from', 'local:r/local:a', '/etc/hostname', '/no/such/folder/x'], 'local:r/local:b: local:b: /no/such/folder'),
    (['--from', 'exec:broken', '/etc/hostname', 'x'], 'exec:broken'),
])
def test_each_end_answers_for_itself(tree, words, said):
    tree.hop.way_in('false {}', 'broken')
    result = tree('put', 'local:r/local:b', *words)
    assert result.rc in (1, 255) and said in result.said, result


@pytest.mark.parametrize('words, said', [
    (['--from', 'local:a[1-2]', 'x', 'y'], '--from takes one target'), (['--from', '', 'x', 'y'], ''),
    (['--from', 'local:a', 'x', ''], 'a remote path cannot be empty'),
])
def test_wrong_usage_is_told_before_anything_starts(hop, words, said):
    result = hop('put', '-w', 'local:b', *words)
    assert result.rc == 2 and said in result.said and result.err, result


@pytest.fixture
def between(hop, tree, members, place, agent):
    """A transfer between two machines that is in its middle, and will be for long."""
    endless = hop.scratch / 'endless'
    endless.touch()
    os.truncate(endless, 1 << 43)
    ways = members('a', 'b', 'r')
    live = tree.start('put', f'exec:r/{ways[1]}', '--from', f'exec:r/{ways[0]}', '--json', endless, 'file')
    until(live, lambda: all(agent_of(place / name) for name in 'abr') and opened(agent_of(place / 'b'), place / 'b'))
    return live


@pytest.mark.parametrize('who, said', [('a', 'exec:a'), ('b', 'exec:b'), ('r', 'exec:r')])
def test_when_either_end_or_what_joins_them_is_killed_it_is_told_and_nothing_is_left(between, place, who, said, agent):
    os.kill(agent_of(place / who), signal.SIGKILL)
    result = between.finish(30)
    assert result.rc == 255 or result.rc == 1, result
    assert not result.only['ok'] and said in str(result.only['error']), result
    assert not (place / 'b/file').exists()


def test_an_interrupt_ends_both_ends(between, place, agent):
    between.signal(signal.SIGINT)
    result = between.finish(10)
    assert result.rc == 130 and not (place / 'b/file').exists(), result


def test_what_cannot_be_read_here_ends_all_that_it_would_have_fed(tree, members, place):
    where = ','.join(f'local:r/{way}' for way in members('a', 'b'))
    result = tree('put', where, '--json', '/proc/self/mem', 'copy')
    errors = [each['error']['message'] for each in result.json.values()]
    assert result.rc == 5 and len(errors) == 2 and all('/proc/self/mem' in error for error in errors), result


@pytest.mark.parametrize('lies, words', [
    (smuggler.FOR_A_FILE, []), (smuggler.PACKED, ['-z']), (smuggler.FOR_A_TREE, ['-r']),
], ids=['a file', 'packed', 'a tree'])
def test_a_machine_that_lies_cannot_write_what_was_not_asked_for(hop, place, lies, words, agent):
    outside = hop.scratch / 'outside'
    outside.mkdir()
    (outside / 'secret').write_text('kept')
    tree = Tree(hop, 'python')
    for at, how in enumerate(lies):
        to = place / str(at)
        if '-r' in words:
            to.mkdir()
            (to / 'linked').symlink_to(outside)
        else:
            to.write_text('old')
        way = tree.way_by(smuggler, how, outside, name=f'liar{at}')
        # What lies is no hopvine, so it is reached as Python would be.
        result = tree('put', 'local:r/local:b', '--from', way, '--json', *words, '/asked/for', to)
        assert not result.only['ok'] or result.only['value']['sha1sum'] != sha1(smuggler.BAD), (how, result)
        assert contents(outside) == {b'secret': (0o644, b'kept')} and not list(hop.scratch.rglob('smuggled')), (how, result)
        if '-r' not in words:
            assert not to.is_symlink() and to.read_bytes() in (b'old', *[smuggler.BAD] * (how in smuggler.WHOLE_FIRST)), (how, result)


def test_an_honest_stand_in_is_believed(hop, place):
    way = Tree(hop, 'python').way_by(smuggler, 'honest', place)
    result = hop('put', '-w', 'local:b', '--from', way, '/asked/for', place / 'file')
    assert (place / 'file').read_bytes() == smuggler.BAD, result


def test_one_target_on_each_of_several_relays(tree, source, place):
    """Nothing comes to a hop on the way before it is what it is to be."""
    result = tree('put', 'local:r/local:m[1-3]/local:t', '--json', source, place / 'file')
    assert result.rc == 0 and len(result.json) == 3 and (place / 'file').read_bytes() == source.read_bytes(), result


def test_a_branch_that_cannot_be_reached_takes_nothing_from_the_others(tree, source, place):
    tree.hop.way_in('false {}', 'gone')
    result = tree('put', 'local:r/exec:gone/local:c[1-2],local:r/local:d', '--json', source, place / 'file')
    told = {name: each['ok'] for name, each in result.json.items()}
    assert told == {'local:r/exec:gone/local:c1': False, 'local:r/exec:gone/local:c2': False, 'local:r/local:d': True}, result


def test_one_that_cannot_be_started_holds_up_nobody(tree, source, place):
    tree.hop.way_in('/no/such/program {}', 'nothere')
    result = tree('put', 'local:r/exec:nothere,local:r/local:d', '--json', source, place / 'file')
    assert result.json['local:r/local:d']['ok'] and result.seconds < 8, result


@pytest.mark.parametrize('words', [['-f', '1'], ['--serial', '1'], ['--retries', '1']])
def test_a_source_that_is_not_reached_is_told_for_each(tree, place, words):
    tree.hop.way_in('false {}', 'gone')
    result = tree('put', 'local:r/local:a,local:r/local:b', '--from', 'exec:gone', '--json', *words, '/etc/hostname', place / 'x')
    assert len(result.json) == 2 and all('exec:gone' in str(each['error']) for each in result.json.values()), result


def test_a_context_that_is_named_twice_is_sent_to_twice(tree, place):
    result = tree('put', 'local:r/local:a,local:r/local:%61', '--from', 'local:r/local:s', '/etc/hostname', place / 'x')
    assert result.rc == 0 and len(result.lines) == 2, result


def test_what_does_not_come_in_time_has_timed_out_and_the_relay_lives(tree, members, place):
    where = ','.join(f'local:r/{way}' for way in members('a', 'b'))
    live = tree.start('put', where, '-t', '1', '--json', '-', 'file', stdin=PIPE)
    live.feed(b'begin')
    result = live.finish(30)
    assert {each['error']['kind'] for each in result.json.values()} == {'timed_out'} and 'was ended' not in result.said, result


def test_more_hosts_than_work_at_a_time_take_turns_together(tree, counted, source, place):
    result = tree('put', f'{counted.hop}/local:c[1-8]', '-f', '4', source, place / 'file')
    down, _ = counted.bytes()
    assert result.rc == 0 and down < 2 * SIZE + OVERHEAD_BYTES, down


@pytest.mark.alone
def test_an_interrupt_is_seen_while_a_thousand_are_started(hop, place):
    """All at once, as some of them share what they are sent."""
    endless = hop.scratch / 'endless'
    endless.touch()
    os.truncate(endless, 1 << 43)
    where = 'local:r/local:a,local:r/local:b,local:c[1-1000]'
    live = hop.start('put', '-w', where, '-f', '1024', '--json', endless, env={'TMPDIR': str(place)})
    until(live, lambda: len(children(live.pid)) > 5)
    began = time.monotonic()
    live.signal(signal.SIGINT)
    result = live.finish(30)
    assert result.rc == 130 and time.monotonic() - began < 3, (time.monotonic() - began, result)


def test_credit_that_is_none_harms_no_other_member(tree, place):
    way = tree.way_by(smuggler, 'odd credit', place, name='liar')
    result = tree('put', f'local:r/{way},local:r/local:b', '--json', '-', place / 'file', stdin=noise(SIZE))
    told = {name.split('/')[1]: each['ok'] for name, each in result.json.items()}
    assert told == {way: False, 'local:b': True} and 'enough' in str(result.json), result
    assert (place / 'file').read_bytes() == noise(SIZE)


@pytest.mark.parametrize('words', [[], ['--from', '{}/local:s']], ids=['from here', 'from a sibling'])
def test_a_relay_that_joins_no_streams_is_told_for_each(tree, source, place, words):
    way = tree.way_by(midway, 'refuse', '-')
    words = [word.format(way) for word in words]
    result = tree('put', f'{way}/local:a,{way}/local:b', *words, '--json', source, place / 'file')
    errors = [each['error']['message'] for each in result.json.values()]
    assert len(errors) == 2 and all('does not join streams' in error for error in errors), result
    assert result.rc == 5 and not (place / 'file').exists() and result.seconds < 8, result


def test_what_is_to_be_told_of_a_source_is_told_once(tree, members, place):
    folder = tree.hop.scratch / 'tree'
    folder.mkdir()
    os.mkfifo(folder / 'fifo')
    where = ','.join(f'local:r/{way}' for way in members('a', 'b', 'c'))
    for words, host in (([], ''), (['--from', 'local:r/local:s'], 'local:r/local:s: ')):
        result = tree('put', where, '-r', *words, folder, 'tree')
        told = [line for line in result.said.splitlines() if 'is no file, and is left out' in line]
        assert result.rc == 0 and told == [f'hopvine: {host}{folder}/fifo is no file, and is left out'], result


@pytest.mark.parametrize('count', [8])
def test_slow_members_have_what_waits_for_them_together(tree, members, place, count):
    """Each may be some mebibytes behind; a relay keeps these once."""
    names = [f'm{n}' for n in range(count)]
    ways = members('r', *names)
    where = ','.join(f'{ways[0]}/{way}' for way in ways[1:])
    live, piece = tree.start('put', where, '--keepalive', '60s', '-', 'file', stdin=PIPE), noise(1 << 20)
    for _ in range(30):
        live.feed(piece)
    until(live, lambda: all(agent_of(place / name) for name in names))
    agents = [agent_of(place / name) for name in names]
    for pid in agents:
        os.kill(pid, signal.SIGSTOP)
    try:
        os.set_blocking(live.popen.stdin.fileno(), False)
        while select.select([], [live.popen.stdin], [], 0.3)[1]:
            live.popen.stdin.write(piece)
        used = peak_bytes(agent_of(place / 'r'))
    finally:
        for pid in agents:
            os.kill(pid, signal.SIGCONT)
    live.signal(signal.SIGINT)
    assert live.finish(10).rc == 130 and used < ROOM_BYTES, used
