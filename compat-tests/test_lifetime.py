"""Nothing outlives its parent: whatever remote code is in the middle of, and however the end comes.

Each case has a PID namespace of its own, where what is left at the end is counted.
"""

import functools
import itertools
import os
import signal
import subprocess
import time

import pytest

from harness import pythons
from harness.fifo import Leash
from harness.leaks import read, read_stat
from harness.namespace import ADDRESSES, Namespace, missing
from harness.places import install
from harness.process import exits

OLDEST, NEWEST = pythons.discover()[0], pythons.discover()[-1]
SOON_SECONDS = 5

BOTH = pytest.mark.parametrize('target', ['local:', 'h1'])
EACH_ONCE = pytest.mark.parametrize('target, python', [('local:', OLDEST), ('h1', NEWEST)], ids=str)


def everywhere(states):
    """By either interpreter at home; over ssh by the one or the other, for the time that a login takes."""
    cases = [(state, 'local:', python) for state in states for python in (OLDEST, NEWEST)]
    cases += [(state, 'h1', python) for state, python in zip(states, itertools.cycle((OLDEST, NEWEST)))]
    return pytest.mark.parametrize('state, target, python', cases, ids=str)


WORKING = ['looping', 'matching', 'searching']
ALONE = ['sleeping', *WORKING, 'locked', 'deaf', 'stopped', 'in_a_shell']
CHILDREN = ['a child', 'a child in a group of its own', 'a child in a session of its own', 'a deaf child',
            'a stopped child', 'a fork that keeps all descriptors']
# Nothing but adoption tells these from strangers.
ORPHANS = ['an orphan', 'a stopped orphan in a group of its own', 'a daemon',
           'a deaf daemon that keeps all descriptors']
BOMBS = ['a fork bomb', 'a fork bomb of sessions']
COMMAND = '''\
exec 3>{bell}; echo $$ >&3
sleep 1000 & echo $! >&3
(setsid sh -c 'echo $$ >&3; exec sleep 1000' &)
sh -c 'trap "" HUP INT TERM; echo $$ >&3; while :; do sleep 1000; done' &
wait'''


class Work:
    """One command, what it has made, and the proof that nothing of that remains."""

    def __init__(self, hop, site, bell, here):
        self.hop, self.site, self.bell, self.here = hop, site, bell, here
        self.there = here  # where the remote processes are

    def call(self, target, python, function, *words, options=(), lines=1):
        options = [*options, *(['--python', python.path] if python else [])]
        return self.start('call', '-w', target, '--path', self.hop.remote, *options,
                          f'lifetime:{function}', self.bell, *words, lines=lines)

    def be(self, target, python, state, options=()):
        """A call that is in that state by now."""
        if state in ORPHANS + BOMBS and not adopts(python.path):
            pytest.skip(f"{python} has no _ctypes: what has left the tree is nobody's")
        if state not in ALONE:
            return self.call(target, python, 'having', state, options=options)
        self.call(target, python, state, options=options)
        if state in WORKING:
            started = ticks(self.agent)
            until(self.agent, lambda: ticks(self.agent) > started + 2)
        if state == 'stopped':
            until(self.agent, lambda: is_stopped(self.agent))
        return self

    def run(self, target, command, options=(), lines=1):
        return self.start('run', '-w', target, *options, '--', command.format(bell=self.bell), lines=lines)

    def start(self, verb, option, target, *words, lines):
        if target[0] == 'h' and not self.here.others:
            self.here.serve(self.site.sshd)
        self.live = self.here.start(self.hop, verb, option, target, '--json', *words)
        self.here.expected.add(self.live.pid)  # `result` buries it
        return self.begun(lines)

    def begun(self, lines=1):
        try:
            said = self.bell.read_lines(lines)
        except AssertionError:
            self.live.finish(1)
            raise
        self.pids = [[self.there.outer(int(pid)) for pid in line.split()] for line in said]
        self.agent = self.pids[0][0]
        return self

    def end(self, pid=None, number=signal.SIGKILL):
        self.ended = time.monotonic()
        os.kill(pid or self.live.pid, number)
        return self

    def result(self):
        return self.live.finish(10)

    def is_gone(self, within=SOON_SECONDS):
        deadline = self.ended + within
        held = 'held' if not self.bell.ends(deadline) else 'let go'
        left = [line for place in {self.here, self.there} for line in place.left(deadline)]
        seconds = time.monotonic() - self.ended
        assert held == 'let go' and not left and seconds < within, '\n'.join(
            [f'{seconds:.2f} s after the end the bell is {held}, and these are left:', *left])


