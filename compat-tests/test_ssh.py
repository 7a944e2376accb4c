"""`hopvine ssh` beside the real ssh, on the same server: the same words, and what comes of them."""

import concurrent.futures
import os
import signal
import socket
import subprocess
import threading

import pytest

from harness.leaks import all_pids, read_stat
from harness.twins import environment, is_ours, told

ALL_BYTES = bytes(range(256))


# How it ends

@pytest.mark.parametrize('command', ['true', 'exit 1', 'exit 127', 'exit 128', 'exit 143', 'exit 254', 'exit 255', 'false;', '',
                                     'kill -9 $$', 'kill -TERM $$', 'kill -PIPE $$', '/no/such', 'echo out; echo err >&2; exit 7'])
def test_a_command_ends_as_with_ssh(way, command):
    # The words are the shell's, which is the account's; that of root is another than that of the server's first account.
    way.agree('dash' if command == '/no/such' else 'h1', command)


def test_every_status_is_passed_on(hop, twins):
    assert hop('up', '-w', 'h1').rc == 0
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        def status(number):
            return subprocess.run([*twins.ours, 'h1', f'exit {number}'], env=hop.env, cwd=hop.cwd, stdin=subprocess.DEVNULL,
                                  timeout=60).returncode
        assert list(pool.map(status, range(256))) == list(range(256))
    assert hop('down').rc == 0


def test_the_end_of_one_command_takes_no_output_of_another(hop, twins, fifo):
    # One closes its outputs long before it ends; what the next has in their place stays its own, though others run too.
    bell, gates = fifo('bell'), [fifo(f'gate{number}') for number in range(3)]
    waits = [f'echo up; read x <{gate}; echo rest; echo too >&2' for gate in gates]
    closes = f'exec >&- 2>&-; echo >{bell}; read x <{gates[1]}; exit 3'
    assert hop('up', '-w', 'h1').rc == 0
    other = hop.program(*twins.ours, 'h1', waits[0])
    other.until(b'up\n')
    first = hop.program(*twins.ours, 'h1', closes)
    bell.read_lines(1)
    second = hop.program(*twins.ours, 'h1', waits[2])
    second.until(b'up\n')
    gates[1].write(b'\n')
    assert told(first.finish()) == (3, b'', b'')
    for gate, process in (gates[2], second), (gates[0], other):
        gate.write(b'\n')
        assert told(process.finish()) == (0, b'up\nrest\n', b'too\n')
    assert hop('down').rc == 0


def test_commands_that_end_before_their_input_leave_nothing_open(hop, twins):
    assert hop('up', '-w', 'h1').rc == 0
    count = 'ls /proc/$PPID/fd | wc -l'
    before = hop.program(*twins.ours, '-n', 'h1', count).finish().text
    for _ in range(20):
        waiting = hop.program(*twins.ours, 'h1', 'exit 3', stdin=subprocess.PIPE)
        assert waiting.finish().rc == 3
    assert hop.program(*twins.ours, '-n', 'h1', count).finish().text == before
    assert hop('down').rc == 0


def test_where_there_is_no_way_ssh_itself_says_why(twins, refusing):
    unknown = twins.fail_alike('no.such.host.invalid', 'true')
    assert unknown.rc == 255 and unknown.said.endswith('hopvine: no.such.host.invalid: unknown host\n'), unknown
    assert twins.fail_alike('refusing', 'true').rc == 255
    assert twins.fail_alike('-l', 'nosuch', 'h1', 'true').rc == 255
    assert twins.fail_alike('-F', '/no/such', 'h1', 'true').rc == 255
    assert twins.fail_alike('-o', 'HostKeyAlias=other', 'h1', 'true').rc == 255
    for words in (('refusing', 'true'), ('no.such.host.invalid', 'true')):
        assert (ours := twins.agree('-q', *words)).err == b'', ours


