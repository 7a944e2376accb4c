"""Remote code that opens tunnels of its own, with the package that scripts use: to contexts below its own, and nowhere else."""

import pytest

from harness.process import exits
from harness.pythons import discover, oldest_and_newest

EVERY = pytest.mark.parametrize('python', discover(), ids=repr)
ENDS = pytest.mark.parametrize('python', oldest_and_newest(), ids=repr)
REFUSED = 'code may lead {} levels deep (--depth-limit)'


@pytest.fixture
def lead(hop):
    """Calls a function of remote/leading.py in a first context, `local:` if no other is named."""
    def lead(python, function, *words, target='local:', **options):
        by = ['--python', python.path] if python else []
        return hop.call(target, f'leading:{function}', *words, *by, **options)
    return lead


# How deep

@EVERY
def test_remote_code_calls_a_context_below_its_own(lead, python):
    result = lead(python, 'descend', 'local:a')
    assert result.rc == 0 and result.err == b'' and len(set(result.value)) == 2, result


@ENDS
def test_a_third_level_is_refused_with_its_path_and_nothing_is_left(lead, python):
    result = lead(python, 'descend', 'local:a', 'local:b')
    refused = 'refused: local: -> local:a -> local:b: ' + REFUSED.format(2)
    assert result.rc == 1 and f'DepthLimitExceeded: local:b: {refused}' in result.said, result


@ENDS
def test_a_third_level_is_for_who_asks_for_it(lead, python):
    result = lead(python, 'descend', 'local:a', 'local:b', '--depth-limit', '3')
    assert result.rc == 0 and len(set(result.value)) == 3, result
    result = lead(python, 'descend', 'local:a', 'local:b', 'local:c', '--depth-limit', '3')
    assert 'local: -> local:a -> local:b -> local:c: ' + REFUSED.format(3) in result.said, result


def test_the_limit_that_a_script_sets(scripts):
    result = scripts(discover()[-2], '''
def recursive(depth):
    with Local() as tunnel:
        return 1 + tunnel.call(recursive, depth + 1)
def limited(depth):
    if depth == 0:
        return 0
    with Local() as tunnel:
        return 1 + tunnel.call(limited, depth - 1)
with here('a') as tunnel:
    try:
        tunnel.call(recursive, 0)
    except RemoteException as error:
        print('local:a -> ' in str(error), 'DepthLimitExceeded' in str(error))
hopvine.DEPTH_LIMIT = 3
with here('b') as tunnel:
    print(tunnel.call(limited, 2))
''')
    assert result.lines == ['True True', '2'] and result.said.count('\n') == 1 and REFUSED.format(2) in result.said, result


@pytest.mark.parametrize('first, target', [('local:', 'ssh:h1'), ('ssh:h1', 'local:x'), ('ssh:h1', 'local:x/local:y'),
                                           ('local:', 'sudo:nobody'), ('sudo:nobody', 'local:x')])
def test_through_ssh_and_other_users(lead, ssh, need, first, target):
    if 'sudo' in first + target:
        need('sudo')
    result = lead(None, 'descend', target, target=first)
    assert result.rc == 0 and len(set(result.value)) == 2, result


def test_behind_each_kind_of_relay(tree):
    result = tree.remote('local:a/local:b', 'leading:descend', 'local:c/local:d')
    assert result.rc == 0 and len(set(result.value)) == 2, result


@ENDS
def test_a_child_of_the_same_machine_runs_the_same_interpreter(lead, python):
    other = [each for each in oldest_and_newest() if each is not python][0]
    own, others = [[int(number) for number in each.version.split('.')[:2]] for each in (python, other)]
    assert lead(python, 'below', 'local:a', 'version').value == own
    assert lead(python, 'versions', other.path).value == [own, others]


def test_a_call_in_a_process_of_its_own_opens_none(lead):
    result = lead(None, 'descend', 'local:a', '--own', 'process')
    assert 'a call in a process of its own opens no tunnels; have it called without' in result.said, result


# What comes from there

