"""Hosts that are kept open: by real servers that count their logins, for several clients at once."""

import signal

import pytest

from harness.asking_sshd import AskingSshd
from harness.leaks import all_pids, command_line, read_stat
from harness.privileges import CANARY, PASSWORD
from harness.sessions import is_gone, until

NONE_RUNS = 'hopvine: no session runs; hopvine up -w HOSTS starts one\n'


# up, ps, down.

def test_up_opens_ps_shows_and_down_closes(hop, server, logins, ps):
    result = hop('up', '-w', 'one,local:x')
    assert (result.rc, sorted(result.lines), result.err) == (0, ['local:x: open', 'one: open'], b'')
    shown = ps()
    assert shown.hops == ['local:x', 'ssh:one'] and [each['state'] for each in shown.contexts] == ['open'] * 2
    assert all(each['held'] and each['closes_in'] is None and each['python'] for each in shown.contexts), shown.contexts
    again = hop('up', '-w', 'one,two', '--json')
    assert (again.rc, again.err) == (0, b'') and again.json['two'] == {'target': 'two', 'ok': True}, again
    assert ps().pid == shown.pid and ps().hops == ['local:x', 'ssh:one', 'ssh:two'] and logins() == 2
    closed = hop('down', '-w', 'one')
    assert (closed.rc, closed.out, closed.err) == (0, b'', b'') and [each['hop'] for each in ps().contexts if each['state'] == 'open'] == ['local:x', 'ssh:two']
    missing = hop('down', '-w', 'one')
    assert (missing.rc, missing.said) == (1, 'hopvine: one: the session does not hold it\n'), missing
    ended = hop('down')
    assert (ended.rc, ended.out, ended.err) == (0, b'', b'') and is_gone(shown.pid)
    assert not (hop.runtime / 'session').exists()


def test_where_none_runs_ps_says_so_by_its_status_and_down_has_nothing_to_do(hop):
    looked, ended = hop('ps'), hop('down')
    assert (looked.rc, looked.out, looked.said) == (1, b'', NONE_RUNS)
    assert (ended.rc, ended.out, ended.said) == (0, b'', NONE_RUNS)
    assert not hop.runtime.exists()  # who only looks makes nothing


@pytest.mark.parametrize('words', ['-x one', '--via one', '--become sudo:'])
def test_what_is_said_of_hosts_closes_nothing_where_none_are_named(hop, up, words):
    pid = up('-w', 'local:x')
    result = hop('down', *words.split())
    assert result.rc == 2 and '-w <HOSTS>' in result.said and not is_gone(pid, 0), result


def test_a_session_ends_with_its_last_way(hop, up, server):
    pid = up('-w', 'one,local:x')
    assert hop('down', '-w', 'one').rc == 0 and not is_gone(pid, 0)
    assert hop('down', '-w', 'local:x').rc == 0 and is_gone(pid)


def test_hosts_that_cannot_be_opened_are_told_of_as_run_tells(hop, server, refusing, ps):
    both = hop('up', '-w', f'one,{refusing}')
    asked = hop('run', '-w', refusing, '--', 'true')
    assert (both.rc, both.out, both.err) == (4, b'one: open\n', asked.err) and asked.rc == 255, (both, asked)
    alone, told = hop('up', '-w', refusing, '--json'), hop('run', '-w', refusing, '--json', '--', 'true')
    assert alone.rc == 255 and alone.only['error'] == told.only['error'] and not alone.only['ok'], (alone, told)
    assert ps().hops == ['ssh:one']


def test_what_was_on_the_way_to_a_host_that_failed_is_let_go(hop, up, server, ps):
    up('-w', 'local:x')
    assert hop('up', '-w', 'one/docker:').rc == 2 and hop('up', '-w', 'one/sudo:nobody7').rc == 255
    until(lambda: ps().hops == ['local:x'])


def test_a_way_that_leads_through_another_keeps_that_open(hop, up, server, logins, ps):
    up('-w', 'one,one/local:x')
    assert logins() == 1 and ps().hops == ['local:x', 'ssh:one']
    assert hop('down', '-w', 'one').rc == 0 and ps().hops == ['local:x', 'ssh:one']
    assert hop('down', '-w', 'one/local:x').rc == 0
    assert hop('ps').rc == 1


