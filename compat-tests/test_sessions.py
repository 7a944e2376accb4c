"""Hosts that are kept open: by real servers that count their logins, with real processes that end in all ways."""

import fcntl
import json
import os
import re
import signal
import subprocess
import time

import pytest

from harness.asking_sshd import AskingSshd
from harness.docker import Docker
from harness.leaks import all_pids, command_line, read_stat
from harness.logins import Logins
from harness.privileges import CANARY, PASSWORD
from harness.process import exits
from harness.queue import lines

SOON_SECONDS = 5
NONE_RUNS = 'hopvine: no session runs; hopvine up -w HOSTS starts one\n'


@pytest.fixture(scope='module')
def server(site):
    if 'ssh' in site.missing:
        pytest.skip(site.missing['ssh'])
    if not site.accounts.private:
        pytest.skip('a server that writes down its logins needs root and unshare')
    logins = Logins(site)
    logins.alias('one')
    logins.alias('two', HostName='127.0.0.1')
    logins.alias('free', User='hvfree')
    yield logins
    logins.close()


@pytest.fixture
def logins(server):
    """`logins()`: how many there have been since the last time."""
    seen = [server.count()]

    def logins():
        before, seen[0] = seen[0], server.count()
        return seen[0] - before
    return logins


class Ps:
    """What `hopvine ps` shows, as a table and as objects."""

    def __init__(self, hop):
        table, objects = hop('ps'), hop('ps', '--json')
        assert (table.rc, table.err, objects.rc, objects.err) == (0, b'', 0, b''), (table, objects)
        first = re.fullmatch(r'session (\d+), up (.+), (\d+) clients?', table.lines[0])
        self.pid, self.clients = int(first[1]), int(first[3])
        self.table, self.contexts = table.lines[2:], [json.loads(line) for line in objects.lines]

    @property
    def hops(self):
        return sorted(context['hop'] for context in self.contexts)


@pytest.fixture
def ps(hop):
    return lambda: Ps(hop)


@pytest.fixture
def up(hop, ps):
    def up(*words, **options):
        result = hop('up', *words, **options)
        assert (result.rc, result.err) == (0, b''), result
        return ps().pid
    return up


def until(check, seconds=SOON_SECONDS):
    deadline = time.monotonic() + seconds
    while not (found := check()):
        assert time.monotonic() < deadline, 'it did not come to that'
    return found


def is_gone(pid, seconds=SOON_SECONDS):
    return exits(pid, time.monotonic() + seconds)


def below(pid):
    """All that descend from a process."""
    stats = {each: read_stat(each) for each in all_pids()}
    found = [pid]
    for each in found:
        found += [child for child, stat in stats.items() if stat and stat[1] == each]
    return found[1:]


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


# What is held carries all commands.

MODULE = '''
import os
def named(what):
    return what == 'yes'
def add(a, b):
    return a + b
def fails():
    raise ValueError('no idea')
def counted():
    for number in range(3):
        yield number
'''
VERBS = {
    'run': ['run', '--', 'echo out; echo err >&2; exit 7'],
    'run with input': ['run', '--', 'sha256sum'],
    'run what is not there': ['run', '--', 'nosuchprogram'],
    'call': ['call', './mod.py:add', '1', '2'],
    'call that fails': ['call', './mod.py:fails', '--json'],
    'script': ['script', 'script.sh', 'a b'],
    'put': ['put', 'mod.py', 'DIR/put.py'],
    'put to nowhere': ['put', 'mod.py', '/nonexistent/put.py', '--json'],
    'fetch': ['fetch', '/etc/hostname', 'fetched/'],
    'filter': ['filter', './mod.py:named', 'yes'],
    'facts': ['facts', '--json'],
    'watch': ['watch', './mod.py:counted'],
}
VARIES = re.compile(rb'"seconds":[0-9.]+|"(pid|uptime|load|free|available|used|boot|seconds|now|time)[a-z_]*":[^,}]+|in [0-9.]+ ?m?s')


@pytest.mark.parametrize('way', ['ssh', 'sudo', 'child'])
def test_every_verb_is_carried_without_a_login_and_does_the_same(hop, up, server, logins, way):
    target = {'ssh': 'one', 'sudo': 'free/sudo:', 'child': 'one/local:x'}[way]
    hop.write('mod.py', MODULE)
    hop.write('script.sh', '#!/bin/sh\necho "$1"; cat; exit 3\n')
    up('-w', target)
    logins()
    for name, words in VERBS.items():
        results = []
        for how, more in enumerate([[], ['--no-session']]):
            folder = hop.scratch / f'{way}-{how}'
            folder.mkdir(exist_ok=True)
            folder.chmod(0o777)
            verb, *rest = [word.replace('DIR', str(folder)).replace('fetched', str(folder)) for word in words]
            result = hop(verb, '-w', target, *more, *rest, stdin=b'12345' * 100_000 if 'input' in name or verb == 'script' else None)
            shown = [VARIES.sub(b'', stream.replace(str(folder).encode(), b'')) for stream in (result.out, result.err)]
            if verb == 'facts':
                shown = [sorted(result.only['value'])]
            results.append((result.rc, shown))
            assert logins() == how, (name, result)
        assert results[0] == results[1], (name, results)
    piped = hop('queue', stdin=lines({'on': target, 'run': 'echo hi'}, {'on': target, 'call': './mod.py:add', 'args': [1, 2]}))
    assert piped.rc == 0 and logins() == 0, piped


