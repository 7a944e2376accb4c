"""Containers and their like: Docker and nsenter for real, the others against programs that take what the real ones take."""

import os
import pathlib
import shutil
import signal
import sys
import time

import pytest

from harness.docker import BARE, EMPTY, IMAGE, Docker
from harness.namespace import Namespace, missing, namespace_of
from harness.places import PLACES, at_each_place, here_and_behind_python, install, way
from harness.process import exits
from harness.pythons import oldest_and_newest
from harness.seat import Seat

EVERY_BYTE = bytes(range(256)) * 4096
SOON_SECONDS = 5
FAKE = pathlib.Path(__file__).parent / 'harness/fake_engine.py'


@pytest.fixture(autouse=True)
def installed(site, hop):
    install(site, hop)


@pytest.fixture(scope='module')
def engine(site):
    if 'ssh' in site.missing:
        pytest.skip(site.missing['ssh'])
    docker = Docker(site)
    yield docker
    docker.close()


@pytest.fixture
def docker(engine, hop):
    """With the proof that no container and no process in one is left."""
    if engine.missing:
        pytest.skip(engine.missing)
    hop.env.update(DOCKER_HOST=engine.env['DOCKER_HOST'])
    containers, processes = engine.containers(), {name: set(engine.running(name)) for name in ('app', 'bare')}
    gone = engine.events('destroy')
    yield engine
    deadline = time.monotonic() + SOON_SECONDS
    for container in engine.containers() - containers:
        gone.until(container.encode(), timeout=max(0, deadline - time.monotonic()))
    gone.signal(signal.SIGTERM)
    gone.finish()
    for name, before in processes.items():
        left = [pid for pid in set(engine.running(name)) - before if not exits(pid, deadline)]
        assert not left, f'left in {name}: {engine("top", name)}'


def has_failed(result, kind):
    assert result.rc == 255 and not result.only['ok'] and result.only['error']['kind'] == kind, result
    return result.only['error']


@at_each_place
@pytest.mark.parametrize('target', ['docker:app', 'docker:app?user=nobody', f'docker:?image={IMAGE}',
                                    f'docker:mine?image={IMAGE}', f'docker:?image={IMAGE}&user=nobody'])
def test_a_command_runs_in_a_container_and_no_byte_is_changed(docker, hop, target, place):
    result = hop('run', *way(place, target), '--', 'id -un >&2; cat', stdin=EVERY_BYTE)
    assert result.rc == 0 and result.err == (b'nobody\n' if 'nobody' in target else b'root\n'), result
    assert result.out == EVERY_BYTE, repr(result)[:2000]


@at_each_place
@pytest.mark.parametrize('target', ['docker:app', f'docker:?image={IMAGE}'])
def test_functions_and_scripts_run_in_a_container(docker, hop, target, place):
    assert hop('call', *way(place, target), 'operator:add', '20', '22').out == b'42\n'
    script = hop.write('say.py', 'import sys\nsys.stdout.write(sys.stdin.read() + sys.argv[1])\nsys.exit(3)\n')
    result = hop('script', *way(place, target), script, 'b', stdin=b'a')
    assert (result.rc, result.out) == (3, b'ab') and result.seconds < 12, result


def test_a_container_is_another_machine(docker, hop):
    assert hop.run('docker:app', 'hostname').out == b'app\n' != hop.run('local:', 'hostname').out


def test_a_status_comes_back(docker, hop):
    assert hop.run('docker:app', 'exit 7').rc == 7


def test_hops_lead_on_from_a_container(docker, hop):
    assert hop.run('docker:app/local:', 'hostname').lines == ['app']


def test_a_throwaway_is_kept_where_that_is_asked_for(docker, hop):
    result = hop('run', '-w', f'docker:kept?image={IMAGE}&rm=no', '--', 'echo it >/proof')
    assert result.rc == 0, result
    try:
        assert docker('inspect', '-f', '{{.State.Running}}', 'kept') == 'false'
        assert 'A /proof' in docker('diff', 'kept').splitlines()
    finally:
        docker('rm', '-f', 'kept')


