"""Fixtures: one site for the run; for each test a fresh home, and the proof that nothing was left behind."""

import os
import shutil
import signal
import socket

import pytest

from harness.api import CHANNELS, Scripts
from harness.binary import BINARY
from harness.delay import ROUND_TRIP_SECONDS, DelayProxy
from harness.docker import Docker
from harness.far import Far
from harness.fifo import Fifo
from harness.leaks import Leaks
from harness.logins import Logins
from harness.queue import lines
from harness.sessions import Ps
from harness.site import Site
from harness.tree import RELAYS, Tree
from harness.twins import Twins
from harness.typist import Typist


def pytest_configure():
    """What whoever started us has had ignored (a shell's `make test &`) is what programs of ours would ignore too."""
    for number, usual in (signal.SIGINT, signal.default_int_handler), (signal.SIGQUIT, signal.SIG_DFL), (signal.SIGHUP, signal.SIG_DFL):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, usual)


@pytest.fixture(scope='session')
def site():
    site = Site()
    # What ssh prefers takes an eighth of a second of processor time, at each of thousands of logins.
    site.client.alias('*', KexAlgorithms='curve25519-sha256')
    yield site
    site.close()


@pytest.fixture(autouse=True)
def no_leaks(site, request):
    hop = site.hopvine() if 'hop' in request.fixturenames else None
    leaks = Leaks(site, hop)
    yield hop
    if hop:
        hop.close()
        for process in hop.processes[-4:]:
            print(process.result)  # pytest shows it when the test has failed
    left = leaks.found()
    if hop:
        shutil.rmtree(hop.cwd.parent)
    assert not left, 'left behind:\n' + '\n'.join(left)


@pytest.fixture
def hop(no_leaks):
    if not BINARY.exists():
        pytest.fail(f'{BINARY} is not there: `make build` makes it, HOPVINE names another')
    return no_leaks


@pytest.fixture
def scripts(hop):
    """Scripts that import hopvine."""
    return Scripts(hop)


@pytest.fixture
def told(scripts):
    """What a script with channels printed, as Scripts.told."""
    return lambda python, text, *words, **options: scripts.told(python, CHANNELS + text, *words, **options)


@pytest.fixture(params=RELAYS)
def tree(hop, request):
    """The program, going through chains of hops by each kind of relay."""
    return Tree(hop, request.param)


@pytest.fixture
def agents(tree):
    """The same, where each relay is an agent, which ps shows by the name that was asked for."""
    if tree.relay != 'python':
        pytest.skip('a native relay has another name in ps, and other processes')
    return tree


@pytest.fixture
def agent(hop, site, request):
    """What serves the targets of put and fetch: each test of a module with `each_agent` runs by either."""
    if request.param == 'python':
        yield request.param
        return
    hop.env['PATH'] = f'{BINARY.parent}:{hop.env["PATH"]}'
    hop.options = {verb: ['--agent', 'native'] for verb in ('put', 'fetch')}
    homes = []
    if {'ssh', 'need'} & set(request.fixturenames) and 'ssh' not in site.missing:
        if not site.accounts.private:
            pytest.skip('ssh leads to your own home, where the program is not put')
        homes = [site.accounts.home(user) for user in (site.accounts.user, 'hvdash')]
    for home in homes:
        (home / '.local/bin').mkdir(parents=True)
        (home / '.local/bin/hopvine').symlink_to(BINARY)
    yield request.param
    for home in homes:
        shutil.rmtree(home / '.local')


@pytest.fixture
def need(site):
    """`need('ssh', 'fish')` skips where one of them is not here, and says why."""
    def check(*names):
        for name in names:
            if name in site.missing:
                pytest.skip(site.missing[name])
    return check


@pytest.fixture
def ssh(site, need):
    """The OpenSSH server; its aliases are h1 to h8 and the names of the shells."""
    need('ssh')
    return site.sshd


@pytest.fixture
def twins(hop, ssh):
    """The real ssh and ours, for the same server."""
    return Twins(hop)


@pytest.fixture(params=['alone', 'warm'])
def way(hop, twins, request):
    """Both, where ours opens the way itself, and where a session holds it."""
    if request.param == 'warm':
        assert hop('up', '-w', 'h1').rc == 0
    yield twins
    if request.param == 'warm':
        assert hop('down').rc == 0


