"""What is kept open carries all commands, whoever has opened it: no login any more, and all else as without it."""

import re
import signal
import subprocess

import pytest

from harness.docker import Docker
from harness.queue import lines
from harness.sessions import SOON_SECONDS, Ps, is_gone

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


def test_what_a_program_of_fakessh_has_opened_persists(hop, server, logins, ps):
    for _ in range(2):
        result = hop('fakessh', '--persist', '2s', '--', 'ssh', 'one', 'echo hi; exit 3')
        assert (result.rc, result.out, result.err) == (3, b'hi\n', b''), result
    shown = ps()
    assert logins() == 1 and 0 < shown.contexts[0]['closes_in'] <= 2 and is_gone(shown.pid, 2 + SOON_SECONDS)
