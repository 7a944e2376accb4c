"""`hopvine doctor`: why a host does not connect, step by step, up to the first one that fails."""

import json
import shlex
import shutil
import signal
import socket
import subprocess
import time

import pytest

from harness.accounts import SHELLS
from harness.asking_sshd import AskingSshd
from harness.places import install
from harness.privileges import CANARY
from harness.process import Process
from harness.seat import Seat
from test_transport_errors import NOBODY

SSH_STEPS = ['target', 'ssh', 'configuration', 'port', 'login', 'shell', 'python', 'agent', 'call', 'clock']
FIELDS = {'target', 'step', 'ok', 'verdict', 'text', 'kind', 'ran', 'got', 'means', 'try', 'seconds'}
HANGS = 'read x <{gate}\n'


class Examination:
    """What `doctor --json` has found at one target."""

    def __init__(self, result):
        self.result, self.rc = result, result.rc
        self.found = [json.loads(line) for line in result.lines]
        assert all(set(each) == FIELDS for each in self.found), result
        self.steps = [each['step'] for each in self.found]
        self.last = self.found[-1]

    def __getitem__(self, step):
        return next(each for each in self.found if each['step'] == step)

    @property
    def odd(self):
        return [(each['step'], each['verdict']) for each in self.found if each['verdict'] != 'ok']

    def __repr__(self):
        return repr(self.result)


@pytest.fixture
def examine(hop):
    def examine(target, *options, **more):
        return Examination(hop('doctor', '-w', target, '--json', *options, **more))
    return examine


def failed(found, step, kind, *words):
    """The last step is the one that failed, and says what to do."""
    assert (found.rc, found.steps[-1], found.last['verdict']) == (255, step, 'fail'), found
    assert found.last['kind'] == kind and found.last['means'] and found.last['try'], found
    told = ' '.join([found.last['text'], found.last['means'], found.last['try'], *found.last['got']])
    for word in words:
        assert word in told, (word, found)


@pytest.mark.parametrize('shell', SHELLS)
def test_a_host_that_is_well_passes_every_step_with_every_login_shell(examine, ssh, need, site, shell):
    need(shell)
    found = examine(shell)
    assert found.rc == 0 and found.steps == SSH_STEPS and found.odd == [], found
    assert found['shell']['text'].startswith(site.accounts.shells[shell]), found
    assert f'user hv{shell}, port {ssh.port}' in found['configuration']['text'], found
    assert 'SSH-2.0-' in found['port']['text'] and 'publickey' in found['login']['text'], found
    assert 'Python 3.' in found['python']['text'] and 'Python 3.' in found['agent']['text'], found
    assert all(each['seconds'] is not None for each in found.found if each['step'] in ('login', 'agent', 'call')), found


def test_dropbear_is_as_well_as_openssh(examine, need):
    need('drop')
    found = examine('drop')
    assert found.rc == 0 and found.odd == [] and 'dropbear' in found['port']['text'], found


@pytest.mark.parametrize('way', ['local', 'exec'])
def test_what_is_no_ssh_has_the_steps_that_apply(hop, examine, way):
    found = examine('local:' if way == 'local' else hop.way_in('env -i PATH=/usr/bin:/bin sh -c {}'))
    steps = ['target', 'login', 'shell', 'python', 'agent', 'call', 'clock']
    assert found.rc == 0 and found.steps == steps[:6 if way == 'local' else 7] and found.odd == [], found


def test_a_name_that_nobody_knows(examine, ssh):
    failed(examine(ssh.alias('nobody', HostName=NOBODY)), 'name', 'unknown_host', NOBODY, 'DNS')


def test_a_name_is_looked_up_as_the_system_does(examine, ssh):
    found = examine(ssh.alias('named', HostName='localhost'))
    assert found.rc == 0 and '127.0.0.1' in found['name']['text'], found


def test_a_port_where_nobody_listens(examine, refusing):
    failed(examine(refusing), 'port', 'refused', 'connection refused', 'sshd')


def test_a_network_without_a_way_there(hop, ssh, site):
    if not site.accounts.private:
        pytest.skip('a network of its own needs root and unshare')
    target = ssh.alias('far', HostName='192.0.2.1')
    prefix = ['unshare', '-n', 'sh', '-c', 'ip link set lo up; exec "$@"', 'sh']
    found = Examination(hop.start('doctor', '-w', target, '--json', prefix=prefix).finish())
    failed(found, 'port', 'unreachable', 'Network is unreachable')