def test_who_may_not_log_in_is_told_what_the_account_says(twins, site):
    if not site.accounts.private:
        pytest.skip('an account that lets nobody in needs root')
    result = twins.hop.program(*twins.ours, 'nologin', 'true').finish()
    assert result.rc == 255 and 'This account is currently not available.' in result.said, result


# What a command is given

@pytest.mark.parametrize('words', [['echo', 'a  b', "'c  d'", '', 'e'], ['printf', '%s\\n', '"x  y"', '$((6*7))', '\\$HOME'],
                                   ['echo one\necho two'], ['--', 'echo', '-n', 'x'], ['echo \'"$(:)" ;\' "|" é'], ['', 'echo', 'x']])
def test_words_are_joined_by_blanks_for_the_shell_there(way, words):
    assert way.agree('h1', *words).rc == 0


@pytest.mark.parametrize('shell', ['dash', 'bash', 'ash', 'zsh', 'fish', 'tcsh'])
def test_the_account_has_its_own_shell_folder_and_environment(twins, need, shell):
    need(shell)
    test = 'echo $HOME $USER $LOGNAME $SHELL; pwd; echo a "b  c" | cat; exit 3'
    name = '' if shell == 'fish' else 'echo $0; '
    ours = twins.agree(shell, name + test)
    assert ours.rc == 3 and f'homes/hv{shell}' in ours.text, ours


def test_a_login_shell_reads_its_commands_from_standard_input(way):
    script = b'case $0 in -*) echo login;; *) echo $0;; esac; pwd\necho this\nexit 4\n'
    ours = way.agree('h1', stdin=script)
    assert (ours.rc, ours.lines[0], ours.lines[-1]) == (4, 'login', 'this') and b'Pseudo-terminal' in ours.err, ours
    way.agree('-T', 'h1', stdin=script)


def test_the_environment_is_sent_by_name_and_set_by_value(way):
    """The server of the tests takes none of it; what a stand-in sends needs no server's leave."""
    env = {'LC_ODD': 'a  b', 'OTHER': 'no'}
    words = ['-o', 'SendEnv=LC_*', '-o', 'SetEnv=SET="x  y" MORE=z', 'h1', 'echo "$LC_ODD,$OTHER,$SET,$MORE"']
    ours = way.hop.program(*way.ours, *words, env=env).finish()
    assert told(ours) == (0, b'a  b,,x  y,z\n', b''), ours


# Its end from outside

@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGKILL])
def test_a_signal_ends_it_and_what_runs_there(way, number):
    ours = way.hop.program(*way.ours, 'h1', 'echo up; exec sleep 1000')
    ours.until(b'up\n')
    ours.signal(number)
    ended = ours.finish()
    assert told(ended) == (-9 if number == signal.SIGKILL else 255, b'up\n', b'') and ended.seconds < 20, ended


def test_what_its_starter_ignores_ends_nothing(twins):
    for who in (twins.real, twins.ours):
        process = twins.hop.program('bash', '-c', 'trap "" HUP INT TERM QUIT; exec "$@" h1 "echo up; cat; echo survived"', 'bash', *who,
                                    stdin=subprocess.PIPE)
        process.until(b'up\n')
        process.signal(signal.SIGHUP)
        process.signal(signal.SIGTERM)
        process.end_input()
        assert told(process.finish()) == (0, b'up\nsurvived\n', b'')


@pytest.mark.parametrize('moment', ['at once', 'running'])
def test_a_session_that_is_killed_is_a_lost_connection(twins, moment):
    process = twins.hop.program(*twins.ours, 'h1', 'echo up; exec sleep 1000', stdin=subprocess.PIPE)
    if moment == 'running':
        process.until(b'up\n')
    session = session_of(process, twins.hop)
    os.kill(session, signal.SIGKILL)
    ended = process.finish()
    # It may not even have answered the first word.
    said = [b'Connection to h1 closed by remote host.'] + [b'the session has ended'] * (moment == 'at once')
    assert ended.rc == 255 and any(text in ended.err for text in said), ended


