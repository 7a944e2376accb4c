"""Whatever goes wrong at a hop is told with that hop's name, once for each target behind it, and harms no other."""

import os
import signal

import pytest

from harness.pythons import oldest_and_newest
from harness.tree import by, escaped

EACH = pytest.mark.parametrize('python', oldest_and_newest(), ids=repr)
TITLE = 'hopvine:tree'

# What a way in does instead of starting an agent: the script, the kind of the error, what is said of it.
FAILING = {
    'ends': ('echo one >&2; echo two; exit 3', 'start_failed', 'ended with status 3', ['one', 'two']),
    'is killed': ('echo one >&2; kill -KILL $$', 'start_failed', 'killed by signal 9 (SIGKILL)', ['one']),
    'finds no such program': ('exec /no/such/program', 'no_python', 'no Python found', ['/no/such/program']),
    'prints for ever': ('exec yes noise', 'noise', 'not ours', ['noise']),
    'echoes': ('exec cat', 'connect_timeout', 'no answer within 2s', []),
    'never answers': ('exec sleep 1000', 'connect_timeout', 'no answer within 2s', []),
}
WAYS = pytest.mark.parametrize('how', FAILING)
QUICK = '--connect-timeout', '2'
# These take all of that time: together.
SLOW = 'echoes', 'never answers'


@pytest.fixture
def failing(hop):
    return lambda how: hop.way_through(FAILING[how][0] + '\n', f'bad{list(FAILING).index(how) or ""}')


@pytest.fixture(scope='module')
def seen():
    return {}


@pytest.fixture
def fared(tree, failing, seen):
    """`fared(how, words)`: the way, and the result of a call with `words(way)`."""
    def fared(how, words):
        if (tree.relay, words, how) not in seen:
            ways = {each: failing(each) for each in (SLOW if how in SLOW else [how])}
            lives = {each: tree.start('call', *words(way), *QUICK, '--json', 'time:time') for each, way in ways.items()}
            seen.update({(tree.relay, words, each): (ways[each], live.finish()) for each, live in lives.items()})
        return seen[tree.relay, words, how]
    return fared


def check(error, how, hop_name):
    _, kind, message, said = FAILING[how]
    assert error['kind'] == kind and message in error['message'], error
    assert error['message'].startswith(f'{hop_name}: '), error
    shown = '\n'.join(error.get('said', []))
    assert all(words in shown for words in said), error


# Each hop's failure is named.

BESIDE_IT = ['local:a', 'local:a/local:x', 'local:a/local:b/local:y']


def behind(way):
    return [f'local:a/{way}', f'local:a/{way}/local:b', f'local:a/local:b/{way}/local:c/local:d']


def in_the_middle(way):
    return [','.join(behind(way) + BESIDE_IT)]


def at_the_beginning(way):
    return ['local:c[1-5],local:d/local:e', '--via', way]


@WAYS
def test_a_failing_hop_is_named_and_those_beside_it_are_not_harmed(fared, how):
    way, result = fared(how, in_the_middle)
    assert result.rc == 4 and set(result.json) == {*behind(way), *BESIDE_IT}, result
    for target in behind(way):
        check(result.json[target]['error'], how, way)
    assert all(result.json[target]['ok'] for target in BESIDE_IT), result


@WAYS
def test_a_first_hop_that_fails_is_named_to_every_target_behind_it(fared, how):
    way, result = fared(how, at_the_beginning)
    assert result.rc == 4 and len(result.json) == 6, result
    for told in result.json.values():
        check(told['error'], how, way)


EQUAL = '[ ${INSIDE:-0} = 1 ] && exit 3\nINSIDE=$((${INSIDE:-0} + 1)) exec sh -c "$1"\n'


@pytest.mark.parametrize('path', ['{}/local:b', '{}/local:b/{}', '{}/{}/local:b', 'local:a/{}/{}/{}'])
def test_of_several_hops_of_one_name_it_is_told_which_has_failed(tree, path):
    """The first is entered, and the second fails; where there is one, it is the first."""
    several = path.count('{}') > 1
    way = tree.hop.way_through(EQUAL if several else 'exit 3\n', 'same')
    target = path.format(*[way] * 3)
    message = tree('call', target, '--json', 'time:time').only['error']['message']
    hops = target.split('/')
    place = f' (hop {hops.index(way, hops.index(way) + 1) + 1} of {len(hops)})' if several else ''
    assert message.startswith(f'{way}{place}: ended with status 3'), message


def test_the_first_of_several_hops_of_one_name_is_told_as_such(tree, failing):
    way = failing('ends')
    message = tree('call', f'{way}/local:b/{way}', '--json', 'time:time').only['error']['message']
    assert message.startswith(f'{way} (hop 1 of 3): '), message


