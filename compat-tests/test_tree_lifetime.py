"""Nothing outlives its parent, however deep in the tree: whatever ends, all below it is gone, and all above is told once.

As in test_lifetime.py each case has a PID namespace of its own, where what is left at the end is counted.
"""

import itertools
import os
import signal
import time

import pytest

from harness.fifo import Leash
from harness.leaks import command_line, read_stat
from harness.namespace import inner
from test_lifetime import (KEEPALIVE, NEWEST, OLDEST, PATIENCE_SECONDS, SOON_SECONDS, Work, far, here, is_stopped,  # noqa: F401
                           until)

TITLE = 'hopvine:tree'
LOCAL = 'local:a/local:b/local:c'
PATHS = {'local': LOCAL, 'ssh': 'ssh:h1/ssh:h2/ssh:h3', 'ssh between': 'local:a/ssh:h1/local:c'}
STATES = ['sleeping', 'searching', 'deaf', 'stopped', 'a deaf child', 'a child in a session of its own',
          'a deaf daemon that keeps all descriptors']
CUT = ['searching', 'deaf', 'a deaf daemon that keeps all descriptors']


def everywhere(states):
    """At home by either interpreter; over ssh by the one or the other, for the time that logins take."""
    pythons = itertools.cycle((OLDEST, NEWEST))
    cases = [('local', state, python) for state in states for python in (OLDEST, NEWEST)]
    cases += [(way, state, python) for way in ('ssh', 'ssh between') for state, python in zip(states, pythons)]
    return pytest.mark.parametrize('way, state, python', cases, ids=str)


class TreeWork(Work):
    """A command at the end of a chain. Who was started later is deeper: pids begin anew in a namespace."""

    def start(self, verb, option, target, *words, lines):
        if 'ssh:' in target and not self.here.others:
            self.serve(self.here)
        self.live = self.here.start(self.hop, verb, option, target, '--json', '--name', TITLE, *words)
        self.here.expected.add(self.live.pid)
        return self.begun(lines)

    def serve(self, namespace, *options):
        """With our own `ssh` first in PATH."""
        path = f'{self.site.client.bin}:{os.environ["PATH"]}'
        variables = f'SetEnv=HOPVINE_TEST={self.site.run_id} PATH={path}'
        namespace.serve(self.site.sshd, '-o', variables, *options)

    def agents(self):
        """Those of the three hops, the first hop's first."""
        ours = [pid for place in {self.here, self.there} for pid in place.processes()
                if command_line(pid).startswith(TITLE)]
        # A watchdog has one thread, and so has what user code has forked.
        agents = sorted((pid for pid in ours if len(os.listdir(f'/proc/{pid}/task')) > 1), key=inner)
        assert len(agents) >= 3, self.here
        return agents

    def watchdog(self, agent):
        return read_stat(agent)[1]

    def clients(self):
        """Those of ssh, the first hop's first."""
        return sorted((pid for pid in self.here.processes() if '/ssh -F' in command_line(pid)), key=inner)


@pytest.fixture
def work(hop, site, need, here):  # noqa: F811
    need('ssh')
    bell = Leash(hop.scratch / 'bell')
    yield TreeWork(hop, site, bell, here)
    bell.close()


def told_once(work, *hops, words=('lost',)):
    """Each target has one error, that names one of these hops."""
    result = work.result()
    assert result.rc in (4, 255), result
    for told in result.json.values():
        error = told['error']
        assert error['kind'] == 'link_lost' and all(each in error['message'] for each in words), result
        assert error['message'].startswith(tuple(f'{hop}: ' for hop in hops)) and 'for 0s' not in error['message'], result
    return result


# The controller

@everywhere(STATES)
def test_nothing_outlives_a_controller_that_is_killed(work, way, state, python):
    work.be(PATHS[way], python, state).end().is_gone()


@pytest.mark.parametrize('at', [0, 1, 2])
def test_nothing_outlives_a_killed_controller_where_an_agent_is_stopped(work, at):
    work.be(LOCAL, NEWEST, 'a deaf daemon that keeps all descriptors')
    stopped = work.agents()[at]
    os.kill(stopped, signal.SIGSTOP)
    until(stopped, lambda: is_stopped(stopped))
    work.end().is_gone()


def test_nothing_of_many_targets_outlives_a_controller_that_is_killed(work):
    targets = 'local:a/local:b/local:c,local:a/local:b/local:d/local:e,local:a/local:x/local:y,local:a/local:b'
    work.call(targets, OLDEST, 'having', 'a deaf child', 'a daemon', lines=4).end().is_gone()


# A relay