@functools.cache
def adopts(path):
    return subprocess.run([path, '-SEc', 'import _ctypes'], capture_output=True).returncode == 0


def ticks(pid):
    """Processor time used."""
    return int(read(f'/proc/{pid}/stat').rpartition(b')')[2].split()[11])


def is_stopped(pid):
    return read_stat(pid)[0] == 'T'


def until(pid, condition):
    """What a process does inside itself announces itself to nobody; its death ends the wait."""
    deadline = time.monotonic() + 10
    while not condition():
        assert not exits(pid, min(deadline, time.monotonic() + 0.01)) and time.monotonic() < deadline


@pytest.fixture
def here(hop):
    if missing():
        pytest.skip(missing())
    namespace = Namespace()
    yield namespace
    print(*namespace.left(0), sep='\n')
    hop.close()
    namespace.close()


@pytest.fixture
def work(hop, site, need, here):
    need('ssh')
    bell = Leash(hop.scratch / 'bell')
    yield Work(hop, site, bell, here)
    bell.close()


@everywhere(ALONE + CHILDREN + ORPHANS)
def test_nothing_outlives_a_controller_that_is_killed(work, target, python, state):
    work.be(target, python, state).end().is_gone()


@everywhere(['sleeping', 'a deaf daemon that keeps all descriptors'])
def test_nothing_outlives_a_killed_controller_where_the_agent_is_stopped(work, target, python, state):
    work.be(target, python, state)
    os.kill(work.agent, signal.SIGSTOP)
    until(work.agent, lambda: is_stopped(work.agent))
    work.end().is_gone()


@pytest.mark.parametrize('python, state', [(OLDEST, BOMBS[0]), (NEWEST, BOMBS[1])], ids=str)
def test_nothing_outlives_a_controller_that_is_killed_among_many_strangers(work, python, state):
    work.here.crowd(200)
    work.be('local:', python, state).end().is_gone(within=2)


CUT = pytest.mark.parametrize('state', ['searching', 'deaf', 'a stopped child',
                                        'a deaf daemon that keeps all descriptors'])


def lost(result):
    return result.rc == 255 and result.only['error']['kind'] == 'link_lost'


@CUT
def test_nothing_outlives_an_ssh_client_that_is_killed(work, state):
    work.be('h1', NEWEST, state)
    work.end(work.here.find('/ssh -F')).is_gone()
    assert lost(work.result()), work.result()


@CUT
def test_nothing_outlives_a_session_of_sshd_that_is_killed(work, site, state):
    work.be('h1', OLDEST, state)
    work.end(work.here.find(f'{site.accounts.user}@notty')).is_gone()
    assert lost(work.result()), work.result()


@pytest.mark.parametrize('kinds', [CHILDREN, ORPHANS], ids=['children', 'orphans'])
def test_an_agent_without_privileges_is_as_good_a_guard(work, need, kinds):
    need('dash')
    work.here.serve(work.site.sshd)
    work.call('dash', None, 'having', *kinds).end().is_gone()


# A network that loses all packets tells nobody: each end finds out by itself.

KEEPALIVE = '--keepalive', '300ms'
# Four intervals, and time to look around.
PATIENCE_SECONDS = 4 * 0.3 + SOON_SECONDS


@pytest.fixture
def far(work, site):
    """The other end of the cable, where the host `far` is."""
    namespace = work.there = Namespace()
    work.here.link(namespace)
    address = f'{ADDRESSES[1]}:{site.sshd.port}'
    namespace.serve(site.sshd, '-o', f'ListenAddress={address}')
    site.sshd.alias('far', HostName=ADDRESSES[1])
    yield namespace
    print(*namespace.left(0), sep='\n')
    namespace.close()