@at_each_place
@pytest.mark.parametrize('work', ['echo up; exec sleep 1000', 'trap "" HUP INT TERM; echo up; setsid sleep 1000 & wait'])
def test_a_throwaway_is_gone_soon_after_its_controller_was_killed(docker, hop, place, work):
    live = hop.start('run', *way(place, f'docker:throwaway?image={IMAGE}'), '--', work)
    live.until(b'up')
    container, init = docker('inspect', '-f', '{{.Id}}', 'throwaway'), docker.init_of('throwaway')
    destroyed = docker.events('destroy')
    live.signal(signal.SIGKILL)
    try:
        assert exits(init, time.monotonic() + SOON_SECONDS), 'its first process runs on'
        destroyed.until(container.encode(), timeout=SOON_SECONDS)
    finally:
        destroyed.signal(signal.SIGTERM)
        destroyed.finish()
        live.finish()


# A client that is still at it. The engine makes a container, and only then the client has it started: whoever ends the
# client between the two leaves what nothing else would remove.
CLIENT = '''\
#!/bin/sh
[ "$1" = run ] || exec {docker} "$@"
shift
{step}
exec sleep 1000
'''
MAKE = '{docker} create "$@" >{bell}'
STEPS = {
    'has had it made': MAKE,
    # The engine goes on with what it was told.
    'has it made': f"(setsid sh -c 'echo asked >{{bell}}; read now <{{gate}}; {MAKE}' x \"$@\" >/dev/null 2>&1 &)",
}


@at_each_place
@pytest.mark.parametrize('step', STEPS)
@pytest.mark.parametrize('end', ['the controller is killed', 'the time to connect is over', 'Ctrl-C'])
def test_a_throwaway_that_does_not_run_yet_is_gone_soon_too(docker, hop, fifo, place, step, end):
    bell, gate, stub = fifo('bell'), fifo('gate'), hop.scratch / 'client'
    stub.mkdir()
    real = shutil.which('docker')
    (stub / 'docker').write_text(CLIENT.format(docker=real, step=STEPS[step].format(docker=real, bell=bell, gate=gate)))
    (stub / 'docker').chmod(0o755)
    hop.env['PATH'] = f'{stub}{os.pathsep}{hop.env["PATH"]}'
    destroyed = docker.events('destroy')
    quick = ['--connect-timeout', '2s'] if 'time' in end else []
    live = hop.start('run', '-n', *way(place, f'docker:?image={IMAGE}'), *quick, '--', 'true')
    container = bell.read_lines(1)[0]
    if not quick:
        live.signal(signal.SIGINT if end == 'Ctrl-C' else signal.SIGKILL)
    result = live.finish()
    assert result.rc == {'Ctrl-C': 130}.get(end, 255 if quick else -signal.SIGKILL), result
    if container == 'asked':
        gate.write(b'now\n')
        container = bell.read_lines(1)[0]
    try:
        destroyed.until(container.encode(), timeout=SOON_SECONDS)
    finally:
        destroyed.signal(signal.SIGTERM)
        destroyed.finish()


def test_a_container_of_the_same_name_is_nobody_s_throwaway(docker, hop, fifo):
    """It stays also where the client that has found the name taken is killed."""
    bell, stub = fifo('bell'), hop.scratch / 'client'
    stub.mkdir()
    step = f'{shutil.which("docker")} create "$@"; echo told >{bell}'
    (stub / 'docker').write_text(CLIENT.format(docker=shutil.which('docker'), step=step))
    (stub / 'docker').chmod(0o755)
    hop.env['PATH'] = f'{stub}{os.pathsep}{hop.env["PATH"]}'
    live = hop.start('run', '-n', '-w', f'docker:app?image={IMAGE}', '--', 'true')
    bell.read_lines(1)
    looked = docker.events('destroy')
    live.signal(signal.SIGKILL)
    live.finish()
    docker('run', '--rm', IMAGE, 'true')
    assert looked.until(b'destroy') and docker.running(), 'the user\'s own has gone'
    looked.signal(signal.SIGTERM)
    looked.finish()


@at_each_place
def test_what_ran_in_a_container_is_gone_soon_after_the_controller_was_killed(docker, hop, place):
    before = set(docker.running())
    live = hop.start('run', *way(place, 'docker:app'), '--', 'echo up; setsid sleep 1000 & exec sleep 1000')
    live.until(b'up')
    started = set(docker.running()) - before
    assert len(started) >= 3, docker('top', 'app')
    live.signal(signal.SIGKILL)
    live.finish()
    deadline = time.monotonic() + SOON_SECONDS
    assert all([exits(pid, deadline) for pid in started]), docker('top', 'app')