@everywhere(CUT)
def test_nothing_outlives_a_relay_that_is_killed(work, way, state, python):
    work.be(PATHS[way], python, state)
    work.end(work.agents()[1]).is_gone()
    told_once(work, PATHS[way].split('/')[1])


@pytest.mark.parametrize('at', [0, 1, 2])
def test_nothing_outlives_a_watchdog_that_is_killed(work, at):
    work.be(LOCAL, NEWEST, 'a deaf child')
    work.end(work.watchdog(work.agents()[at])).is_gone()
    told_once(work, LOCAL.split('/')[at])


def test_nothing_outlives_the_first_relay_and_each_call_behind_it_is_told(work):
    targets = 'local:a/local:b/local:c,local:a/local:b/local:d,local:a/local:b'
    work.call(targets, OLDEST, 'having', 'a deaf child', 'a child in a session of its own', lines=3)
    work.end(work.agents()[0]).is_gone()
    assert len(told_once(work, 'local:a', words=('killed by signal 9',)).json) == 3


# The way between two

@pytest.mark.parametrize('state', CUT)
@pytest.mark.parametrize('at', [0, 1, 2])
def test_nothing_outlives_an_ssh_client_that_is_killed(work, at, state):
    work.be(PATHS['ssh'], NEWEST if at % 2 else OLDEST, state)
    work.end(work.clients()[at]).is_gone()
    told_once(work, f'ssh:h{at + 1}')


def test_nothing_outlives_an_ssh_client_of_a_local_relay_that_is_killed(work):
    work.be(PATHS['ssh between'], OLDEST, 'a deaf daemon that keeps all descriptors')
    work.end(work.clients()[0]).is_gone()
    told_once(work, 'ssh:h1')


def test_a_stopped_ssh_client_of_the_first_hop_is_gone_with_a_killed_controller(work):
    """It has heard of no end, and nobody is above it but who is killed."""
    work.be('ssh:h1/local:b/local:c', NEWEST, 'a deaf child')
    client, = work.clients()
    os.kill(client, signal.SIGSTOP)
    until(client, lambda: is_stopped(client))
    work.end().is_gone()


# Silence

@pytest.mark.parametrize('state', ['sleeping', 'a deaf child', 'a deaf daemon that keeps all descriptors'])
@pytest.mark.parametrize('at', [0, 1, 2])
def test_an_agent_that_is_stopped_is_given_up_with_all_behind_it(work, at, state):
    work.be(LOCAL, OLDEST if at % 2 else NEWEST, state, options=KEEPALIVE)
    agent = work.agents()[at]
    work.end(agent, signal.SIGSTOP)
    work.is_gone(within=PATIENCE_SECONDS)
    # Where nobody is behind it, its own watchdog may be the first to find it silent.
    told_once(work, LOCAL.split('/')[at], words=('silent for ',) if at < 2 else ('lost',))


@pytest.mark.parametrize('at', [0, 1])
def test_a_relay_that_is_stopped_with_its_watchdog_is_given_up_with_all_behind_it(work, at):
    work.be(LOCAL, NEWEST, 'a deaf child', options=KEEPALIVE)
    agent = work.agents()[at]
    os.kill(work.watchdog(agent), signal.SIGSTOP)
    work.end(agent, signal.SIGSTOP)
    work.is_gone(within=PATIENCE_SECONDS)
    told_once(work, LOCAL.split('/')[at], words=('silent for',))


def test_a_chain_that_says_nothing_for_long_is_not_silent(work, hop):
    result = hop('call', '-w', f'{LOCAL},local:a/local:d', '--keepalive', '200ms', '--path', hop.remote,
                 'lifetime:quiet', '1.2')
    assert result.rc == 0 and result.text.count('well') == 2, result


@pytest.mark.parametrize('path, hop_name', [('ssh:far/local:b/local:c', 'ssh:far'), ('local:a/ssh:far/local:c', 'ssh:far'),
                                            ('local:a/local:b/ssh:far', 'ssh:far')])
@pytest.mark.parametrize('state, python', [('searching', OLDEST), ('a deaf daemon that keeps all descriptors', NEWEST)],
                         ids=str)
def test_both_ends_give_up_a_network_between_hops_that_has_fallen_silent(work, site, far, path, hop_name, state, python):  # noqa: F811
    work.here.others.append(far.others[0])  # there is a server, and it is the far one
    work.be(path, python, state, options=KEEPALIVE)
    del work.here.others[0]
    session = far.find(f'{site.accounts.user}@notty')
    far.expected.add(session)  # sshd's own, and it waits for the network
    work.here.lose_all_packets(far)
    work.ended = time.monotonic()
    result = told_once(work, hop_name, words=('silent for',))
    assert result.seconds < PATIENCE_SECONDS, result
    work.is_gone(within=PATIENCE_SECONDS)


