"""Every failure to connect has a name and a host, says what was seen last, and what to try."""

import socket

import pytest

from harness.process import Process

# A label longer than a name may be: the resolver refuses it without asking anybody.
NOBODY = f'{"x" * 64}.invalid'


def told_to_programs(result, kind, target):
    assert result.rc == 255 and result.only['target'] == target and result.only['error']['kind'] == kind, result


def told_to_people(result, target, *words):
    assert result.rc == 255 and result.out == b'', result
    assert any(line.startswith(f'hopvine: {target}: ') for line in result.said.splitlines()), result
    for word in words:
        assert word in result.said, (word, result)


def check(hop, target, kind, *words, env=None):
    told_to_programs(hop('call', '-w', target, '--json', 'time:time', env=env), kind, target)
    told_to_people(hop('call', '-w', target, 'time:time', env=env), target, *words)


def test_a_name_that_nobody_knows(hop, ssh):
    check(hop, ssh.alias('nobody', HostName=NOBODY), 'unknown_host', 'not known')


def test_a_port_where_nobody_listens(hop, refusing):
    check(hop, refusing, 'refused', 'refused')


@pytest.mark.parametrize('network, words', [
    ('true', 'Network is unreachable'),
    ('ip link set lo up && ip route add unreachable 192.0.2.1', 'No route to host')])
def test_a_host_that_cannot_be_reached(hop, ssh, site, network, words):
    if not site.accounts.private:
        pytest.skip('a network of its own needs root and unshare')
    address = '192.0.2.1' if 'route' in network else '127.0.0.1'
    target = ssh.alias('far', HostName=address)
    prefix = ['unshare', '-n', 'sh', '-c', f'{network}; exec "$@"', 'sh']
    to_programs = hop.start('run', '-w', target, '--json', '--', 'true', prefix=prefix).finish()
    told_to_programs(to_programs, 'unreachable', target)
    told_to_people(hop.start('run', '-w', target, '--', 'true', prefix=prefix).finish(), target, words)


def test_a_login_that_the_server_does_not_take(hop, ssh):
    check(hop, ssh.alias('stranger', PubkeyAuthentication='no'), 'auth_failed', 'publickey')


def test_a_command_of_the_configuration_is_in_the_way_of_ours(hop, ssh):
    target = ssh.alias('own', RemoteCommand='echo own')
    check(hop, target, 'remote_command', 'remote command')


def test_what_a_configuration_has_for_logins_does_not_happen(hop, ssh):
    mark = hop.scratch / 'mark'
    with socket.create_server(('127.0.0.1', 0)) as taken:
        target = ssh.alias('login', LocalForward=f'{taken.getsockname()[1]} 127.0.0.1:1', ExitOnForwardFailure='yes', RequestTTY='force',
                           PermitLocalCommand='yes', LocalCommand=f'echo noise; echo >>{mark}')
        for words in (['run', '-w', target, '--'], ['ssh', target]):
            result = hop(*words, 'tty; echo hi')
            assert (result.rc, result.out, result.err) == (0, b'not a tty\nhi\n', b''), result
    assert not mark.exists()


@pytest.mark.parametrize('checking', ['yes', 'ask'])
def test_a_host_key_that_is_not_known(hop, ssh, checking):
    target = ssh.alias('unknown', UserKnownHostsFile='/dev/null', StrictHostKeyChecking=checking)
    check(hop, target, 'host_key_unknown', 'ost key')


def test_a_host_key_that_has_changed(hop, ssh):
    target = ssh.alias('changed', UserKnownHostsFile=ssh.dir / 'known_wrong')
    check(hop, target, 'host_key_changed', 'ost key', 'known_wrong')


def test_a_server_that_never_speaks_is_given_up_at_the_connect_timeout(hop, mute):
    result = hop('call', '-w', mute, '--connect-timeout', '1', '--json', 'time:time')
    told_to_programs(result, 'connect_timeout', mute)
    assert result.rc == 255 and 1 <= result.seconds < 3, result


