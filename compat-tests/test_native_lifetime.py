"""Nothing outlives a native relay, nor it those above: found there, with a watchdog of its own, or sent, with that of the agent.

As in test_lifetime.py each case has a PID namespace of its own, where what is left at the end is counted.
"""

import contextlib
import os
import shutil
import signal
import time

import pytest

from harness.binary import BINARY
from harness.fifo import Leash
from harness.leaks import read_stat
from test_lifetime import COMMAND, NEWEST, SOON_SECONDS, far, here, is_stopped, until  # noqa: F401
from test_tree_lifetime import KEEPALIVE, PATIENCE_SECONDS, TreeWork, told_once

STATES = ['searching', 'a child in a session of its own', 'a deaf daemon that keeps all descriptors']
DEEP = 'local:a/local:b/local:c'
# Of what is behind two relays that were sent nothing is known but the standard library (see test_native_relay.py).
PLACES = {('found', 2): 'local:a/local:b', ('found', 3): DEEP, ('sent', 2): 'local:a/local:b'}
# What is at hand is done at once; 5 s are for the worst.
AT_ONCE_SECONDS, GIVEN_UP_SECONDS = 1.5, 4 * 0.3
EACH = pytest.mark.parametrize('kind, depth', PLACES)


class NativeWork(TreeWork):
    kind = 'found'

    def start(self, verb, option, target, *words, lines):
        if self.kind == 'found':
            self.hop.env['PATH'] = f'{BINARY.parent}:{self.hop.env["PATH"]}'
        return super().start(verb, option, target, '--relay', 'native', *words, lines=lines)

    def serve(self, namespace, *options):
        path = f'{BINARY.parent}:{self.site.client.bin}:{os.environ["PATH"]}'
        namespace.serve(self.site.sshd, '-o', f'SetEnv=HOPVINE_TEST={self.site.run_id} PATH={path}', *options)

    def be_behind(self, kind, depth, state, **options):
        self.kind = kind
        return self.be(PLACES[kind, depth], NEWEST, state, **options)

    def line(self):
        """The first hop's watchdog and relay, the second's, and so on to the last agent: all by their parents."""
        found = [self.agent]
        while read_stat(found[-1])[1] != self.live.pid:
            found.append(read_stat(found[-1])[1])
        line = found[::-1]
        natives = [os.readlink(f'/proc/{pid}/exe') for pid in line[1:-2:2]]
        where = '/memfd:hopvine (deleted)' if self.kind == 'sent' else str(BINARY.resolve())
        assert natives == [where] * (len(line) // 2 - 1), (natives, self.here)
        return line

    def relays(self):
        return self.line()[1:-2:2]

    def watchdogs(self):
        return self.line()[0::2]

    def stop(self, *pids):
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
            until(pid, lambda: is_stopped(pid))


@pytest.fixture
def work(hop, site, need, here):  # noqa: F811
    need('ssh')
    bell = Leash(hop.scratch / 'bell')
    yield NativeWork(hop, site, bell, here)
    bell.close()


# The controller is killed.

@EACH
@pytest.mark.parametrize('state', STATES)
def test_nothing_outlives_a_controller_that_is_killed(work, kind, depth, state):
    work.be_behind(kind, depth, state).end().is_gone()


@EACH
def test_nothing_outlives_a_killed_controller_where_the_first_relay_is_stopped(work, kind, depth):
    work.be_behind(kind, depth, STATES[-1]).stop(work.relays()[0])
    work.end().is_gone()


def test_nothing_outlives_a_killed_controller_where_the_second_relay_is_stopped(work):
    work.be_behind('found', 3, STATES[-1]).stop(work.relays()[1])
    work.end().is_gone()


@pytest.mark.parametrize('way', ['ssh:h1/ssh:h2/ssh:h3', 'local:a/ssh:h1/local:c'])
def test_nothing_outlives_a_controller_that_is_killed_with_ssh_on_the_way(work, way):
    work.be(way, NEWEST, STATES[-1]).end().is_gone()


# A relay is killed, or its watchdog.

@EACH
def test_nothing_outlives_a_relay_that_is_killed(work, kind, depth):
    work.be_behind(kind, depth, STATES[-1])
    work.end(work.relays()[-1]).is_gone()
    told_once(work, PLACES[kind, depth].split('/')[depth - 2])


def test_nothing_outlives_the_watchdog_of_a_relay(work):
    work.be_behind('found', 2, STATES[-1])
    work.end(work.watchdogs()[0])
    work.is_gone(within=AT_ONCE_SECONDS)
    told_once(work, 'local:a')


@EACH
def test_nothing_outlives_a_relay_and_its_watchdog_that_are_killed_together(work, kind, depth):
    work.be_behind(kind, depth, STATES[-1])
    watchdog, relay = work.line()[:2]
    work.end(watchdog)
    with contextlib.suppress(ProcessLookupError):  # it may have ended by itself
        os.kill(relay, signal.SIGKILL)
    work.is_gone()
    told_once(work, 'local:a')


# Silence

@pytest.mark.parametrize('kind', ['found', 'sent'])
def test_a_relay_that_is_stopped_is_given_up_with_all_behind_it(work, kind):
    work.be_behind(kind, 2, STATES[-1], options=KEEPALIVE)
    work.end(work.relays()[0], signal.SIGSTOP)
    work.is_gone(within=GIVEN_UP_SECONDS + AT_ONCE_SECONDS)
    told_once(work, 'local:a')


def test_a_controller_that_is_stopped_is_given_up(work):
    """Those below hear nothing any more; nobody can be told."""
    work.be_behind('found', 3, STATES[-1], options=KEEPALIVE)
    work.here.expected.add(work.watchdogs()[0])  # as a zombie: it is the controller's to bury
    guardian, = work.here.children(work.live.pid) - work.here.expected
    work.here.expected.add(guardian)  # it waits for the controller's end
    work.end(number=signal.SIGSTOP)
    try:
        work.is_gone(within=PATIENCE_SECONDS)
    finally:
        os.kill(work.live.pid, signal.SIGCONT)


@pytest.fixture
def found_by_ssh(site):
    """The program, in the home of the account that ssh leads to."""
    folder = site.accounts.home(site.accounts.user) / '.local/bin'
    folder.mkdir(parents=True)
    (folder / 'hopvine').symlink_to(BINARY)
    yield
    shutil.rmtree(folder.parent)


def test_both_ends_give_up_a_network_that_has_fallen_silent(work, site, far, found_by_ssh):  # noqa: F811
    work.here.others.append(far.others[0])  # there is a server, and it is the far one
    work.be('ssh:far/local:b/local:c', NEWEST, STATES[-1], options=['--keepalive', '500ms'])
    del work.here.others[0]
    session = far.find(f'{site.accounts.user}@notty')
    far.expected.add(session)  # sshd's own, and it waits for the network
    work.here.lose_all_packets(far)
    work.ended = time.monotonic()
    result = work.result()
    assert result.rc == 255 and result.seconds < 2 + SOON_SECONDS, result
    work.is_gone(within=2 + SOON_SECONDS)
    told_once(work, 'ssh:far', words=('silent for',))


@pytest.mark.parametrize('kind, words', [('found', ['local:a/local:b']), ('sent', ['local:a/local:b']),
                                         ('found', ['local:a', '--agent', 'native'])], ids=str)
def test_a_command_that_says_nothing_for_long_is_not_ended(hop, kind, words):
    if kind == 'found':
        hop.env['PATH'] = f'{BINARY.parent}:{hop.env["PATH"]}'
    result = hop('run', '-n', '-w', *words, '--relay', 'native', '--keepalive', '100ms', '--', 'sleep 0.8; echo well')
    assert result.out == b'well\n', result


# Ctrl-C, and what is the user's

@EACH
def test_an_interrupted_call_is_gone_at_once(work, kind, depth):
    work.be_behind(kind, depth, 'a deaf child').end(number=signal.SIGINT)
    assert work.result().rc == 130
    work.is_gone(within=1)


@EACH
def test_a_daemon_survives_the_call_that_started_it(work, fifo, kind, depth):
    gate = fifo('gate')
    work.kind = kind
    work.call(PLACES[kind, depth], None, 'returning', gate, 'a daemon')
    daemon = work.pids[0][1]
    gate.write(b'now\n')
    assert work.result().rc == 0
    survives(work, daemon)


def survives(work, daemon):
    work.here.expected.add(daemon)
    assert work.here.left(time.monotonic() + SOON_SECONDS) == []
    assert daemon in work.here.processes() and read_stat(daemon)[0] != 'Z'


# The program serves the target too.

AT_THE_END = pytest.mark.parametrize('path', ['local:a', DEEP, 'ssh:h1/local:b'])


def run(work, path, command=COMMAND, lines=4, options=()):
    work.run(path, command, ['--agent', 'native', *options], lines=lines)
    return work


@AT_THE_END
def test_nothing_of_a_command_that_it_serves_outlives_a_controller_that_is_killed(work, path):
    run(work, path).end().is_gone()


@pytest.mark.parametrize('path', ['local:a', DEEP])
def test_nothing_of_a_command_outlives_the_program_that_serves_it(work, path):
    run(work, path)
    work.end(read_stat(work.pids[0][0])[1]).is_gone()
    error = work.result().only['error']
    assert error['kind'] == 'link_lost' and 'killed by signal 9' in error['message'], error


@pytest.mark.parametrize('path', ['local:a', DEEP])
def test_a_daemon_survives_the_command_that_started_it_where_it_is_served_natively(work, path):
    run(work, path, 'setsid sleep 1000 >/dev/null 2>&1 & echo $! >{bell}', lines=1)
    daemon = work.pids[0][0]
    assert work.result().rc == 0
    survives(work, daemon)