# Ctrl-C and deadline

STOPPABLE = ['sleeping', 'looping', 'in_a_shell', 'a deaf child', 'locked', 'searching']


def ends_within_a_second(work, status, kind, since):
    result = work.result()
    seconds = time.monotonic() - since
    assert result.rc == status and {told['error']['kind'] for told in result.json.values()} == {kind}, result
    assert seconds < 1, (seconds, result)
    work.ended = since
    work.is_gone(within=2)


@pytest.mark.parametrize('way, python, state', [(way, python, state) for state in STOPPABLE for way, python in
                                                (('local', OLDEST), ('ssh', NEWEST))], ids=str)
def test_an_interrupted_call_is_gone_at_once(work, way, python, state):
    work.be(PATHS[way], python, state).end(number=signal.SIGINT)
    ends_within_a_second(work, 130, 'interrupted', work.ended)


def test_interrupted_calls_at_many_targets_are_gone_at_once(work):
    targets = 'local:a/local:b/local:c,local:a/local:b/local:d,local:a/local:b,local:a'
    work.call(targets, OLDEST, 'having', 'a deaf child', lines=4).end(number=signal.SIGINT)
    ends_within_a_second(work, 130, 'interrupted', work.ended)


@pytest.mark.parametrize('state', ['sleeping', 'searching', 'a deaf child'])
def test_a_call_that_is_out_of_time_is_gone_at_once(work, state):
    work.be(LOCAL, NEWEST, state, options=['-t', '2s'])
    result = work.result()
    assert result.rc == 124 and result.only['error']['kind'] == 'timed_out', result
    work.ended = time.monotonic()
    work.is_gone(within=2)


# A hop that has not been made yet

BLOCKED = 'trap "" HUP INT TERM; echo $$ >{bell}; exec 3>{bell}; while :; do sleep 1000; done\n'


@pytest.mark.parametrize('number, path', [(number, path) for number in (signal.SIGKILL, signal.SIGINT)
                                          for path in ('{}/local:b', 'local:a/{}', 'local:a/local:b/{}/local:d')])
def test_a_hop_that_is_being_made_is_gone_with_the_controller(work, number, path):
    way = work.hop.way_through(BLOCKED.format(bell=work.bell))
    work.start('run', '-w', path.format(way), '-i', work.hop.cwd / 'hopvine.toml', '--', 'true', lines=1)
    work.end(number=number).is_gone()
    if number == signal.SIGINT:
        assert work.result().rc == 130


def test_what_the_doctor_tries_is_gone_with_it(work):
    way = work.hop.way_through(BLOCKED.format(bell=work.bell))
    work.live = work.here.start(work.hop, 'doctor', '-w', way, '-i', work.hop.cwd / 'hopvine.toml')
    work.here.expected.add(work.live.pid)
    work.begun().end().is_gone()


def test_a_hop_that_takes_too_long_is_gone_and_no_other_is(work, fifo):
    gate = fifo('gate')
    way = work.hop.way_through(BLOCKED.format(bell=work.bell))
    work.start('run', '-w', f'local:a/local:b,local:a/{way}/local:c', '--connect-timeout', '1s',
               '-i', work.hop.cwd / 'hopvine.toml', '--',
               f'read x <{gate}; echo well', lines=1)
    work.live.until(b'connect_timeout')
    work.ended = time.monotonic()
    assert work.bell.ends(work.ended + SOON_SECONDS)
    gate.write(b'now\n')
    result = work.result()
    assert result.rc == 4 and result.json['local:a/local:b']['stdout'] == 'well\n', result
    work.is_gone()


# What is the user's

@pytest.mark.parametrize('python', [OLDEST, NEWEST], ids=str)
def test_a_daemon_survives_the_call_that_started_it_at_the_end_of_a_chain(work, fifo, python):
    gate = fifo('gate')
    work.call(LOCAL, python, 'returning', gate, 'a daemon')
    daemon = work.pids[0][1]
    gate.write(b'now\n')
    result = work.result()
    assert result.rc == 0, result
    work.here.expected.add(daemon)
    assert work.here.left(time.monotonic() + SOON_SECONDS) == []
    assert daemon in work.here.processes() and read_stat(daemon)[0] != 'Z'


@pytest.mark.parametrize('kind', ['a deaf child', 'a stopped child'])
def test_a_child_that_a_call_has_left_behind_goes_with_its_context_at_the_end_of_a_chain(work, fifo, kind):
    gate = fifo('gate')
    work.call(LOCAL, NEWEST, 'returning', gate, kind)
    gate.write(b'now\n')
    assert work.result().rc == 0
    work.ended = time.monotonic()
    work.is_gone()