def session_of(process, hop):
    """Its other process, as soon as that is one."""
    while True:
        others = [pid for pid in all_pids() if pid != process.pid and is_ours(pid) and hop.env['HOPVINE_TEST'] in environment(pid)]
        # The session and what guards it: that is the child of the session.
        parents = {parent(pid) for pid in others}
        leaders = [pid for pid in others if pid in parents]
        if leaders:
            return leaders[0]


def parent(pid):
    stat = read_stat(pid)
    return stat and stat[1]  # it may have ended


# Holding a connection

def test_a_connection_that_only_stays_does_so_until_it_is_ended(way):
    # The real one heeds signals from its loop on, where it hears of the server's keys.
    for who, stays in ((way.real, b'hostkeys-00@openssh.com'), (way.ours, b'the way is open')):
        process = way.hop.program(*who, '-v', '-N', 'h1')
        process.until(stays, stream='err')
        process.signal(signal.SIGTERM)
        assert (process.finish().rc, process.result.out) == (0, b'')


def test_what_goes_to_the_background_does_so_when_it_is_connected(way):
    gate = way.hop.scratch / 'gate'
    for who in (way.real, way.ours):
        gate.unlink(missing_ok=True)
        os.mkfifo(gate)
        # Its streams stay those of the command, so that the end of those is the end of that.
        process = way.hop.program('bash', '-c', f'"$@" -f h1 "read x <{gate}; echo later"; echo status $?; cat', 'bash', *who,
                                  stdin=subprocess.PIPE)
        process.until(b'status 0\n')
        gate.write_text('\n')
        process.until(b'later\n')
        process.end_input()
        assert told(process.finish()) == (0, b'status 0\nlater\n', b'')
    refused = way.fail_alike('-f', 'refusing.invalid', 'true')
    assert refused.rc == 255


def test_who_starts_one_that_only_stays_in_the_background_does_not_wait_for_it(twins):
    """As in `$(ssh -fN h 2>&1)`; where it is, its environment tells."""
    done = twins.hop.program('bash', '-c', 'out=$("$@" -f -N h1 2>&1); echo "<$out> $?"', 'bash', *twins.ours,
                             env={'HOPVINE_TEST': twins.hop.env['HOPVINE_TEST'] + '-stays'}).finish()
    assert told(done) == (0, b'<> 0\n', b''), done
    stays = [pid for pid in all_pids() if is_ours(pid) and twins.hop.env['HOPVINE_TEST'] + '-stays' in environment(pid)]
    sessions = {parent(pid) for pid in stays}
    standin = [pid for pid in stays if pid not in sessions and parent(pid) not in stays]
    assert len(standin) == 1, stays
    os.kill(standin[0], signal.SIGTERM)


# To elsewhere

@pytest.fixture
def echo():
    """A server that sends back what it is sent, once."""
    with socket.create_server(('127.0.0.1', 0)) as listener:
        def serve():
            connection, _ = listener.accept()
            with connection:
                while data := connection.recv(65536):
                    connection.sendall(data)
        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(30)


def test_a_connection_from_there_is_our_streams(way, echo):
    ours = way.hop.program(*way.ours, '-W', f'127.0.0.1:{echo}', 'h1', stdin=ALL_BYTES * 9999).finish()
    assert told(ours) == (0, ALL_BYTES * 9999, b''), ours


def test_a_connection_from_there_that_is_refused_is_a_failure(way):
    with socket.socket() as held:
        held.bind(('127.0.0.1', 0))
        real, ours = way.each('-W', f'127.0.0.1:{held.getsockname()[1]}', 'h1')
    assert (real.rc, ours.rc) == (255, 255) and 'Connection refused' in ours.said, ours