def silent(work, patience_seconds):
    result = work.result()
    assert lost(result) and result.seconds < patience_seconds, result
    assert work.here.left(work.ended + patience_seconds) == []
    return 'silent for' in result.only['error']['message']


@pytest.mark.parametrize('python, state', [(OLDEST, 'searching'), (NEWEST, 'a deaf daemon that keeps all descriptors')],
                         ids=str)
def test_both_ends_give_up_a_network_that_has_fallen_silent(work, site, far, python, state):
    work.be('far', python, state, options=KEEPALIVE)
    session = far.find(f'{site.accounts.user}@notty')
    far.expected.add(session)  # sshd's own, and it waits for the network
    work.here.lose_all_packets(far)
    work.ended = time.monotonic()
    assert silent(work, PATIENCE_SECONDS) and session in far.processes()
    work.is_gone(PATIENCE_SECONDS)


@EACH_ONCE
def test_an_agent_that_is_stopped_is_given_up_as_silent(work, target, python):
    work.be(target, python, 'stopped', options=KEEPALIVE)
    work.ended = time.monotonic()
    told = silent(work, SOON_SECONDS)
    work.is_gone()
    assert told


def test_a_call_that_says_nothing_for_long_is_not_silent(hop, ssh):
    result = hop('call', '-w', 'local:,h1', '--keepalive', '200ms', '--path', hop.remote, 'lifetime:quiet', '1.2')
    assert result.rc == 0 and result.text.count('well') == 2, result


# Ctrl-C and deadline.

STOPPABLE = pytest.mark.parametrize('state', ['sleeping', 'looping', 'in_a_shell', 'a deaf child', 'locked', 'matching',
                                              'searching'])


def ends_as(work, status, kind):
    result = work.result()
    assert result.rc == status and result.only['error']['kind'] == kind, result
    work.ended = time.monotonic()
    work.is_gone(within=2)


@EACH_ONCE
@STOPPABLE
def test_an_interrupted_call_is_gone_at_once(work, target, python, state):
    ends_as(work.be(target, python, state).end(number=signal.SIGINT), 130, 'interrupted')


@EACH_ONCE
@STOPPABLE
def test_a_call_that_is_out_of_time_is_gone_at_once(work, target, python, state):
    ends_as(work.be(target, python, state, options=['-t', '2s']), 124, 'timed_out')


@BOTH
def test_nothing_of_a_command_outlives_a_controller_that_is_killed(work, target):
    work.run(target, COMMAND, lines=4).end().is_gone()


@BOTH
def test_an_interrupted_command_is_gone_at_once(work, target):
    ends_as(work.run(target, COMMAND, lines=4).end(number=signal.SIGINT), 130, 'interrupted')


@BOTH
def test_a_command_that_is_out_of_time_is_gone_at_once(work, target):
    ends_as(work.run(target, COMMAND, ['-t', '2s'], lines=4), 124, 'timed_out')


# The same where this program runs the command.

DEAF = 'trap "" HUP INT TERM; echo $$ >{bell}; exec 3>{bell}; while :; do sleep 1000; done'
# A killed watchdog cannot tell where what it has adopted is from.
NATIVE = {'with orphans': (COMMAND, 4), 'deaf': (DEAF, 1)}


@pytest.mark.parametrize('who, number, command', [
    ('controller', signal.SIGKILL, 'with orphans'), ('agent', signal.SIGTERM, 'with orphans'),
    ('agent', signal.SIGKILL, 'with orphans'), ('watchdog', signal.SIGTERM, 'with orphans'), ('watchdog', signal.SIGKILL, 'deaf')])
def test_nothing_of_a_command_outlives_what_is_above_it_natively(work, site, who, number, command):
    command, lines = NATIVE[command]
    install(site, work.hop)
    work.run('local:', command, ['--agent', 'native'], lines=lines)
    agent = read_stat(work.agent)[1]
    watchdog = read_stat(agent)[1]
    assert read_stat(watchdog)[1] == work.live.pid, work.here
    work.end({'controller': work.live.pid, 'watchdog': watchdog, 'agent': agent}[who], number).is_gone()
    if who != 'controller':
        # The end of the command may still be told.
        result = work.result()
        assert result.rc == 128 + signal.SIGKILL or lost(result), result


