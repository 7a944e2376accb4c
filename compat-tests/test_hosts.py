"""Naming hosts, and telling their answers apart."""

import collections

import pytest


def by_host(result, stream='out'):
    """What each host printed, from lines `host: line`."""
    shown = collections.defaultdict(list)
    for line in getattr(result, stream).decode().splitlines():
        host, colon, rest = line.partition(': ')
        assert colon, result
        shown[host].append(rest)
    return dict(shown)


@pytest.mark.parametrize('spec, names', [
    (['local:c[1-3]'], ['local:c1', 'local:c2', 'local:c3']),
    (['local:n[08-10]'], ['local:n08', 'local:n09', 'local:n10']),
    (['local:n[1,3,5-6]'], ['local:n1', 'local:n3', 'local:n5', 'local:n6']),
    (['local:a,local:b'], ['local:a', 'local:b']),
    (['local:a', 'local:b'], ['local:a', 'local:b']),
    (['local:,local:a'], ['local', 'local:a']),
    (['local:a,local:a', 'local:b'], ['local:a', 'local:b']),
])
def test_a_list_of_hosts_is_expanded_and_each_runs_once(hop, spec, names):
    words = [word for each in spec for word in ('-w', each)]
    result = hop('run', *words, '--', 'echo hi')
    assert result.rc == 0 and by_host(result) == {name: ['hi'] for name in names}, result


def test_several_hosts_over_ssh_answer_under_the_names_typed(hop, ssh):
    result = hop.run('h[1-4],ssh:h5', 'echo $SSH_CONNECTION | cut -d" " -f3')
    assert by_host(result) == {f'h{n}': [f'127.0.0.{n}'] for n in range(1, 6)}, result


def test_a_single_host_has_no_prefix(hop):
    assert hop.run('local:c[1-1]', 'echo hi').out == b'hi\n'


def test_stdout_and_stderr_are_prefixed_apart(hop):
    result = hop.run('local:c[1-2]', 'echo out; echo err >&2')
    assert by_host(result) == {'local:c1': ['out'], 'local:c2': ['out']}, result
    assert by_host(result, 'err') == {'local:c1': ['err'], 'local:c2': ['err']}, result


def test_a_partial_last_line_is_completed_so_that_prefixes_stay_at_line_starts(hop):
    result = hop.run('local:c[1-2]', "printf 'one\\ntwo'")
    assert by_host(result) == {'local:c1': ['one', 'two'], 'local:c2': ['one', 'two']}, result
    assert result.out.endswith(b'\n')


def test_lines_of_hosts_that_print_at_once_stay_whole_and_in_order(hop):
    result = hop.run('local:c[1-8]', 'i=0; while [ $i -lt 500 ]; do echo "line $i of many"; i=$((i+1)); done')
    expected = [f'line {n} of many' for n in range(500)]
    assert by_host(result) == {f'local:c{n}': expected for n in range(1, 9)}


def test_calls_on_several_hosts_are_keyed_by_name(hop, ssh):
    result = hop.call('h[1-3],local:a', 'operator:add', '2', '3')
    assert result.rc == 0 and by_host(result) == {host: ['5'] for host in ('h1', 'h2', 'h3', 'local:a')}, result


def test_sixty_four_local_hosts_answer(hop):
    result = hop.call('local:c[1-64]', 'presence:pid', '--json')
    assert len({each['value'] for each in result.json.values()}) == 64


def test_one_dead_host_does_not_touch_the_others(hop, ssh, refusing):
    result = hop.run(f'h1,{refusing},h2', 'echo hi')
    assert by_host(result) == {'h1': ['hi'], 'h2': ['hi']}, result
    assert result.rc == 4 and f'hopvine: {refusing}: ' in result.said, result


def test_a_fan_out_of_one_runs_them_one_after_another(hop):
    held = hop.scratch / 'held'
    result = hop('run', '-w', 'local:c[1-6]', '-f', '1', '--', f'mkdir {held} && echo alone; rmdir {held}')
    assert result.rc == 0 and set(map(tuple, by_host(result).values())) == {('alone',)}, result


def test_hosts_run_at_the_same_time(hop, fifo):
    """Each waits until all the others have come, which one after another would never end."""
    here, gate = fifo('here'), fifo('gate')
    live = hop.start('run', '-w', 'local:c[1-5]', '--', f'echo here >{here}; read x <{gate}; echo met')
    here.read_lines(5)
    gate.write(b'go\n' * 5)
    assert by_host(live.finish()) == {f'local:c{n}': ['met'] for n in range(1, 6)}


@pytest.mark.parametrize('target', ['ssh:127.0.0.1?port={port}&user={user}', 'ssh:{user}@h1', 'ssh:h1?user={user}',
                                    'ssh:h1?opt=StrictHostKeyChecking=no', 'ssh:unknown?opt=StrictHostKeyChecking=no',
                                    'ssh:h1?opt=StrictHostKeyChecking%3Dno&opt=Compression=yes'])
def test_options_of_a_target_reach_ssh(hop, ssh, target):
    ssh.alias('unknown', UserKnownHostsFile='/dev/null')
    named = target.format(port=ssh.port, user=ssh.accounts.user)
    result = hop.run(named, 'echo hi')
    assert (result.rc, result.out) == (0, b'hi\n'), result


@pytest.mark.parametrize('typed, said', [
    ('ssh:a?opt=ProxyCommand=x y&opt=Foo=1', 'a blank is %20, & is %26'), ('sudo:?x', 'options of a target are ?NAME=VALUE'),
    ('nobody*', 'names that are known')])
def test_who_names_no_host_by_a_slip_is_told_how_it_is_written(hop, typed, said):
    result = hop('run', '-w', typed, '--', 'true')
    assert result.rc == 2 and said in result.said, result


def test_a_target_may_name_its_python(hop):
    real = hop.run('local:', 'command -v python3').text.strip()
    link = hop.scratch / 'my python'
    link.symlink_to(real)
    named = str(link).replace(' ', '%20').replace('/', '%2F')
    shown = hop('call', '-w', f'local:?python={named}', 'operator:add', '1', '2')
    assert shown.out == b'3\n', shown


@pytest.mark.parametrize('name', ['a%2Fb', 'DOM%5Cuser', 'two%20words', '%5B1%5D', '%E2%82%AC'])
def test_odd_names_are_percent_encoded_and_shown_as_typed(hop, name):
    result = hop('run', '-w', f'local:{name}', '--json', '--', 'echo hi')
    assert result.only['target'] == f'local:{name}' and result.only['stdout'] == 'hi\n', result


def test_a_way_in_of_the_user_splits_its_words_as_a_shell_does(hop):
    target = hop.way_in("env 'A=two  words' sh -c {}")
    assert hop.run(target, 'echo "$A"').out == b'two  words\n'


def test_a_way_in_without_a_place_for_the_command_gets_a_shell_appended(hop):
    assert hop.run(hop.way_in('env A=1'), 'echo "$A"').out == b'1\n'


def test_an_inventory_is_found_upward_or_named(hop):
    hop.way_in('env A=up sh -c {}')
    inner = hop.write('a/b/here.toml', '[exec]\nway = "env A=named sh -c {}"\n')
    assert hop('run', '-w', 'exec:way', '--', 'echo $A').out == b'up\n'
    assert hop('run', '-i', inner, '-w', 'exec:way', '--', 'echo $A').out == b'named\n'
    below = hop.start('run', '-w', 'exec:way', '--', 'echo $A', prefix=['env', '-C', inner.parent]).finish()
    assert below.out == b'up\n', below