def test_a_script_of_python_is_carried(hop, up, server, logins):
    up('-w', 'one')
    logins()
    hop.write('main.py', 'import os\nfrom hopvine import Tunnel\nwith Tunnel("one") as one:\n    print(one.call(os.getppid) > 1)\n')
    result = hop('py', 'main.py')
    assert result.rc == 0 and result.text == 'True\n' and logins() == 0, result


def test_the_longest_way_that_is_held_is_used(hop, up, server, logins, ps):
    up('-w', 'one')
    logins()
    result = hop('run', '-v', '-w', 'one/local:a/local:b', '--', 'echo "$SSH_CONNECTION"')
    assert result.rc == 0 and result.text.startswith('127.0.0.1') and logins() == 0, result
    up('-w', 'one/local:a')
    result = hop('run', '-v', '-w', 'one/local:a/local:b', '--', 'true')
    assert result.said.count(' through ') == 1 and 'one/local:a' in result.said.split(' through ')[1], result
    assert logins() == 0
    # What is held deeper is of no use to what is above it.
    hop('down', '-w', 'one')
    assert hop('run', '-w', 'one', '--', 'true').rc == 0 and logins() == 1


def test_a_host_is_the_same_by_whatever_name_leads_there(hop, server, logins):
    hop.write('hopvine.toml', '[hosts]\nweb = "ssh:one"\nwww = "ssh:one"\n[exec]\nway = "sh -c"\n')
    result = hop('up', '-w', 'web,www')
    assert (result.rc, sorted(result.lines)) == (0, ['web: open', 'www: open']), result
    for name in ('web', 'www', 'one', 'ssh:one', 'www/local:x'):
        assert hop('run', '-w', name, '--', 'true').rc == 0, name
    assert logins() == 1


def test_exec_of_another_inventory_is_another_way(hop, up):
    hop.write('hopvine.toml', '[exec]\nway = "env NAME=first sh -c {}"\n')
    other = hop.write('other.toml', '[exec]\nway = "env NAME=second sh -c {}"\n')
    up('-w', 'exec:way')
    shown = [hop('run', *words, '-w', 'exec:way', '--', 'echo $NAME').text for words in ([], ['-i', other])]
    assert shown == ['first\n', 'second\n']
    refused = hop('up', '-i', other, '-w', 'exec:way')
    assert refused.rc == 255 and 'another inventory: hopvine down -w exec:way closes it' in refused.said, refused


def test_each_command_has_a_fresh_interpreter_and_sees_what_was_edited(hop, up, server):
    up('-w', 'one')
    seen = []
    for text in ('first', 'second'):
        hop.write('mod.py', f'import os\nstate = []\ndef f():\n    state.append(1)\n    return ["{text}", len(state), os.getpid()]\n')
        seen.append(hop('call', '-w', 'one', './mod.py:f').value)
    assert [each[:2] for each in seen] == [['first', 1], ['second', 1]] and seen[0][2] != seen[1][2]


def test_many_hosts_some_at_a_time(hop, up, ssh):
    up('-w', 'h[1-8]', '-f', '3')
    result = hop('run', '-w', 'h[1-8]', '-f', '3', '--json', '--', 'exit 5')
    assert len(result.json) == 8 and {each['rc'] for each in result.json.values()} == {5}, result


def test_without_a_session_one_logs_in(hop, up, server, logins):
    up('-w', 'one')
    logins()
    assert hop('run', '-w', 'one', '--no-session', '--', 'true').rc == 0 and logins() == 1
    assert hop('run', '-w', 'one', '--no-session', '--persist', '2s', '--', 'true').rc == 2


# Opened by whoever needs it, for a while.

def test_what_persists_is_used_again_and_goes_when_nobody_does(hop, server, logins, ps):
    for _ in range(3):
        result = hop('run', '-w', 'one', '--persist', '2s', '--', 'echo hi')
        assert (result.rc, result.out, result.err) == (0, b'hi\n', b''), result
    shown = ps()
    assert logins() == 1 and 0 < shown.contexts[0]['closes_in'] <= 2 and not shown.contexts[0]['held'], shown.contexts
    assert re.search(r'open, [12]s left', shown.table[0]), shown.table
    assert is_gone(shown.pid, 2 + SOON_SECONDS)


def test_what_persists_does_not_go_under_a_command(hop, server, logins, fifo):
    bell, gate = fifo('bell'), fifo('gate')
    running = hop.start('run', '-w', 'one', '--persist', '100ms', '--', f'echo > {bell}; read x < {gate}; echo end')
    bell.read_lines(1)
    pid = Ps(hop).pid
    assert not is_gone(pid, 0.5)
    gate.write(b'\n')
    result = running.finish()
    assert (result.rc, result.out) == (0, b'end\n') and is_gone(pid), result