@EVERY
def test_what_is_printed_and_logged_below_comes_with_the_call(lead, python):
    result = lead(python, 'below', 'local:a', 'says', 'words')
    assert result.out == b'"words"\n', result
    for line in 'local:a: words\n', 'local:a: error words\n', 'logged words\n':
        assert result.said.count(line) == 1, result


@ENDS
def test_errors_come_with_all_that_is_told_of_them(lead, python):
    value = lead(python, 'hears', 'local:a', 'on purpose').value
    assert value == ['LookupError', 'on purpose', {'mark': 7}, True, 'local:a: LookupError: on purpose'], value
    result = lead(python, 'below', 'local:a', 'raises', 'on purpose')
    assert result.rc == 1 and 'RemoteException: local:a: LookupError: on purpose' in result.said, result


@ENDS
def test_a_call_that_takes_too_long_is_stopped_and_the_next_one_runs(lead, python):
    assert lead(python, 'too_long').value == ['a: no result within 0.3 s', True, True]


@ENDS
def test_what_was_stopped_there_is_put_in_order_before_its_context_ends(lead, fifo, python):
    done = fifo('done')
    assert lead(python, 'cuts_short', str(done)).value == 'a: no result within 1.0 s'
    assert done.read_lines(1) == ['clean']


@ENDS
def test_children_work_at_the_same_time(hop, fifo, python):
    bell, gate = fifo('bell'), fifo('gate')
    live = hop.start('call', '-w', 'local:', '--python', python.path, '--path', hop.remote, 'leading:together', '4',
                     str(bell), str(gate))
    assert bell.read_lines(4) == ['there'] * 4
    gate.write(b'....')
    result = live.finish()
    assert result.value == [4, 0], result


@ENDS
def test_a_cancelled_call_cancels_what_it_waits_for_below(hop, fifo, python):
    bell = fifo('bell')
    live = hop.start('call', '-w', 'local:', '-t', '2', '--python', python.path, '--path', hop.remote, 'leading:below', 'local:a', 'hangs',
                     str(bell))
    pid, = bell.read_lines(1)
    result = live.finish(10)
    assert result.rc == 124, result
    assert exits(int(pid), live.started + 15)


@EVERY
def test_commands_files_generators_and_channels(lead, tmp_path, python):
    assert lead(python, 'runs', 'cat; echo no >&2; exit 3', 'words').value == [3, 'words', 'no\n']
    told = lead(python, 'moves', str(tmp_path)).value
    assert told[:4] == [[size, size, True, True] for size in (0, 1, 70000, 5000000)], told
    assert [line.split(': ')[1:] for line in told[4:7]] == [
        ['/nowhere/x', 'No such file or directory'], ['/nowhere/y', 'No such file or directory'],
        ['/nowhere/z', 'No such file or directory']], told
    assert told[7] == ['nowhere', 40000]
    assert lead(python, 'iterates', 'local:a', '300').lines == [str(2 * number) for number in range(300)]
    assert lead(python, 'talks', '[1, "two", {"three": null}]').value == [[[1], ['two'], [{'three': None}]], 'the end']
    assert lead(python, 'selects').value == ['S0', 'S1', 'S2', 's0', 's1', 's2']


@ENDS
def test_what_is_sent_at_once_comes_behind_the_beginning(lead, python):
    assert lead(python, 'talks_at_once', 'words').value == [['words'], 'the end']


@ENDS
def test_a_slow_reader_stops_a_function_below(lead, python):
    sent, how = lead(python, 'reads_little').value
    assert sent * 10000 < 200000 and how == 'ChannelClosed', sent


@ENDS
def test_a_context_that_ends_is_told_and_comes_anew(lead, python):
    said, anew, other = lead(python, 'loses').value
    assert said.startswith('a: ') and 'ended with status 7' in said and anew and other, said


@ENDS
@pytest.mark.parametrize('target', ['local:a', 'local:a/local:b'])
def test_closing_ends_a_context_and_the_way_to_it(lead, python, target):
    parents, left = lead(python, 'closes', target).value
    assert parents >= 1 and left == []