def answering(ssh, name, answer):
    """An alias whose port answers one connection so, and the process that answers."""
    listener = socket.create_server(('127.0.0.1', 0))
    ssh.alias(name, Port=listener.getsockname()[1])
    serve = 'import socket, sys; peer = socket.socket(fileno=0).accept()[0]; peer.sendall(sys.argv[1].encode()); peer.close()'
    return listener, Process(['python3', '-c', serve, answer], stdin=listener)


@pytest.mark.parametrize('answer, words', [
    ('', 'closed at once'), ('HTTP/1.1 400 Bad Request\r\n', 'HTTP/1.1'), ('go away\n', 'go away')])
def test_a_server_that_turns_us_away(examine, ssh, answer, words):
    listener, server = answering(ssh, 'odd', answer)
    with listener:
        failed(examine('odd'), 'port', None, words, 'log')
        server.finish()


def test_a_server_that_never_speaks_is_given_up_at_the_connect_timeout(examine, mute):
    found = examine(mute, '--connect-timeout', '1')
    failed(found, 'port', None, 'no word')
    assert 1 <= found.result.seconds < 2.5, found


def test_no_ssh_here(examine, ssh):
    failed(examine('h1', env={'PATH': '/nonexistent'}), 'ssh', 'spawn_failed', 'OpenSSH client')


def test_a_configuration_that_ssh_does_not_accept(examine, ssh):
    ssh.alias('wrong', NoSuchOption='yes')
    try:
        found = examine('wrong')
    finally:
        (ssh.client.aliases / 'wrong').unlink()
    failed(found, 'configuration', None, 'nosuchoption')


def test_a_login_that_the_server_does_not_take(examine, ssh):
    found = examine(ssh.alias('stranger', User='hvnobody'))
    failed(found, 'login', 'auth_failed', 'Permission denied (publickey)', 'Offering public key', 'user_key')


def test_no_key_and_no_agent_is_a_warning_before_the_login_fails(examine, ssh, site, hop):
    config = hop.scratch / 'config'
    config.write_text(''.join(line for line in site.client.config.read_text().splitlines(True) if 'IdentityFile' not in line)
                      + '    IdentityFile /no/such/key\n')
    (hop.scratch / 'bin').mkdir()
    wrapper = hop.scratch / 'bin/ssh'
    wrapper.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {config} "$@"\n')
    wrapper.chmod(0o755)
    found = examine('h1', env={'PATH': f'{wrapper.parent}:{hop.env["PATH"]}'})
    assert found['configuration']['verdict'] == 'warn' and 'ssh-keygen' in found['configuration']['try'], found
    failed(found, 'login', 'auth_failed')


def test_a_host_key_that_is_not_known(examine, ssh):
    found = examine(ssh.alias('unknown', UserKnownHostsFile='/dev/null'))
    failed(found, 'login', 'host_key_unknown', 'Server host key: ssh-ed25519', 'known_hosts')


def test_a_host_key_that_has_changed(examine, ssh):
    found = examine(ssh.alias('changed', UserKnownHostsFile=ssh.dir / 'known_wrong'))
    failed(found, 'login', 'host_key_changed', 'ssh-keygen -R changed', 'known_wrong')


@pytest.mark.parametrize('account', ['false', 'nologin'])
def test_an_account_whose_shell_lets_nobody_in(examine, ssh, site, account):
    if not site.accounts.private:
        pytest.skip('accounts of our own need root and unshare')
    failed(examine(account), 'login', 'start_failed', 'exit status 1', 'nologin', 'getent passwd')


def test_a_command_that_is_not_ours_in_the_place_of_ours(hop, examine):
    found = examine(hop.way_in("sh -c 'echo only files here'"))
    failed(found, 'login', 'start_failed', 'authorized_keys', 'only files here')


def test_a_way_in_that_cannot_be_started(hop, examine):
    failed(examine(hop.way_in('/no/such/program {}')), 'login', 'spawn_failed', '/no/such/program')