@pytest.fixture(scope='module')
def box(site):
    """A Docker daemon with the container `tools`, which has this machine's programs."""
    if 'ssh' in site.missing:
        pytest.skip(site.missing['ssh'])
    docker = Docker(site)
    if not docker.missing:
        (site.dir / 'tests').mkdir(exist_ok=True)
        docker.with_our_programs('tools', site.dir / 'tests')
    yield docker
    docker.close()


@pytest.fixture
def remote(site, box, hop, ssh, request):
    """The account that tools go to, by one of the ways of harness/far.py."""
    if not site.accounts.private:
        pytest.skip('other accounts need root and unshare')
    if not request.param.endswith('docker'):
        yield Far(site, hop, request.param)
        return
    if box.missing:
        pytest.skip(box.missing)
    hop.env.update(DOCKER_HOST=box.env['DOCKER_HOST'])
    before = box.running('tools')
    yield Far(site, hop, request.param)
    assert box.running('tools') == before, box('top', 'tools')


@pytest.fixture(scope='module')
def server(site):
    """An OpenSSH server that counts its logins; its aliases are one, two and free."""
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


@pytest.fixture
def ps(hop):
    """`ps()`: what is kept open."""
    return lambda: Ps(hop)


@pytest.fixture
def up(hop, ps):
    """`up('-w', 'h1')` keeps hosts open, and returns the process that does."""
    def up(*words, **options):
        result = hop('up', *words, **options)
        assert (result.rc, result.err) == (0, b''), result
        return ps().pid
    return up


@pytest.fixture
def slow(ssh):
    """The alias `slow`: the same server, far away."""
    proxy = DelayProxy(('127.0.0.1', ssh.port), ROUND_TRIP_SECONDS / 2)
    ssh.alias('slow', Port=proxy.port)
    yield proxy
    proxy.close()


@pytest.fixture
def refusing(ssh):
    """An alias at whose port nobody listens; the port is held, so that nobody will."""
    with socket.socket() as held:
        held.bind(('127.0.0.1', 0))
        yield ssh.alias('refusing', Port=held.getsockname()[1])


@pytest.fixture
def mute(ssh):
    """An alias where the connection is made and no word is said."""
    with socket.create_server(('127.0.0.1', 0)) as silent:
        yield ssh.alias('mute', Port=silent.getsockname()[1])


@pytest.fixture
def fifo(hop):
    made = []

    def make(name):
        made.append(Fifo(hop.scratch / name))
        return made[-1]
    yield make
    for each in made:
        each.close()


@pytest.fixture
def far(site, hop):
    """A target from which the user's own folders cannot be seen: what it has of them, it was sent."""
    return hop.way_without_our_files() if site.accounts.private else 'local:'


@pytest.fixture
def profile(site):
    """`profile('bash', '.bashrc', text)`: a start-up file in the home of that shell's account."""
    written = set()

    def write(shell, name, text):
        home = site.accounts.home(f'hv{shell}')
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        for each in (path, *path.parents):
            if home in each.parents:
                os.chown(each, home.stat().st_uid, home.stat().st_gid)
        written.add(path)
    yield write
    for path in written:
        path.unlink()


@pytest.fixture
def terminal(hop):
    """`terminal('run', ...)`: the program in front of a user; `size` is columns and rows."""
    typists = []

    def start(*words, env=None, **more):
        typists.append(Typist([hop.path, *words], {'TERM': 'xterm', **hop.env, **(env or {})}, hop.cwd, **more))
        return typists[-1]
    yield start
    for typist in typists:
        try:
            os.kill(typist.pid, signal.SIGKILL)
            typist.end()
        except (ChildProcessError, ProcessLookupError, OSError):
            pass


@pytest.fixture
def queue(hop):
    """`queue(*operations, options=[])`: of a file, which is checked before anything is started."""
    def queue(*operations, options=()):
        path = hop.write('ops.jsonl', lines(*operations).decode())
        return hop('queue', path, *options)
    return queue


@pytest.fixture
def piped(hop):
    """The same through a pipe."""
    def piped(*operations, options=()):
        return hop('queue', *options, stdin=lines(*operations))
    return piped