@pytest.mark.parametrize('outer', ['real', 'ours'])
def test_an_ssh_goes_through_ours_to_another_host(way, outer):
    way.hop.env['OURS'] = way.ours[0]
    command = 'ProxyCommand=$OURS ssh -W [%h]:%p h1'
    result = way.hop.program(*getattr(way, outer), '-o', command, 'h2', 'cat; exit 6', stdin=ALL_BYTES * 999).finish()
    assert told(result) == (6, ALL_BYTES * 999, b''), result


def test_jumps_are_those_of_ssh(twins):
    assert twins.agree('-J', 'h2,h3', 'h1', 'echo via').out == b'via\n'


# Subsystems

def test_sftp_and_scp_work_through_it(way):
    scratch, home = way.hop.scratch, way.hop.scratch / 'there'
    home.mkdir()
    (scratch / 'file').write_bytes(ALL_BYTES * 9999)
    batch = f'put {scratch}/file {home}/by-sftp\nget {home}/by-sftp {scratch}/back\n'
    sftp = way.hop.program('sftp', '-S', way.link, '-q', '-b', '-', 'h1', stdin=batch.encode()).finish()
    assert sftp.rc == 0 and (scratch / 'back').read_bytes() == ALL_BYTES * 9999, sftp
    for mode in ([], ['-O']):
        scp = way.hop.program('scp', '-S', way.link, *mode, scratch / 'file', f'h1:{home}/by-scp').finish()
        assert told(scp) == (0, b'', b'') and (home / 'by-scp').read_bytes() == ALL_BYTES * 9999, scp
        (home / 'by-scp').unlink()


def test_a_host_without_an_sftp_server_says_so(twins, site):
    if not site.accounts.private:
        pytest.skip('hiding the server needs root')
    hide = 'for d in /usr/lib/openssh /usr/libexec; do [ ! -d $d ] || mount -t tmpfs tmpfs $d; done; exec sh -c "$1"'
    twins.hop.way_through(f"exec unshare -m --propagation private sh -c '{hide}' hide \"$1\"\n", 'bare')
    ours = twins.hop.program(*twins.ours, '-s', 'exec:bare', 'sftp').finish()
    assert told(ours) == (127, b'', b'hopvine: no sftp-server on this host: install it (openssh-sftp-server), or use scp -O\n'), ours
    sftp = twins.hop.program('sftp', '-S', twins.link, '-b', '-', 'h1', stdin=b'').finish()
    assert sftp.rc == 0, sftp


def test_another_subsystem_is_refused(way):
    real, ours = way.each('-s', 'h1', 'nosuch')
    assert real.rc == ours.rc == 255 and b'subsystem request failed on channel 0' in real.err, real
    assert ours.err == b'hopvine: subsystem request failed on channel 0: there is no "nosuch" here, only sftp\n', ours


# Options

def test_a_user_and_a_port_are_said_in_every_way(twins, ssh, need):
    need('dash')
    key = ['-i', ssh.client.key, '-o', 'HostKeyAlias=hopvine-host', '-o', f'UserKnownHostsFile={ssh.client.known_hosts}']
    for words in (['-l', 'hvdash', 'h1'], ['hvdash@h1'], [f'ssh://hvdash@127.0.0.2:{ssh.port}'],
                  [*key, '-p', ssh.port, '-l', 'hvdash', '127.0.0.3'], ['-o', 'User=hvdash', 'h1']):
        assert twins.agree(*words, 'echo $USER').out == b'hvdash\n'


def test_a_configuration_of_its_own(twins, ssh, need):
    need('dash')
    config = twins.hop.write('config', f'Host odd\n HostName 127.0.0.1\n Port {ssh.port}\n User hvdash\n IdentityFile {ssh.client.key}\n'
                             f' HostKeyAlias hopvine-host\n UserKnownHostsFile {ssh.client.known_hosts}\n')
    assert twins.agree('-F', config, 'odd', 'echo $USER').out == b'hvdash\n'
    assert told(twins.hop.program(*twins.ours, '-F', config, '-o', 'Port=1', 'odd', 'true').finish())[0] == 255