def test_people_are_told_the_target_and_the_hop_and_what_was_said(tree, failing):
    way = failing('ends')
    result = tree('call', f'local:a/{way}/local:b', 'time:time')
    assert (result.rc, result.out) == (255, b''), result
    first, *rest = result.said.splitlines()
    assert first.startswith(f'hopvine: local:a/{way}/local:b: {way}: ended with status 3'), result
    assert [line.split()[-1] for line in rest[:2]] == ['one', 'two'], result


def test_a_program_that_a_relay_does_not_have_is_told_as_such(tree):
    way = tree.hop.way_in('/no/such/program {}')
    result = tree('call', f'local:a/{way}/local:b,local:a/local:c', '--json', 'time:time')
    error = result.json[f'local:a/{way}/local:b']['error']
    assert error['kind'] == 'spawn_failed' and result.json['local:a/local:c']['ok'], result
    assert error['message'].startswith(f'{way}: cannot run /no/such/program: No such file or directory'), error


def test_a_program_that_a_relay_may_not_run_is_told_as_such(tree):
    path = tree.hop.scratch / 'program'
    path.write_text('words')
    way = tree.hop.way_in(f'{path} {{}}')
    error = tree('call', f'local:a/{way}', '--json', 'time:time').only['error']
    assert error['kind'] == 'spawn_failed' and 'Permission denied' in error['message'], error


@pytest.mark.parametrize('path', ['local:a/local:b{}', 'local:a/local:b{}/local:c', 'local:a{}/local:b/local:c'])
def test_an_interpreter_that_is_not_there_is_named_with_its_hop(agents, path):
    typed = path.format('?python=' + escaped('/no/such/python9'))
    error = agents('call', typed, '--json', 'time:time').only['error']
    bad = 'local:b' if 'b{}' in path else 'local:a'
    assert error['kind'] == 'no_python' and '/no/such/python9' in error['message'], error
    assert error['message'].startswith(f'{bad}: '), error


def test_failures_of_ssh_behind_a_relay_are_told_as_those_of_ssh_itself(tree, ssh, refusing):
    unknown = f'{"x" * 64}.invalid'
    hops = {refusing: 'refused', unknown: 'unknown_host', ssh.alias('stranger', PubkeyAuthentication='no'): 'auth_failed',
            ssh.alias('keyless', UserKnownHostsFile='/dev/null'): 'host_key_unknown'}
    targets = [f'local:a/ssh:{hop}' for hop in hops]
    result = tree('call', ','.join(targets), '--json', 'time:time')
    kinds = {told['error']['message'].split(':')[1]: told['error']['kind'] for told in result.json.values()}
    assert kinds == hops, result


# Noise

NOISES = {
    'a motd': 'seq 1 5000; exec sh -c "$1"',
    'a line of 100 KB': 'head -c 100000 /dev/zero | tr "\\0" x; exec sh -c "$1"',
    'a late write': '(read x <{late}; printf "late\\n") & exec sh -c "$1"',
    'words on standard error': 'seq 1 5000 >&2; exec sh -c "$1"',
}


@EACH
@pytest.mark.parametrize('noise', NOISES)
def test_noise_at_a_hop_behind_a_relay_changes_nothing(tree, fifo, python, noise):
    gate, bell, late = fifo('gate'), fifo('bell'), fifo('late')
    way = tree.hop.way_through(NOISES[noise].format(late=late) + '\n')
    path = f'{by(python, "a")}/{way}/local:c'
    live = tree.start('call', path, '--path', tree.hop.remote, 'branches:waiting', bell, gate, TITLE, '--name', TITLE,
                      '-v')
    bell.read_lines(1)
    if 'late' in noise:
        late.write(b'now\n')
        live.until(b"skipped what is not ours", 'err')
    gate.write(b'now\n')
    assert live.finish().out == b'"well"\n'


# What ends a relay

class Waiting:
    """Calls at several targets that wait for a gate, and the lines of pids above them."""

    def __init__(self, tree, fifo, targets):
        self.bell, self.gate = fifo('bell'), fifo('gate')
        self.targets = targets
        self.live = tree.start('call', ','.join(targets), '--path', tree.hop.remote, '--json', '--name', TITLE,
                               'branches:waiting', self.bell, self.gate, TITLE)
        self.lines = [list(map(int, line.split())) for line in self.bell.read_lines(len(targets))]

    def relay(self, depth):
        """The agent at that depth that most of the calls are behind, and its watchdog."""
        at = [tuple(line[::-1][2 * depth - 2:2 * depth]) for line in self.lines if len(line) >= 2 * depth]
        watchdog, agent = max(set(at), key=at.count)
        return agent, watchdog

    def open(self):
        self.gate.write(b'now\n' * len(self.targets))
        return self.live.finish()