# What has left the tree of a call that has returned is the user's.

@pytest.fixture
def returned(work, fifo):
    """`returned(target, python, kind)`: a call that has started that, and has returned when nothing is in between."""
    def returned(target, python, kind):
        gate = fifo('gate')
        work.call(target, python, 'returning', gate, kind)
        gate.write(b'now\n')
        return over(work)
    return returned


def over(work):
    result = work.result()
    assert result.rc == 0, result
    work.ended = time.monotonic()
    return work


def survives(work, pid):
    work.here.expected.add(pid)
    assert work.here.left(work.ended + SOON_SECONDS) == []
    assert pid in work.here.processes() and read_stat(pid)[0] != 'Z'


@everywhere(['a daemon', 'a deaf daemon that keeps all descriptors'])
def test_a_daemon_survives_the_call_that_started_it(returned, target, python, state):
    work = returned(target, python, state)
    survives(work, work.pids[0][1])


@BOTH
@pytest.mark.parametrize('command', ['setsid sleep 1000', 'nohup sleep 1000'])
def test_a_daemon_survives_the_command_that_started_it(work, target, command):
    work.run(target, f'{command} >/dev/null 2>&1 & echo $! >{{bell}}')
    survives(over(work), work.agent)


@EACH_ONCE
@pytest.mark.parametrize('kind', CHILDREN)
def test_a_child_that_a_call_has_left_behind_goes_with_the_context(returned, target, python, kind):
    returned(target, python, kind).is_gone()


# Calls that end their own process.

@pytest.mark.parametrize('hosts', ['local:c[1-2]', 'h[1-2]'])
@pytest.mark.parametrize('how, said', [('os._exit', 'ended with status 3'),
                                       ('SIGSEGV', 'killed by signal 11 (SIGSEGV)'),
                                       ('SIGSEGV with a core', 'killed by signal 11 (SIGSEGV)'),
                                       ('SIGKILL', 'killed by signal 9 (SIGKILL)')])
def test_a_call_that_ends_its_process_says_how_and_harms_no_other_host(work, hop, fifo, hosts, how, said):
    gate = hop.scratch / 'gate'
    for_others, for_first = fifo('gateNone'), fifo(f'gate{how}')
    work.call(hosts, NEWEST, 'one_ending', gate, how, 'a deaf child', 'a daemon', lines=2)
    doomed = max(work.pids, key=len)
    work.ended = time.monotonic()
    for_first.write(b'now\n')
    work.live.until(b'link_lost')
    assert all([exits(pid, work.ended + SOON_SECONDS) for pid in doomed])
    for_others.write(b'now\n')
    result = work.result()
    dead, other = sorted(result.json.values(), key=lambda each: each['ok'])
    assert result.rc == 4 and other['value'] == 'well', result
    work.ended = time.monotonic()
    work.is_gone()
    assert said in dead['error']['message'], result


# A test that cannot fail proves nothing: the same without a watchdog.

def plainly(work, code, *words):
    env = {'PYTHONPATH': str(work.hop.remote), 'PATH': os.environ['PATH'], 'PYTHONDONTWRITEBYTECODE': '1'}
    code = f'import os, sys, lifetime; {code}'
    work.live = work.here.start_other(NEWEST.path, '-c', code, work.bell, *words, env=env)
    return work.begun()


HAVING = 'lifetime.having(*sys.argv[1:])'


def test_all_of_this_outlives_a_plain_python(work):
    plainly(work, HAVING, *CHILDREN, *ORPHANS).end()
    with pytest.raises(AssertionError, match='the bell is held') as error:
        work.is_gone(within=0.2)
    for pid in work.pids[0][1:]:
        assert f'{pid} (' in str(error.value)


def test_a_fork_bomb_outlives_a_plain_python(work):
    with pytest.raises(AssertionError, match='the bell is held'):
        plainly(work, HAVING, BOMBS[0]).end().is_gone(within=0.2)


def test_a_zombie_is_counted(work):
    plainly(work, 'os.fork() or os._exit(0); os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT); '
                  'lifetime.sleeping(sys.argv[1])')
    assert any(' Z child of' in line for line in work.here.left(0))