@pytest.fixture
def counted(hop, ssh):
    """`counted()`: how often anybody has tried to reach `down` or `exec:broken` since the last time; nobody gets there."""
    tries = ssh.client.dir / 'tries'
    ssh.alias('down', ProxyCommand=f'sh -c "echo >>{tries}"')
    hop.way_through(f'echo >>{tries}; echo "broken words" >&2; exit 3\n', 'broken')

    def counted():
        count = len(tries.read_text()) if tries.exists() else 0
        tries.unlink(missing_ok=True)
        return count
    return counted


@pytest.mark.parametrize('target', ['down', 'local:x/exec:broken'])
def test_who_does_not_answer_is_tried_once_and_told_of_as_without_a_session(hop, counted, target):
    words = ['run', '-w', f'{target},local:y', '--json']
    direct, persisting = [hop(*words, *more, '--', 'echo hi') for more in ([], ['--persist', '2s'])]
    assert (direct.rc, direct.err) == (persisting.rc, persisting.err) and persisting.json['local:y']['stdout'] == 'hi\n', persisting
    assert direct.json[target]['error'] == persisting.json[target]['error'] and persisting.json[target]['error']['kind'], persisting
    assert counted() == 2


def test_who_is_to_be_tried_again_is_tried_so_often(hop, counted):
    for retries in (0, 1):
        result = hop('run', '-w', 'down', '--persist', '2s', '--retries', str(retries), '--', 'true')
        assert result.rc == 255 and counted() == 1 + retries, result
    asked = lines(*({'on': 'down', 'run': 'true'} for _ in range(3)))
    (hop.scratch / 'tasks').write_bytes(asked)
    for retries in (0, 1):
        result = hop('queue', '--persist', '2s', '--retries', str(retries), hop.scratch / 'tasks')
        assert result.rc != 0 and counted() == 1 + retries, (retries, result)


def test_an_ssh_uses_what_is_held_of_its_way(hop, up, server, logins, ps):
    up('-w', 'one')
    logins()
    result = hop('ssh', 'ssh:one/local:x', 'cat; exit 3', stdin=b'in')
    assert (result.rc, result.out, result.err) == (3, b'in', b'') and logins() == 0, result
    # It stays while that runs.
    running = hop.start('ssh', 'ssh:one/local:x', 'echo up; cat', stdin=subprocess.PIPE)
    running.until(b'up\n')
    assert hop('down', '-w', 'one').rc == 0 and ps().hops == ['ssh:one']
    running.end_input()
    assert running.finish().rc == 0 and logins() == 0
    # What is held of another way is not of this.
    assert hop('ssh', 'ssh:two/local:x', 'exit 4').rc == 4 and logins() == 1


def test_ssh_persists_as_its_own_options_say(hop, server, logins, ps):
    options = ['-o', 'ControlMaster=auto', '-o', 'ControlPath=x', '-o', 'ControlPersist=2s']
    for _ in range(2):
        result = hop('ssh', *options, 'one', 'echo hi; exit 3')
        assert (result.rc, result.out, result.err) == (3, b'hi\n', b''), result
    pid = ps().pid
    assert logins() == 1 and hop('ssh', 'one', 'true').rc == 0 and logins() == 0
    assert is_gone(pid, 2 + SOON_SECONDS)
    assert not (hop.cwd / 'x').exists()


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


# How it ends.

def kept_by(pid):
    """What a session has open, by name."""
    return {os.readlink(f'/proc/{pid}/fd/{fd}') for fd in os.listdir(f'/proc/{pid}/fd')}


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
    running = [hop.start('run', '-w', 'h1', '--', f'echo $$ > {bell}; exec sleep 1000'),
               hop.start('ssh', 'h1', f'echo $$ > {bell}; exec sleep 1000')]
    remote = [int(line) for line in bell.read_lines(2)]
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
    running = [hop.start('run', '-w', 'h1', '--', f'echo $$ > {bell}; exec sleep 1000'),
               hop.start('ssh', 'h1', f'echo $$ > {bell}; exec sleep 1000')]
    remote = [int(line) for line in bell.read_lines(2)]
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


def test_containers_are_kept_open(hop, site, up):
    docker = Docker(site)
    if docker.missing:
        pytest.skip(docker.missing)
    try:
        hop.env.update(DOCKER_HOST=docker.env['DOCKER_HOST'])
        execs = docker.events('exec_start')
        pid = up('-w', 'docker:app')
        for _ in range(2):
            result = hop('run', '-w', 'docker:app', '--', 'cat /etc/hostname; exit 4')
            assert result.rc == 4 and result.out, result
        fresh = hop('run', '-w', 'docker:app', '--no-session', '--', 'cat /etc/hostname; exit 4')
        assert (fresh.rc, fresh.out) == (4, result.out), fresh
        assert hop('down').rc == 0 and is_gone(pid)
        docker('exec', 'app', 'true', 'last')
        execs.until(b'true last')
        execs.signal(signal.SIGTERM)
        assert execs.finish().out.count(b'exec_start: sh -c') == 2
    finally:
        docker.close()