# Each hop runs as another user, or in another PID namespace, than the one before.
DEEP = 'sudo:?keep=yes/docker:app/local:x'


def way_deep(place):
    """A native relay is found at the first hop; none is sent to those behind sudo, whose PATH has not the program."""
    return ['auto' if word == 'native' else word for word in way(place, DEEP)]


@pytest.fixture
def seat(docker, hop, site):
    """Of an account that sudo asks nothing; `keep` has sudo let the engine's address pass."""
    seat = Seat(site, hop)
    yield seat
    left = seat.left()
    assert not left, 'left behind:\n' + '\n'.join(left)


@at_each_place
def test_a_container_behind_sudo_has_what_is_typed(seat, place):
    result = seat('hvfree', 'run', *way_deep(place), '--', 'id -un >&2; hostname; exec cat', stdin=EVERY_BYTE)
    assert (result.rc, result.err) == (0, b'root\n') and result.out == b'app\n' + EVERY_BYTE, repr(result)[:2000]


@pytest.mark.parametrize('place, number, rc', [*((place, signal.SIGKILL, -signal.SIGKILL) for place in PLACES),
                                               ('behind Python', signal.SIGINT, 130)])
def test_nothing_in_a_container_behind_sudo_outlives_the_controller(seat, docker, place, number, rc):
    before = set(docker.running())
    work = 'trap "" HUP INT TERM; setsid sleep 1000 & echo up; sleep 1000; sleep 1000'
    live = seat.start('hvfree', 'run', *way_deep(place), '--', work)
    live.until(b'up')
    started = set(docker.running()) - before
    assert len(started) >= 5, docker('top', 'app')
    live.signal(number)
    deadline = time.monotonic() + SOON_SECONDS
    assert live.finish().rc == rc
    assert all([exits(pid, deadline) for pid in started]), docker('top', 'app')


@here_and_behind_python
@pytest.mark.parametrize('target, kind', [
    ('docker:nothing', 'no_container'), ('docker:stopped', 'no_container'), ('docker:app?user=nobody7', 'unknown_user'),
    ('docker:?image=localhost:1/nothing:1', 'no_image'), (f'docker:?image={IMAGE}&user=nobody7', 'unknown_user'),
    ('docker:bare', 'no_python'), (f'docker:?image={BARE}', 'no_python'), (f'docker:?image={EMPTY}', 'no_shell'),
    ('docker:empty', 'no_shell')])
def test_each_failure_of_docker_has_its_name(docker, hop, target, kind, place):
    has_failed(hop('call', '--json', *way(place, target), 'time:time'), kind)


@here_and_behind_python
@pytest.mark.parametrize('target', ['docker:app', f'docker:?image={IMAGE}'])
def test_a_daemon_that_is_down(docker, hop, target, place):
    result = hop('call', '--json', *way(place, target), 'time:time', env={'DOCKER_HOST': f'unix://{hop.cwd}/none'})
    has_failed(result, 'engine_unreachable')


def test_a_name_that_is_taken_is_told(docker, hop):
    result = hop('call', '--json', '-w', f'docker:app?image={IMAGE}', 'time:time')
    assert any('is already in use' in line for line in has_failed(result, 'start_failed')['said']), result


@pytest.fixture
def elsewhere(hop):
    if missing():
        pytest.skip(missing())
    namespace = Namespace()
    yield namespace
    left = namespace.left(time.monotonic() + SOON_SECONDS)
    hop.close()
    namespace.close()
    assert not left, left


@at_each_place
def test_nsenter_enters_the_namespaces_of_a_process(hop, elsewhere, place):
    result = hop('run', *way(place, f'nsenter:{elsewhere.init}'), '--', 'readlink /proc/self/ns/pid >&2; cat', stdin=EVERY_BYTE)
    assert result.rc == 0 and result.err.decode().strip() == namespace_of(elsewhere.init), result
    assert result.out == EVERY_BYTE


@here_and_behind_python
def test_nsenter_without_such_a_process(hop, place):
    with open('/proc/sys/kernel/pid_max') as most:
        nobody = int(most.read()) + 1
    has_failed(hop('call', '--json', *way(place, f'nsenter:{nobody}'), 'time:time'), 'no_container')


def test_nsenter_in_a_container_may_not(docker, hop):
    has_failed(hop('call', '--json', '-w', 'docker:app/nsenter:1', 'time:time'), 'not_allowed')