def test_an_account_without_python(hop, ssh, need, site):
    if not site.accounts.private:
        pytest.skip('an account with an empty PATH needs root and unshare')
    check(hop, 'bare', 'no_python', 'python3')


def test_an_interpreter_that_is_not_there_is_named_within_a_second(hop, ssh):
    for target in ('local:', 'h1'):
        result = hop('call', '-w', target, '--python', '/no/such/python9', 'time:time')
        told_to_people(result, target.rstrip(':'), '/no/such/python9')
        assert result.seconds < 1, result


@pytest.mark.parametrize('status', [1, 3, 255])
def test_a_way_in_that_ends_shows_its_status_and_its_last_hundred_lines(hop, status):
    target = hop.way_in(f"sh -c 'seq -f word%g 150 >&2; exit {status}' x {{}}")
    result = hop('call', '-w', target, 'time:time')
    shown = [line for line in result.said.splitlines() if 'word' in line]
    assert all(line.startswith(' ') for line in shown), result
    assert [line.split()[-1] for line in shown] == [f'word{n}' for n in range(51, 151)], result
    told_to_people(result, target, str(status))
    told_to_programs(hop('call', '-w', target, '--json', 'time:time'), 'start_failed', target)


def test_a_way_in_killed_by_a_signal_says_so(hop):
    target = hop.way_in("sh -c 'echo going >&2; kill -KILL $$' x {}")
    check(hop, target, 'start_failed', 'going', '9')


def test_endless_noise_is_given_up_after_a_mebibyte(hop):
    target = hop.way_in("sh -c 'exec yes noise' x {}")
    result = hop('call', '-w', target, '--json', 'time:time')
    told_to_programs(result, 'noise', target)
    assert result.seconds < 5, result


def test_a_peer_that_echoes_is_not_taken_for_an_agent(hop):
    result = hop('call', '-w', hop.way_in("sh -c 'exec cat' x {}"), '--connect-timeout', '1', '--json', 'time:time')
    assert result.only['error']['kind'] in ('connect_timeout', 'noise', 'start_failed'), result
    assert result.rc == 255, result


@pytest.mark.parametrize('target', ['exec:way', 'h1'])
def test_a_program_that_cannot_be_started(hop, ssh, target):
    hop.way_in('/no/such/program {}')
    words = {'exec:way': '/no/such/program', 'h1': 'ssh'}[target]
    check(hop, target, 'spawn_failed', words, env={'PATH': '/nonexistent'})


def test_a_link_that_is_cut_is_lost(hop, slow):
    live = hop.start('run', '-w', 'slow', '--', 'echo up; exec sleep 1000')
    live.until(b'up')
    slow.cut()
    result = live.finish(10)
    assert result.rc != 0 and 'hopvine: slow: ' in result.said and 'lost' in result.said, result


def test_an_agent_that_is_killed_during_a_call_is_lost(hop):
    result = hop.call('local:', 'failing:by_signal', 'SIGKILL', '--json')
    assert result.only['error']['kind'] == 'link_lost' and result.only['target'] == 'local', result


def test_permission_denied_in_a_profile_is_no_failed_login(hop, ssh, need, profile):
    need('bash')
    profile('bash', '.bashrc', 'echo "bash: /etc/secret: Permission denied" >&2\n')
    assert hop.call('bash', 'operator:add', '1', '2').out == b'3\n'
    profile('bash', '.bashrc', 'echo "bash: /etc/secret: Permission denied" >&2; exit 3\n')
    check(hop, 'bash', 'start_failed', '/etc/secret')


def test_ssh_itself_says_what_these_tests_take_it_to_say(site, ssh, refusing):
    """So that a new wording of OpenSSH shows here first."""
    env = site.client.environment(site.run_id, site.dir)
    ssh.alias('nobody', HostName=NOBODY)
    for alias, words in (('nobody', 'not known'), (refusing, 'Connection refused')):
        assert words in Process(['ssh', alias, 'true'], env=env).finish().said