def test_a_start_file_that_prints_is_a_warning(examine, ssh, need, profile):
    need('bash')
    profile('bash', '.bashrc', 'echo "Welcome"; echo "to the machine"; echo "and its errors" >&2\n')
    found = examine('bash')
    assert found.rc == 0 and found.odd == [('noise', 'warn')], found
    noise = found['noise']
    assert noise['got'][1:] == ['Welcome', 'to the machine'] and 'rsync' in noise['means'] and noise['try'], found


def test_a_start_file_that_ends_the_shell(examine, ssh, need, profile):
    need('bash')
    profile('bash', '.bashrc', 'echo "no service today"; exit 3\n')
    failed(examine('bash'), 'login', 'start_failed', 'exit status 3', 'no service today', 'start file')


@pytest.mark.parametrize('reader', ['read answer', 'cat >/dev/null'])
def test_a_start_file_that_reads_standard_input(examine, ssh, need, profile, reader):
    need('bash')
    profile('bash', '.bashrc', f'{reader}\n')
    found = examine('bash', '--connect-timeout', '5')
    failed(found, 'shell', None, 'standard input', '</dev/null')
    assert found.result.seconds < 4, found


def test_a_start_file_that_hangs_is_given_up_at_the_connect_timeout(examine, ssh, need, profile, fifo):
    need('bash')
    profile('bash', '.bashrc', f'echo here I wait; {HANGS.format(gate=fifo("gate"))}')
    found = examine('bash', '--connect-timeout', '1')
    failed(found, 'login', 'connect_timeout', 'start file hangs', 'here I wait')
    assert 1 <= found.result.seconds < 3, found


def test_endless_noise_is_given_up(hop, examine):
    found = examine(hop.way_in("sh -c 'exec yes noise' x {}"))
    failed(found, 'login', 'noise')
    assert found.result.seconds < 5, found


def test_an_account_without_any_program_on_its_path(examine, ssh, site):
    if not site.accounts.private:
        pytest.skip('an account with an empty PATH needs root and unshare')
    failed(examine('bare'), 'shell', None, 'PATH', 'no `sh`')


def test_no_python_there_shows_where_it_was_looked_for(hop, examine):
    only = hop.folder_with('/bin/sh', 'sh')
    failed(examine(hop.way_in(f'env PATH={only} sh -c {{}}')), 'python', 'no_python', 'python3.14', f'PATH={only}')


def test_an_interpreter_that_was_named_and_is_not_there(examine, ssh):
    failed(examine('h1', '--python', '/no/such/python9'), 'python', 'no_python', '/no/such/python9')


@pytest.fixture
def odd_python(hop):
    def write(script):
        path = hop.scratch / 'odd python'
        path.write_text(f'#!/bin/sh\n{script}\n')
        path.chmod(0o755)
        return path
    return write


def test_an_interpreter_that_is_too_old(examine, odd_python):
    found = examine('local:', '--python', odd_python('echo "Python 2.3.5" >&2'))
    failed(found, 'python', None, 'Python 2.3.5', '2.4 at least', '--python')


def test_an_interpreter_that_fails_to_be_an_agent(examine, odd_python):
    script = '[ "$1" = -V ] && echo Python 3.9.1 && exit\necho broken library >&2; exit 4'
    failed(examine('local:', '--python', odd_python(script)), 'agent', 'start_failed', 'broken library', 'status 4')


def test_a_stand_in_that_finds_no_interpreter_is_seen_before_it_fails(examine, odd_python):
    found = examine('local:', '--python', odd_python('echo "pyenv: python3: command not found" >&2; exit 127'))
    assert found['python']['verdict'] == 'warn' and 'command not found' in found['python']['text'], found
    failed(found, 'agent', 'no_python', 'command not found')


def test_an_interpreter_that_says_other_things_first_is_still_one(examine, odd_python):
    found = examine('local:', '--python', odd_python('[ "$1" = -V ] && echo a warning; exec python3 "$@"'))
    assert found.rc == 0 and found.odd == [('python', 'warn')], found