def test_nsenter_without_the_right_to(hop, site, need):
    need('ssh')
    if not site.accounts.private:
        pytest.skip('another account needs root and unshare')
    prefix = site.accounts.become('hvask', site.sshd.daemon.pid, hop.cwd)
    has_failed(hop.start('call', '--json', '-w', 'nsenter:1', 'time:time', prefix=prefix).finish(), 'not_allowed')


ENGINES = {
    'podman': 'podman:app', 'podman, user': 'podman:app?user=me', 'podman, throwaway': 'podman:?image=python:3.12',
    'podman, throwaway of a name': 'podman:mine?image=python:3.12&user=1000&rm=no',
    'kubectl': 'kubectl:app', 'kubectl, all': 'kubectl:app?namespace=prod&container=web&context=eu',
    'kubectl, deployment': 'kubectl:deploy%2Fweb', 'lxc': 'lxc:app', 'lxd': 'lxd:app', 'incus': 'incus:app',
    'machinectl': 'machinectl:app', 'jail': 'jail:app',
}
MISSING = {
    'podman:nothing': 'no_container', 'podman:?image=nothing': 'no_image', 'kubectl:nothing': 'no_container',
    'kubectl:app?container=db': 'no_container', 'kubectl:app?context=us': 'engine_unreachable', 'lxc:nothing': 'no_container',
    'lxd:nothing': 'no_container', 'incus:nothing': 'no_container', 'machinectl:nothing': 'no_container',
    'jail:nothing': 'no_container',
}
DOWN = ['podman:app', 'kubectl:app', 'lxd:app', 'incus:app', 'machinectl:app']


@pytest.fixture
def stubs(hop):
    folder = hop.scratch / 'engines'
    folder.mkdir()
    for program in ('podman', 'kubectl', 'lxc-attach', 'lxc', 'incus', 'systemd-run', 'jexec'):
        (folder / program).write_text(f'#!/bin/sh\nexec {sys.executable} {FAKE} {program} "$@"\n')
        (folder / program).chmod(0o755)
    hop.env['PATH'] = f'{folder}{os.pathsep}{hop.env["PATH"]}'


@here_and_behind_python
@pytest.mark.parametrize('engine', ENGINES)
def test_every_other_engine_takes_our_command_line(hop, stubs, engine, place):
    result = hop('run', *way(place, ENGINES[engine]), '--', 'echo err >&2; cat; exit 3', stdin=EVERY_BYTE)
    assert (result.rc, result.err) == (3, b'err\n') and result.out == EVERY_BYTE, repr(result)[:2000]


@pytest.mark.parametrize('target', MISSING)
def test_what_is_not_there_is_told_in_one_word(hop, stubs, target):
    has_failed(hop('call', '--json', '-w', target, 'time:time'), MISSING[target])


@here_and_behind_python
@pytest.mark.parametrize('target', DOWN)
def test_an_engine_that_is_down(hop, stubs, target, place):
    result = hop('call', '--json', *way(place, target), 'time:time', env={'ENGINE_DOWN': '1'})
    has_failed(result, 'engine_unreachable')


@pytest.mark.parametrize('target', ['podman:app', 'podman:?image=python:3.12'])
def test_an_engine_that_is_not_installed(hop, target):
    folder = hop.folder_with(sys.executable, 'python3')
    result = hop('call', '--json', '-w', target, 'time:time', env={'PATH': folder})
    assert 'cannot run podman: No such file' in has_failed(result, 'spawn_failed')['message'], result


# From Python

@pytest.mark.parametrize('python', oldest_and_newest(), ids=repr)
def test_a_script_goes_into_throwaways_and_into_what_runs(docker, scripts, python):
    lines = scripts.told(python, f'''
        from hopvine.facts import hostname, python_version
        with Docker('first', image={IMAGE!r}) as first, Docker('second', image={IMAGE!r}, user='nobody') as second:
            print(sorted((first + second).call(os.getuid).successful()))
            print(first.call(python_version).split('.')[0], first.run('echo $((6 * 7))').check().stdout.decode())
        running = Docker('app', running=True)
        print(running.call(hostname), Local('inside', via=running).call(os.getuid))
        running.close()
    ''')
    assert lines[0] == "[('first', 0), ('second', 65534)]" and lines[1] == '3 42', lines
    assert lines[-1] == 'app 0', lines