def test_up_is_given_passwords_for_ssh_and_sudo_and_nobody_needs_them_then(hop, site, server):
    asking = AskingSshd(site, pam=False)
    site.servers.append(asking)
    try:
        asking.alias('asked', User='hvask')
        path = hop.scratch / 'password'
        path.write_text(f'{PASSWORD}\n')
        opened = hop('up', '-w', 'asked/sudo:hvother', '-k', '-K', '--secret-file', path)
        assert (opened.rc, opened.text, opened.err) == (0, 'asked/sudo:hvother: open\n', b''), opened
        ran = hop('run', '-w', 'asked/sudo:hvother', '--', 'id', '-un')
        assert (ran.rc, ran.out, ran.err) == (0, b'hvother\n', b''), ran
        # It leads through an ssh that is not held by itself.
        assert hop('run', '-w', 'asked', '--', 'true').rc == 255
        asking.alias('other', User='hvask')
        wrong = hop('up', '-w', 'other', '-k', '--secret-command', 'echo wrong')
        assert wrong.rc == 255 and 'password' in wrong.said and CANARY not in wrong.out + wrong.err, wrong
        assert hop('down').rc == 0
    finally:
        site.servers.remove(asking)
        asking.close()


# Several at once.

def test_two_that_come_up_at_once_make_one_session(hop, ssh, ps):
    started = [hop.start('up', '-w', f'h{number}') for number in range(1, 7)]
    assert [each.finish().rc for each in started] == [0] * 6
    assert len(ps().contexts) == 6
    processes = [pid for pid in all_pids() if str(hop.runtime / 'session') in command_line(pid)]
    # Each session has a guardian, its fork.
    assert [pid for pid in processes if read_stat(pid)[1] not in processes] == [ps().pid]


def test_several_clients_do_not_meet(hop, up, ssh):
    up('-w', 'h1')
    data = [bytes([65 + number]) * 3_000_000 for number in range(6)]
    started = [hop.start('run', '-w', 'h1', '--', 'cat; echo $0 >&2', stdin=each) for each in data]
    for each, sent in zip(started, data):
        result = each.finish()
        assert result.rc == 0 and result.out == sent, repr(result)[:500]


def test_ps_answers_while_an_agent_holds_its_interpreter(hop, up, ssh, fifo, ps):
    bell = fifo('bell')
    up('-w', 'h1')
    hung = hop.start('call', '-w', 'h1', '--path', hop.remote, 'lifetime:searching', bell)
    bell.read_lines(1)
    shown = ps()
    assert shown.clients >= 1 and shown.contexts[0]['running'][0]['what'].startswith('hopvine call -w h1'), shown.contexts
    assert 'hopvine call -w h1' in shown.table[0]
    hung.signal(signal.SIGKILL)
    hung.finish()
    until(lambda: not ps().contexts[0]['running'])


def test_ps_shows_what_a_transfer_moves(hop, up, ssh, fifo, ps):
    bell, gate = fifo('bell'), fifo('gate')
    up('-w', 'h1')
    before = ps().contexts[0]
    data = hop.scratch / 'data'
    data.write_bytes(b'x' * 5_000_000)
    with open(data) as file:
        moved = hop.start('run', '-w', 'h1', '--', f'head -c 5000000 | wc -c; echo > {bell}; read x < {gate}', stdin=file)
    bell.read_lines(1)
    during = ps().contexts[0]
    assert during['sent'] - before['sent'] >= 5_000_000 and during['streams'] > before['streams'], (before, during)
    gate.write(b'\n')
    assert moved.finish().out.strip() == b'5000000'
    with open(data) as file:
        blocked = hop.start('ssh', 'h1', f'echo > {bell}; read x < {gate}', stdin=file)
    bell.read_lines(1)
    until(lambda: ps().contexts[0]['queued'] > 0)
    gate.write(b'\n')
    assert blocked.finish().rc == 0
