"""Trees that lead through other users: nothing that runs as any of them outlives what is above.

As in test_lifetime.py each case has a PID namespace of its own. There nobody but root may signal another user's processes:
each hop's own watchdog has to.
"""

import os
import signal
import time

import pytest

from harness.fifo import Leash
from harness.leaks import command_line, read
from harness.places import install
from test_lifetime import here, is_stopped, until  # noqa: F401
from test_tree_lifetime import TreeWork, told_once

SEARCHING, DAEMON = 'searching', 'a deaf daemon that keeps all descriptors'
# `free` is an account that sudo and doas ask nothing; each path ends as another user than it begins.
PATHS = {
    'sudo': ('ssh:free/sudo:hvother/local:x', 'hvother'),
    'sudo and su': ('ssh:free/sudo:/su:hvother', 'hvother'),
    'doas': ('local:a/ssh:free/doas:hvother', 'hvother'),
    'sudo twice': ('ssh:free/sudo:hvask/local:x/local:y', 'hvask'),
    'down to root': ('ssh:free/sudo:/local:x', 'root'),
}
EACH = pytest.mark.parametrize('way, relay', [*((way, 'python') for way in PATHS), ('sudo', 'auto'), ('doas', 'auto')])


class PrivilegedWork(TreeWork):
    """The program is found where ssh leads to; behind sudo and doas, which have a PATH of their own, it is not."""

    relay = 'python'

    def start(self, verb, option, target, *words, lines):
        return super().start(verb, option, target, '--relay', self.relay, *words, lines=lines)

    def serve(self, namespace, *options):
        path = f'{self.hop.path.parent}:{self.site.client.bin}:{os.environ["PATH"]}'
        namespace.serve(self.site.sshd, '-o', f'SetEnv=HOPVINE_TEST={self.site.run_id} PATH={path}', *options)

    def be_other(self, way, state, relay='python', options=()):
        path, self.user = PATHS[way]
        self.relay = relay
        self.call(path, None, *(['having'] if state == DAEMON else []), state, options=options)
        assert owner(self.agent) == self.uid(self.user), self.here
        return self

    def uid(self, user):
        return os.stat(self.site.accounts.home(user)).st_uid if user != 'root' else 0

    def of(self, word):
        """The first hop's process of that program."""
        return min(pid for pid in self.here.processes() if command_line(pid).split(' ')[0] == word)


def owner(pid):
    return next(int(line.split()[2]) for line in read(f'/proc/{pid}/status').splitlines() if line.startswith(b'Uid:'))


@pytest.fixture
def work(hop, site, need, here):  # noqa: F811
    need('ssh')
    if not site.accounts.private:
        pytest.skip('other accounts need root and unshare')
    install(site, hop)
    site.sshd.alias('free', User='hvfree')
    bell = Leash(hop.scratch / 'bell')
    yield PrivilegedWork(hop, site, bell, here)
    bell.close()


@EACH
def test_nothing_of_another_user_outlives_a_controller_that_is_killed(work, way, relay):
    work.be_other(way, DAEMON, relay).end().is_gone()


def test_nothing_of_another_user_that_works_outlives_a_controller_that_is_killed(work):
    work.be_other('sudo and su', SEARCHING, 'auto').end().is_gone()


def test_nothing_outlives_a_killed_controller_where_another_user_s_agent_is_stopped(work):
    work.be_other('sudo', DAEMON)
    os.kill(work.agent, signal.SIGSTOP)
    until(work.agent, lambda: is_stopped(work.agent))
    work.end().is_gone()


def test_nothing_outlives_an_ssh_client_that_is_killed_before_sudo(work):
    work.be_other('sudo', DAEMON, 'auto')
    work.end(work.clients()[0]).is_gone()
    told_once(work, 'ssh:free')


@pytest.mark.parametrize('way, program', [('sudo', 'sudo'), ('sudo and su', 'su')])
def test_nothing_of_another_user_outlives_the_program_that_led_to_it(work, way, program):
    work.be_other(way, DAEMON)
    work.end(work.of(program)).is_gone()
    result = work.result()
    assert result.rc == 255 and result.only['error']['kind'] == 'link_lost', result
    assert result.only['error']['message'].startswith(f'{program}:'), result


def test_a_call_as_another_user_that_is_interrupted_is_gone_at_once(work):
    work.be_other('sudo', DAEMON, 'auto').end(number=signal.SIGINT)
    result = work.result()
    assert result.rc == 130 and result.only['error']['kind'] == 'interrupted', result
    work.is_gone(within=2)


def test_a_daemon_of_another_user_survives_the_call_that_started_it(work, fifo):
    gate = fifo('gate')
    work.call(PATHS['sudo'][0], None, 'returning', gate, 'a daemon')
    daemon = work.pids[0][1]
    gate.write(b'now\n')
    assert work.result().rc == 0
    work.here.expected.add(daemon)
    assert work.here.left(time.monotonic() + 5) == []
    assert daemon in work.here.processes() and owner(daemon) == work.uid('hvother')
