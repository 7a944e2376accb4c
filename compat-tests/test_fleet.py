"""Many hosts at a time: who waits for whom, a server that takes only so many, and a user at a terminal who has seen enough."""

import json
import re
import socket
import time

import pytest

from harness.asking_sshd import AskingSshd
from harness.fifo import Leash
from harness.queue import lines

HOSTS = 'h[1-2],local:c[1-2]'
NAMES = ['h1', 'h2', 'local:c1', 'local:c2']
AGAIN = b'interrupt again to stop'
CTRL_C = '\x03'


# The window

@pytest.mark.parametrize('others', ['local:c[2-9]', 'h[1-5],local:c[1-2]'])
def test_who_is_stuck_holds_only_its_own_place(hop, ssh, fifo, others):
    """Of the two places one stays taken, so that the others have to go through the second, one after another."""
    bell, gate, log = fifo('bell'), fifo('gate'), hop.scratch / 'log'
    stuck = hop.way_in('env STUCK=1 sh -c {}')
    work = (f'if [ "$STUCK" ]; then echo here >{bell}; read x <{gate}; '
            f'else echo begin >>{log}; echo end >>{log}; fi; echo over')
    live = hop.start('run', '-f', '2', '-w', f'{stuck},{others}', '--', work)
    bell.read_lines(1)
    names = hop('hosts', others).lines
    for name in names:
        live.until(f'{name}: over'.encode())
    assert b'exec:way' not in live.outputs['out'] and live.popen.poll() is None
    assert log.read_text() == 'begin\nend\n' * len(names)
    gate.write(b'go\n')
    result = live.finish()
    assert result.rc == 0 and result.lines[-1] == 'exec:way: over', result


# A server that takes only so many

class Narrow:
    """A server that lets three log in at a time, and none beyond six; its aliases are narrow1 to narrow30."""

    def __init__(self, site):
        keys = site.dir / 'authorized_keys'
        self.server = AskingSshd(site, pam=False, PasswordAuthentication='no', AuthorizedKeysFile=keys, MaxStartups='3:50:6')
        self.names = [self.server.alias(f'narrow{number}', PubkeyAuthentication='yes') for number in range(1, 31)]
        self.held = []

    def fill(self):
        """All its places are taken by somebody who says nothing."""
        while len(self.held) < 6:
            came = socket.create_connection(('127.0.0.1', self.server.port), timeout=10)
            if came.recv(4) == b'SSH-':
                self.held.append(came)
            else:  # it refuses some from the third on
                came.close()

    def free(self):
        for came in self.held:
            came.close()
        self.held = []

    def close(self):
        self.free()
        self.server.close()


@pytest.fixture
def narrow(site, ssh):
    if not site.accounts.private:
        pytest.skip('a server with options of its own needs root and unshare')
    narrow = Narrow(site)
    yield narrow
    narrow.close()


@pytest.mark.parametrize('via', [[], ['--via', 'local:']], ids=['here', 'through a relay'])
def test_who_is_turned_away_by_a_server_that_has_enough_is_told_so(hop, narrow, via):
    narrow.fill()
    result = hop('run', *via, '-w', 'narrow[1-3]', '--json', '--', 'true')
    errors = [one['error'] for one in result.json.values()]
    assert (result.rc, [error['kind'] for error in errors]) == (4, ['turned_away'] * 3), result
    assert all('exchange_identification' in '\n'.join(error['said']) for error in errors), result
    told = hop('run', *via, '-w', 'narrow[1-3]', '--', 'true').said
    assert 'closes the connection before the login' in told, told
    assert all(word in told for word in ('MaxStartups', 'PerSourcePenalties', '-f N', '--retries N')), told


def test_who_is_turned_away_gets_in_by_trying_again(hop, narrow):
    """All thirty come at once, and find the door shut; when it opens it lets in a few at a time."""
    narrow.fill()
    live = hop.start('run', '-w', 'narrow[1-30]', '--retries', '9', '--', 'echo in')
    live.until(b'trying again', 'err')
    narrow.free()
    result = live.finish(120)
    assert result.rc == 0 and sorted(result.lines) == sorted(f'{name}: in' for name in narrow.names), result


def test_what_may_have_begun_elsewhere_is_not_begun_again(hop):
    """Of a way of the user's own nobody knows what it had done before it ended."""
    tries = hop.scratch / 'tries'
    way = hop.way_through(f'echo tried >>{tries}; exit 9')
    result = hop('run', '-w', way, '--retries', '3', '--json', '--', 'true')
    assert result.only['error']['kind'] == 'start_failed' and tries.read_text() == 'tried\n', result


# Ctrl-C at a terminal

@pytest.fixture
def started(hop, ssh, fifo, terminal):
    """`started(verb)`: all hosts work, and wait for the gate; each then has another line in a queue."""
    bell, gate = fifo('bell'), fifo('gate')
    leash = Leash(hop.scratch / 'leash')
    work = f'exec 9>{leash}; echo here >{bell}; read x <{gate}; echo over'

    def start(verb):
        if verb == 'run':
            typist = terminal('run', '-w', HOSTS, '--', work)
        else:
            queue = hop.write('ops.jsonl', lines({'on': HOSTS, 'run': work}, {'on': HOSTS, 'run': 'echo next'}).decode())
            typist = terminal('queue', queue)
        bell.read_lines(len(NAMES))
        return typist, gate, leash
    yield start
    leash.close()


def told(typist, word):
    """Which hosts have printed the word, by whichever verb."""
    shown = re.sub(r'\x1b\[[\d;]*[A-Za-z]', '', typist.shown.decode()).replace('\r', '\n').split('\n')
    values = [json.loads(line) for line in shown if line.startswith('{')]
    named = [one['target'] for one in values if one.get('stdout') == f'{word}\n']
    return sorted(named + [line.removesuffix(f': {word}') for line in shown if line.endswith(f': {word}')])


BOTH = pytest.mark.parametrize('verb', ['run', 'queue'])


@BOTH
def test_one_interrupt_tells_who_still_runs_and_all_go_on(started, verb):
    typist, gate, _ = started(verb)
    typist.type(CTRL_C)
    typist.until(AGAIN)
    waiting = b'; 4 to start' if verb == 'queue' else b''
    assert b'4 running: h[1-2],local:c[1-2]%s; %s' % (waiting, AGAIN) in typist.shown, typist.shown
    gate.write(b'go\n' * len(NAMES))
    assert typist.end() == 0, typist.shown
    assert told(typist, 'over') == NAMES, typist.shown
    assert verb == 'run' or told(typist, 'next') == NAMES, typist.shown


@BOTH
def test_a_second_interrupt_stops_all_that_runs_anywhere(started, verb):
    typist, _, leash = started(verb)
    typist.type(CTRL_C)
    typist.until(AGAIN)
    assert not leash.ends(time.monotonic()), 'the first has stopped something'
    typist.type(CTRL_C)
    began = time.monotonic()
    assert typist.end() == 130 and time.monotonic() - began < 1.5, typist.shown
    assert leash.ends(time.monotonic() + 5), 'something runs on'
    assert told(typist, 'over') == told(typist, 'next') == [], typist.shown
