"""How what is kept open ends, and what runs over it: by those who close it, by signals, by a link that is lost."""

import fcntl
import os
import re
import signal
import time

import pytest

from harness.leaks import command_line, read_stat
from harness.process import exits
from harness.sessions import SOON_SECONDS, Ps, below, is_gone, until


def kept_by(pid):
    """What a session has open, by name."""
    return {os.readlink(f'/proc/{pid}/fd/{fd}') for fd in os.listdir(f'/proc/{pid}/fd')}


def sleeping(hop, bell):
    """A `run` and an `ssh` over what is open, and the processes that they wait for there."""
    command = f'echo $$ > {bell}; exec sleep 1000'
    running = [hop.start('run', '-w', 'h1', '--', command), hop.start('ssh', 'h1', command)]
    return running, [int(line) for line in bell.read_lines(2)]


def test_a_session_keeps_nothing_of_who_has_started_it(hop, ssh):
    lock = hop.scratch / 'lock'
    script = f'exec 9>{lock}; flock 9; "$0" up -w h1 2>&1 | cat; echo over'
    result = hop.program('sh', '-c', script, hop.path).finish(20)
    assert result.text == 'h1: open\nover\n', result
    with open(lock) as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    pid = Ps(hop).pid
    for each in (pid, *below(pid)):
        assert str(lock) not in kept_by(each), command_line(each)
    assert read_stat(pid)[1] != os.getpid() and os.getsid(pid) == pid
    assert {os.readlink(f'/proc/{pid}/fd/{fd}') for fd in range(3)} == {'/dev/null'}
    assert not [each for each in below(pid) if (read_stat(each) or 'X')[0] == 'Z']


def test_a_session_that_is_killed_takes_all_below_along_and_clients_say_so(hop, up, ssh, fifo):
    bell = fifo('bell')
    pid = up('-w', 'h1')
    running, remote = sleeping(hop, bell)
    all_below, killed = below(pid), time.monotonic()
    os.kill(pid, signal.SIGKILL)
    for each in (*all_below, *remote):
        assert exits(each, killed + SOON_SECONDS), command_line(each)
    lost, parted = [each.finish(SOON_SECONDS) for each in running]
    assert lost.rc == 255 and 'the session has ended' in lost.said, lost
    assert parted.rc == 255 and parted.said == 'Connection to h1 closed by remote host.\r\n', parted
    # The next one does without, and a new session takes the place.
    assert hop('run', '-w', 'h1', '--', 'true').rc == 0 and hop('ps').rc == 1
    assert up('-w', 'h1') != pid


@pytest.mark.alone
@pytest.mark.parametrize('verb', ['run', 'ssh'])
def test_a_client_that_is_killed_ends_what_it_runs(hop, up, ssh, fifo, ps, verb):
    bell = fifo('bell')
    up('-w', 'h1')
    command = f'echo $$ > {bell}; exec sleep 1000'
    client = hop.start(*(['run', '-w', 'h1', '--', command] if verb == 'run' else ['ssh', 'h1', command]))
    remote = int(bell.read_lines(1)[0])
    killed = time.monotonic()
    client.signal(signal.SIGKILL)
    client.finish()
    # A command may put something in order for two seconds.
    assert exits(remote, killed + (3 if verb == 'ssh' else SOON_SECONDS))
    until(lambda: not ps().contexts[0]['running'] and ps().clients == 0)


def test_what_feeds_a_client_that_is_killed_is_not_kept_waiting(hop, up, ssh, fifo):
    bell = fifo('bell')
    up('-w', 'h1')
    hop.write('client.sh', f'echo $$ > {bell}; exec "$1" ssh h1 "echo x > {bell}; exec sleep 1000"')
    feeding = hop.program('sh', '-c', 'yes | sh client.sh "$0"', hop.path)
    client = int(sorted(bell.read_lines(2))[0])
    os.kill(client, signal.SIGKILL)
    assert feeding.finish(SOON_SECONDS).rc == 137


def test_down_ends_what_runs(hop, up, ssh, fifo):
    bell = fifo('bell')
    pid = up('-w', 'h1')
    running, remote = sleeping(hop, bell)
    assert hop('down').rc == 0 and is_gone(pid)
    assert all(is_gone(each) for each in remote)
    for each in running:
        result = each.finish(SOON_SECONDS)
        assert result.rc == 255 and result.err, result


def test_down_of_a_way_lets_who_uses_it_end(hop, up, ssh, fifo):
    bell, gate = fifo('bell'), fifo('gate')
    pid = up('-w', 'h1')
    running = hop.start('run', '-w', 'h1', '--', f'echo > {bell}; read x < {gate}; echo end')
    bell.read_lines(1)
    assert hop('down', '-w', 'h1').rc == 0
    gate.write(b'\n')
    result = running.finish()
    assert (result.rc, result.out) == (0, b'end\n') and is_gone(pid), result


def test_a_way_that_is_closed_can_be_opened_at_once(hop, up, server, ps):
    pid = up('-w', 'one,local:x')
    for _ in range(3):
        assert hop('down', '-w', 'one').rc == 0 and up('-w', 'one') == pid
        assert hop('run', '-w', 'one', '--', 'true').rc == 0
    until(lambda: ps().hops == ['local:x', 'ssh:one'])


def test_a_link_that_is_lost_is_not_held_and_the_next_command_connects(hop, up, server, logins, ps, fifo):
    bell = fifo('bell')
    pid = up('-w', 'one,local:x')
    running = hop.start('run', '-w', 'one', '--', f'echo > {bell}; sleep 1000')
    bell.read_lines(1)
    logins()
    way, = [each for each in below(pid) if re.match(r'\S*ssh -F .* one ', command_line(each))]
    os.kill(way, signal.SIGKILL)
    result = running.finish(SOON_SECONDS)
    assert result.rc == 255 and 'lost' in result.said, result
    assert until(lambda: ps().hops == ['local:x'])
    assert hop('run', '-w', 'one', '--', 'true').rc == 0 and logins() == 1
    assert up('-w', 'one') == pid and logins() == 1


def test_a_session_whose_last_link_is_lost_ends(hop, up, ssh):
    pid = up('-w', 'h1')
    way, = [each for each in below(pid) if re.match(r'\S*ssh -F .* h1 ', command_line(each))]
    os.kill(way, signal.SIGKILL)
    assert is_gone(pid)


def test_a_terminated_session_ends_in_order(hop, up, ssh):
    pid = up('-w', 'h1')
    os.kill(pid, signal.SIGTERM)
    assert is_gone(pid) and not (hop.runtime / 'session').exists()