def test_missing_files_are_said_in_the_words_of_ssh(twins):
    twins.agree('-i', '/no/such', 'h1', 'true')
    twins.agree('-E', '/no/such/log', 'h1', 'true')


def test_its_own_words_go_to_a_log_where_one_is_wanted(twins):
    log = twins.hop.scratch / 'log'
    for who in (twins.real, twins.ours):
        log.unlink(missing_ok=True)
        result = twins.hop.program(*who, '-E', log, 'no.such.host.invalid', 'true').finish()
        assert told(result) == (255, b'', b'') and 'Could not resolve hostname' in log.read_text(), result


def test_what_it_is_and_can_do_is_what_the_real_one_is_and_can(twins):
    twins.agree('-V')
    twins.agree('-Q', 'key')
    twins.agree('-G', 'h1')


def test_by_the_name_of_ssh_it_is_one(way):
    real, linked = [way.hop.program(*who, 'h1', 'cat; exit 3', stdin=b'in').finish() for who in (way.real, [way.link])]
    assert told(real) == told(linked) == (3, b'in', b'')
    # First in PATH too: the ssh that it needs itself is the next.
    path = f'{way.link.parent}:{way.hop.env["PATH"]}'
    first = way.hop.program('ssh', 'h1', 'echo $0 >/dev/null; echo x', env={'PATH': path}, executable=str(way.link)).finish()
    assert told(first) == (0, b'x\n', b''), first


def test_a_session_is_asked_about_and_let_go_as_a_master_is(hop, twins):
    none = hop('ssh', '-O', 'check', 'h1')
    assert none.rc == 255 and none.err.startswith(b'Control socket connect: no session runs'), none
    assert hop('up', '-w', 'h1,h2').rc == 0
    held = hop('ssh', '-O', 'check', 'h1')
    assert held.rc == 0 and held.err.startswith(b'Master running (pid='), held
    assert told(hop('ssh', '-O', 'exit', 'h1')) == (0, b'', b'Exit request sent.\r\n')
    assert hop('ssh', '-O', 'check', 'h1').rc == 255 and hop('ssh', '-O', 'check', 'h2').rc == 0
    assert hop('down').rc == 0


# What ssh does not know

def test_targets_are_those_of_every_other_command(hop, twins, site):
    if not site.accounts.private:
        pytest.skip('sudo needs accounts of its own')
    site.sshd.alias('free', User='hvfree')
    ours = hop('ssh', 'ssh:free/sudo:root', 'id -un; pwd; exit 3')
    assert told(ours) == (3, b'root\n/root\n', b''), ours
    hop.write('hopvine.toml', '[hosts]\nweb1 = "ssh:h1"\n[exec]\nway = "sh -c {}"\n')
    assert told(hop('ssh', 'web1', 'cat', stdin=b'in')) == (0, b'in', b'')
    assert told(hop('ssh', 'exec:way', 'cat', stdin=b'in')) == (0, b'in', b'')
    assert told(hop('ssh', 'local:', 'pwd')) == (0, f'{hop.env["HOME"]}\n'.encode(), b'')


def test_targets_that_cannot_be_are_refused_at_once(hop, twins):
    for target, why in (('exec:none', 'exec:none needs an inventory'), ('nosuch:x', 'no transport "nosuch"'), ('ssh:', 'names no host')):
        ours = hop('ssh', target, 'true')
        assert ours.rc == 255 and why in ours.said and ours.seconds < 5, ours


def test_a_host_without_python_says_what_is_missing(hop, twins, site):
    if not site.accounts.private:
        pytest.skip('an account without Python needs root')
    ours = hop('ssh', 'bare', 'true')
    assert ours.rc == 255 and 'no Python found' in ours.said and ours.out == b'', ours