def test_a_way_by_another_host_is_tried_only_as_a_whole(examine, ssh):
    ssh.alias('behind', ProxyCommand=f'{ssh.client.bin}/ssh -W 127.0.0.1:{ssh.port} h2', HostName='nowhere.invalid')
    found = examine('behind')
    assert found.rc == 0 and 'name' not in found.steps and 'port' not in found.steps, found
    assert 'by way of' in found['configuration']['text'], found
    ssh.alias('behind', ProxyCommand='exit 1', HostName='nowhere.invalid')
    failed(examine('behind'), 'login', 'unreachable', 'exit 1')
    ssh.alias('behind', ProxyJump='nobody', HostName='nowhere.invalid')
    ssh.alias('nobody', HostName=NOBODY)
    failed(examine('behind'), 'login', 'unknown_host', 'hopvine doctor -w nobody')


def test_an_open_connection_of_the_users_is_enough(hop, examine, ssh, site, fifo):
    gate, control = fifo('gate'), hop.scratch / 'control'
    words = ['ssh', '-M', '-N', '-S', control, '-o', 'PermitLocalCommand=yes', '-o', f'LocalCommand=echo up >{gate}', 'h1']
    master = Process(words, env=site.client.environment(site.run_id, site.dir))
    try:
        gate.read_lines(1)
        found = examine(ssh.alias('shared', HostName='nowhere.invalid', ControlPath=control))
    finally:
        master.signal(signal.SIGTERM)
        master.finish()
    assert found.rc == 0 and 'name' not in found.steps and 'open connection' in found['configuration']['text'], found


def test_people_get_a_line_for_a_step_and_all_there_is_for_a_failure(hop, ssh):
    result = hop('doctor', '-w', ssh.alias('stranger', User='hvnobody'))
    words = [line[:4] for line in result.lines]
    assert result.rc == 255 and result.err == b'', result
    assert words[:5] == ['ok  ', 'ok  ', 'ok  ', 'ok  ', 'FAIL'] and set(words[5:]) == {'    '}, result
    details = dict(line.strip().split(': ', 1) for line in result.lines[5:] if '|' not in line)
    assert list(details) == ['ran', 'got', 'means', 'try'] and details['got'] == 'exit status 255', result
    # what was run can be run again
    again = subprocess.run(details['ran'], shell=True, env=hop.env, capture_output=True, text=True)
    assert again.returncode == 255 and 'Permission denied' in again.stderr, again
    assert shlex.split(details['ran'])[0] == 'ssh'


def test_more_is_told_of_what_went_well_where_it_is_wanted(hop):
    short, long = hop('doctor', '-w', 'local:'), hop('doctor', '-w', 'local:', '-v')
    assert short.rc == long.rc == 0 and 'ran:' not in short.text and "ran: /bin/sh -c 'echo hopvine-" in long.text, long


def test_several_hosts_are_examined_one_after_the_other(hop, ssh, refusing):
    result = hop('doctor', '-w', f'h1,{refusing},local:')
    hosts = [line.split(': ')[0] for line in result.lines]
    assert result.rc == 4 and list(dict.fromkeys(hosts)) == ['h1', refusing, 'local'] == sorted(set(hosts), key=hosts.index)
    assert f'{refusing}: FAIL port: ' in result.text and 'local: ok   call: ' in result.text, result


def test_what_a_host_prints_cannot_reach_the_terminal_raw(hop, examine):
    result = hop('doctor', '-w', hop.way_in(r"sh -c 'printf \"\\033[2Jowned\\n\" >&2; exit 3' x {}"))
    assert b'\x1b' not in result.out and '^[[2Jowned' in result.text, result


