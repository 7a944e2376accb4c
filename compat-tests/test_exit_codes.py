"""What the calling shell learns: one status for the run."""

import re

import pytest

# What a host does is told by its way in, so that one command can end differently on each.
COMMAND = '[ -z "$LATE" ] || exec sleep 1000; exit ${CODE:-0}'


@pytest.fixture
def targets(hop, refusing):
    failing = hop.way_in('env CODE=9 sh -c {}', 'failing')
    late = hop.way_in('env LATE=1 sh -c {}', 'late')
    return {'well': 'local:', 'well2': 'local:2', 'failing': failing, 'late': late, 'dead': refusing}


@pytest.mark.parametrize('hosts, status', [
    ('well', 0), ('failing', 9), ('late', 124), ('dead', 255),
    ('well well2', 0), ('well failing', 5), ('well late', 3), ('well dead', 4),
    ('failing late', 3), ('failing dead', 4), ('late dead', 4), ('well failing late dead', 4)])
def test_a_run_tells_the_worst_that_happened(hop, targets, hosts, status):
    spec = ','.join(targets[name] for name in hosts.split())
    result = hop('run', '-w', spec, '-t', '600ms', '--', COMMAND)
    assert result.rc == status, result


@pytest.mark.parametrize('target, function, status', [
    ('local:', 'time:time', 0), ('local:', 'failing:with_value_error', 1), ('local:', 'failing:by_exit', 1),
    ('local:c[1-2]', 'time:time', 0), ('local:c[1-2]', 'failing:with_value_error', 5)])
def test_a_call_tells_whether_it_came_back(hop, target, function, status):
    assert hop.call(target, function).rc == status


def test_a_call_that_cannot_connect_is_255(hop, refusing):
    assert hop.call(refusing, 'time:time').rc == 255


@pytest.mark.parametrize('words', [
    [], ['no-such-command'], ['run', '--no-such-flag', '-w', 'local:', '--', 'true'],
    ['run', '--', 'true'], ['run', '-w', '', '--', 'true'], ['run', '-w', ',', '--', 'true'],
    ['run', '-w', 'local:'], ['run', '-w', 'local:', '--'],
    ['call', '-w', 'local:'], ['call', '-w', 'local:', 'no_colon'],
    ['call', '-w', 'local:', 'm:f', '--kw', 'no_equals_sign'], ['call', '-w', '', 'time:time'],
    ['run', '-w', 'web[1-', '--', 'true'], ['run', '-w', 'c[3-1]', '--', 'true'],
    ['run', '-w', 'bogus:x', '--', 'true'], ['run', '-w', 'ssh:', '--', 'true'],
    ['run', '-w', 'ssh:h1?no_such_option=1', '--', 'true'],
    ['run', '-w', 'ssh:h1?port=many', '--', 'true'], ['run', '-w', 'local:%zz', '--', 'true'],
    ['run', '-w', 'exec:not_in_the_inventory', '--', 'true'], ['run', '-w', 'local:', '-t', 'soon', '--', 'true'],
    ['run', '-w', 'local:', '-t', '-1', '--', 'true'], ['run', '-w', 'local:', '-f', '0', '--', 'true'],
    ['run', '-w', 'local:', '--color', 'blue', '--', 'true'],
    ['run', '-w', 'local:', '-i', 'missing.toml', '--', 'true'],
    ['call', '-w', 'local:', '--path', 'missing', 'm:f'],
], ids=' '.join)
def test_a_mistake_in_what_was_typed_is_2_and_runs_nothing(hop, words):
    result = hop(*words)
    assert result.rc == 2 and result.out == b'' and result.err, result
    assert result.seconds < 2, result


WAY = ('-k --ask-login -K --ask-become --secret-file --secret-command --secret-env --connect-timeout --python -i --inventory '
       '--keepalive --agent --relay --max-hops --name -v --verbose')
# What the verbs take that run nothing on hosts themselves.
TAKEN = {
    'up': f'-w -x --via --become {WAY} --persist --json -f --fanout',
    'down': '-w -x --via --become -i --inventory',
    'ps': '--json',
    'fakessh': f'--via --become {WAY} --persist --no-session --to --on',
    'doctor': f'-w -x --via --become {WAY} --json --color',
}


def options(hop, verb):
    shown = re.findall(r'^ +(-.+?)(?:  |$)', hop(verb, '--help').text, re.MULTILINE)
    return {word for line in shown for word in re.findall(r'(?<![\w-])-{1,2}[A-Za-z][a-z-]*', line)} - {'-h', '--help', '-V', '--version'}


@pytest.mark.parametrize('verb', TAKEN)
def test_an_option_that_a_verb_does_not_use_is_none_of_it(hop, verb):
    taken, all_there_are = options(hop, verb), set.union(*(options(hop, each) for each in ['run', 'put', 'queue', *TAKEN]))
    assert taken == set(TAKEN[verb].split()) and len(all_there_are) > 40
    for option in all_there_are - taken:
        result = hop(verb, option)
        assert (result.rc, result.out) == (2, b'') and f"unexpected argument '{option}' found" in result.said, result


def test_an_empty_list_of_hosts_is_never_all_of_them(hop):
    result = hop('run', '-w', '', '-w', 'local:', '--', 'echo ran')
    assert result.rc == 2 and b'ran' not in result.out, result


@pytest.mark.parametrize('words', [['--help'], ['run', '--help'], ['call', '--help'], ['--version']], ids=' '.join)
def test_help_is_a_result_and_not_a_mistake(hop, words):
    result = hop(*words)
    assert result.rc == 0 and result.out and result.err == b'', result