BEHIND = ['local:a/local:b/local:c', 'local:a/local:b/local:d', 'local:a/local:b/local:e/local:f', 'local:a/local:b']
BESIDE = ['local:a', 'local:a/local:x', 'local:y/local:b']


@pytest.mark.parametrize('which', ['agent', 'watchdog'])
def test_a_relay_that_is_killed_costs_those_behind_it_one_error_each(agents, fifo, which):
    waiting = Waiting(agents, fifo, BEHIND + BESIDE)
    agent, watchdog = waiting.relay(2)
    os.kill(agent if which == 'agent' else watchdog, signal.SIGKILL)
    for _ in BEHIND:
        waiting.live.until(b'link_lost')
    result = waiting.open()
    assert result.rc == 4 and set(result.json) == {*BEHIND, *BESIDE}, result
    for target in BEHIND:
        error = result.json[target]['error']
        assert error['kind'] == 'link_lost' and error['message'].startswith('local:b: '), error
        assert 'killed by signal 9 (SIGKILL)' in error['message'], error
    assert all(result.json[target]['value'] == 'well' for target in BESIDE), result


def test_a_call_that_ends_its_process_in_a_relay_takes_those_behind_it_along(tree, fifo):
    """The relay runs calls too; one of them exits."""
    gate, bell = fifo('gate'), fifo('bell')
    code = ('import os, sys\nif os.environ.get("DOOMED"):\n    open(sys.argv[2]).readline()\n    os._exit(3)\n'
            'bell = open(sys.argv[1], "w")\nbell.write("up\\n")\nbell.close()\nos.read(os.open(sys.argv[3], 0), 4)\n')
    tree.hop.write('job.py', code)
    other = fifo('other')
    way = tree.hop.way_in('env DOOMED=1 sh -c {}', 'doomed')
    inner = tree.hop.way_in('env -u DOOMED sh -c {}', 'inner')
    live = tree.start('script', f'{way},{way}/{inner},local:z', '--json', 'job.py', bell, gate, other)
    bell.read_lines(2)
    gate.write(b'now\n')
    live.until(b'link_lost')
    other.write(b'now\n' * 2)
    result = live.finish()
    assert result.json['local:z']['rc'] == 0 and result.json[way]['rc'] == 3, result
    error = result.json[f'{way}/{inner}']['error']
    assert error['kind'] == 'link_lost' and error['message'].startswith(f'{way}: '), error
    assert 'ended with status 3' in error['message'], error


# Exit codes

@pytest.mark.parametrize('targets, command, status', [
    ('local:a/local:b', 'exit 7', 7),
    ('local:a/local:b', 'kill -TERM $$', 143),
    ('local:a/exec:bad', 'true', 255),
    ('exec:bad/local:b', 'true', 255),
    ('local:a/local:[b-c]', 'true', 2),
    ('local:a/local:b,local:a/local:c', 'exit 7', 5),
    ('local:a/local:b,local:a/exec:bad', 'exit 7', 4),
    ('local:a/local:b,exec:bad/local:c', 'true', 4),
    ('local:a/local:b,local:a', 'true', 0)])
def test_the_exit_status_is_that_of_any_target(tree, failing, targets, command, status):
    failing('ends')
    assert tree.run(targets, command).rc == status


def test_a_call_out_of_time_at_the_end_of_a_chain_is_told_as_such(tree, fifo):
    gate, bell = fifo('gate'), fifo('bell')
    words = '--path', tree.hop.remote, '--json', '-t', '1s', 'branches:waiting', bell, gate, TITLE
    result = tree('call', 'local:a/local:b/local:c', *words)
    assert result.rc == 124 and result.only['error']['kind'] == 'timed_out', result


# Targets that cannot be meant

@pytest.mark.parametrize('target', ['local:a/', '/local:a', 'local:a//local:b', 'local:a/nothing:b', 'local:a/exec:unknown'])
def test_a_path_with_a_hop_that_is_none_is_wrong_usage_and_starts_nothing(tree, target):
    result = tree.run(f'local:x,{target}', 'echo hi')
    assert result.rc == 2 and result.out == b'', result


@pytest.mark.parametrize('option', ['--via', '--become'])
@pytest.mark.parametrize('value', ['local:a/', 'nothing:b', 'local:a,local:b', 'local:a[1-2]'])
def test_a_way_that_is_none_is_wrong_usage_and_names_its_option(tree, option, value):
    result = tree('run', 'local:x', option, value, '--', 'true')
    assert result.rc == 2 and f'hopvine: {option} ' in result.said, result


@pytest.mark.parametrize('other', ['root', 'sudo'])
def test_to_become_somebody_takes_a_transport(tree, other):
    result = tree('run', 'local:x', '--become', other, '--', 'true')
    assert result.rc == 2 and 'sudo:root' in result.said, result