@pytest.mark.parametrize('number, status', [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize('step', ['login', 'agent'])
def test_an_interrupt_ends_it_within_a_second(hop, fifo, step, number, status):
    gate, here = fifo('gate'), fifo('here')
    hanging = f'echo here >{here}; read x <{gate};' if step == 'login' else (
        f'case $1 in *posix*) echo here >{here}; exec sleep 1000;; esac;')
    live = hop.start('doctor', '-w', hop.way_through(f'{hanging} exec sh -c "$1"'))
    here.read_lines(1)
    sent = time.monotonic()
    live.signal(number)
    result = live.finish(10)
    assert result.rc == status and time.monotonic() - sent < 1, result


def test_a_mistake_in_what_was_typed_is_2(hop):
    for words in (['doctor'], ['doctor', '-w', ''], ['doctor', '-w', 'exec:nothing'], ['doctor', '-w', 'local:', '-f', '3']):
        result = hop(*words)
        assert result.rc == 2 and result.out == b'' and result.err, result


OTHER = 'hvother'
START = ['target', 'login', 'shell', 'python', 'relay']
END = ['agent', 'call']


@pytest.fixture
def seat(site, hop, need):
    need('ssh')
    if not site.accounts.private:
        pytest.skip('accounts with passwords need root and unshare')
    return Seat(site, hop)


@pytest.fixture
def examine_as(seat):
    def examine(user, target, *options, **more):
        return Examination(seat(user, 'doctor', '-w', target, '--json', *options, **more))
    return examine


@pytest.mark.parametrize('relay', ['python', 'native'])
def test_each_hop_of_a_path_is_examined_from_the_one_before(hop, site, examine, relay):
    if relay == 'native':
        install(site, hop)
    found = examine('local:/local:x/local:y', '--relay', relay)
    assert (found.rc, found.odd, found.steps) == (0, [], START + START + ['target', 'login', 'shell', 'python'] + END), found


def test_an_ssh_behind_a_hop_is_run_there(examine, ssh, refusing):
    found = examine('local:/h1')
    assert (found.rc, found.odd) == (0, []) and found.steps == START + ['target', 'login', 'shell', 'python', *END, 'clock'], found
    assert '-v' in found.found[6]['ran'] and 'publickey' in found.found[6]['text'], found
    failed(examine(f'local:/{refusing}'), 'login', 'refused', 'Connection refused')


def test_a_way_in_behind_a_hop_that_never_answers(hop, examine, fifo):
    found = examine(f'local:/{hop.way_through(HANGS.format(gate=fifo("gate")))}', '--connect-timeout', '2s')
    failed(found, 'login', 'connect_timeout')


def test_a_way_in_behind_a_hop_that_never_ends_printing(hop, examine):
    way = hop.way_in("sh -c 'exec yes noise' x {}")
    failed(examine(f'local:/{way}'), 'login', 'noise')


def test_a_path_that_is_too_long_is_not_begun(examine):
    failed(examine('local:/local:/local:', '--max-hops', '2'), 'target', 'too_many_hops')


@pytest.mark.parametrize('where, before', [('', []), ('local:/', START)])
@pytest.mark.parametrize('program', ['sudo', 'su', 'doas'])
def test_another_user_is_become_as_for_every_verb(examine_as, seat, program, where, before):
    if not shutil.which(program):
        pytest.skip(f'{program} is not installed')
    found = examine_as('hvask', f'{where}{program}:{OTHER}', *seat.secret)
    assert (found.rc, found.odd) == (0, []) and found.steps == [*before, 'target', *END, 'clock'], found
    assert CANARY not in found.result.out + found.result.err


def test_a_hop_behind_another_user(examine_as, seat):
    found = examine_as('hvask', f'sudo:{OTHER}/local:', *seat.secret)
    assert (found.rc, found.odd, found.steps) == (0, [], ['target', 'relay', 'target', 'login', 'shell', 'python', *END]), found


@pytest.mark.parametrize('where', ['', 'local:/'])
@pytest.mark.parametrize('becoming, words, kind', [
    ('sudo:', [], 'password_needed'), ('sudo:', ['wrong'], 'wrong_password'), (f'su:{OTHER}', ['wrong'], 'wrong_password'),
    ('su:nobody7', [], 'unknown_user')])
def test_who_cannot_be_become_is_told_by_name(examine_as, seat, where, becoming, words, kind):
    wrong = seat.hop.scratch / 'wrong'
    wrong.write_text('not it\n')
    found = examine_as('hvask', where + becoming, *(['--secret-file', wrong] if words else []), env={'LANGUAGE': 'fr'})
    failed(found, 'agent', kind)


def test_a_password_for_ssh_is_given_to_the_real_start_only(hop, site, seat, examine):
    asking = AskingSshd(site, pam=False)
    site.servers.append(asking)
    try:
        before = asking.attempts()
        target = asking.alias('examined', User='hvask')
        found = examine(target, '-k', *seat.secret)
        assert (found.rc, found.odd) == (0, []), found
        assert found.steps == ['target', 'ssh', 'configuration', 'port', *END, 'clock'] and asking.attempts() == before, found
    finally:
        site.servers.remove(asking)
        asking.close()
