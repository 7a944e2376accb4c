"""A host that only the jump host can reach: three machines, a cable from the first to the second, and one from there to the third."""

import os
import shutil
import signal
import time

import pytest

from harness.binary import BINARY
from harness.fifo import Leash
from harness.namespace import ADDRESSES, Namespace, missing

INNER_ADDRESSES = '10.78.0.1', '10.78.0.2'
EVERY_BYTE = bytes(range(256)) * 4096
BOTH, SHOWN = 'ssh:bastion/ssh:inner', 'bastion/inner'
SOON_SECONDS = 5


class Machines:
    """`outer` is where the program is started; the others have a server each, with our `ssh` in PATH."""

    def __init__(self, hop, site):
        self.hop, self.site = hop, site
        self.all = self.outer, self.bastion, self.inner = Namespace(), Namespace(), Namespace()
        self.outer.link(self.bastion)
        self.bastion.link(self.inner, 'inwards', INNER_ADDRESSES)
        variables = f'SetEnv=HOPVINE_TEST={site.run_id} PATH={site.client.bin}:{os.environ["PATH"]}'
        for name, machine, address in (('bastion', self.bastion, ADDRESSES[1]), ('inner', self.inner, INNER_ADDRESSES[1])):
            machine.serve(site.sshd, '-o', f'ListenAddress={address}:{site.sshd.port}', '-o', variables)
            site.sshd.alias(name, HostName=address)

    def start(self, verb, target, *words, **options):
        live = self.outer.start(self.hop, verb, '-w', target, *words, **options)
        self.outer.expected.add(live.pid)  # finish() buries it
        return live

    def run(self, verb, target, *words, **options):
        return self.start(verb, target, *words, **options).finish(30)

    def left(self, seconds=SOON_SECONDS):
        deadline = time.monotonic() + seconds
        return [line for machine in self.all for line in machine.left(deadline)]

    def close(self):
        self.hop.close()
        for machine in self.all:
            machine.close()


@pytest.fixture(scope='module')
def places(site):
    """Made once: what each test has started is gone by its end."""
    if 'ssh' in site.missing or missing():
        pytest.skip(site.missing.get('ssh') or missing())
    hop = site.hopvine()
    machines = Machines(hop, site)
    yield machines
    machines.close()


@pytest.fixture
def machines(places, hop):
    places.hop = hop
    yield places
    left = places.left()
    assert not left, 'left behind:\n' + '\n'.join(left)


@pytest.fixture(params=['python', 'found', 'sent'])
def relay(request, site, machines):
    """What serves the jump host, as the words that ask for it."""
    if request.param != 'found':
        yield ['--relay', 'native' if request.param == 'sent' else 'python']
        return
    folder = site.accounts.home(site.accounts.user) / '.local/bin'
    folder.mkdir(parents=True)
    (folder / 'hopvine').symlink_to(BINARY)
    yield []
    shutil.rmtree(folder.parent)


def where(namespace):
    return os.readlink(f'/proc/{namespace.init}/ns/net')


WHERE = 'readlink /proc/self/ns/net >&2; exec cat'


def test_what_the_jump_host_reaches_is_reached_through_it(machines, relay):
    result = machines.run('run', BOTH, *relay, '--', WHERE, stdin=EVERY_BYTE)
    assert result.rc == 0 and result.err.decode().strip() == where(machines.inner), result.err
    assert result.out == EVERY_BYTE


def test_a_call_there_has_the_user_s_modules(machines):
    result = machines.run('call', BOTH, '--relay', 'native', '--path', machines.hop.remote, 'lifetime:quiet', '0')
    assert result.value == 'well', result


def test_the_jump_host_is_only_on_the_way(machines):
    result = machines.run('run', f'ssh:bastion,{BOTH}', '--', 'readlink /proc/self/ns/net')
    assert sorted(result.lines) == [f'{SHOWN}: {where(machines.inner)}', f'bastion: {where(machines.bastion)}'], result


def test_it_is_not_reached_directly(machines):
    result = machines.run('run', 'ssh:inner', '--json', '--', 'true')
    assert result.rc == 255 and result.only['error']['kind'] == 'unreachable', result


def test_a_path_that_begins_with_it_is_not_begun_and_harms_no_other(machines):
    result = machines.run('run', f'{BOTH},{BOTH}/local:x,ssh:inner/ssh:bastion', '--json', '--', 'true')
    told = result.json
    assert result.rc == 4 and told[SHOWN]['ok'] and told[f'{SHOWN}/local:x']['ok'], result
    error = told['inner/bastion']['error']
    assert error['kind'] == 'unreachable' and error['message'].startswith('ssh:inner: '), result


def test_a_port_there_that_nobody_serves_is_told_by_the_inner_hop(machines, site):
    site.sshd.alias('closed', HostName=INNER_ADDRESSES[1], Port=1)
    error = machines.run('run', 'ssh:bastion/ssh:closed', '--json', '--', 'true').only['error']
    assert error['kind'] == 'refused' and error['message'].startswith('ssh:closed: '), error


def test_nothing_on_any_machine_outlives_the_controller(machines, relay):
    bell = Leash(machines.hop.scratch / 'bell')
    try:
        live = machines.start('run', BOTH, '-n', *relay, '--',
                              f'exec 3>{bell}; trap "" HUP INT TERM; setsid sleep 1000 & echo $$ >&3; wait; sleep 1000')
        bell.read_lines(1)
        live.signal(signal.SIGKILL)
        assert live.finish().rc == -signal.SIGKILL
        assert bell.ends(time.monotonic() + SOON_SECONDS) and machines.left() == []
    finally:
        bell.close()
