"""`hopvine fakessh --on`, and `fakessh.run` in remote code: a program there whose ssh leads to another machine, by what joins both."""

import os
import pathlib
import shlex
import signal
import subprocess
import sys
import time

import pytest

from harness import counter
from harness.files import noise, until
from harness.process import exits
from harness.pythons import oldest_and_newest, starts_itself_again
from harness.tree import RELAYS, Tree, by
from test_inner_host import BOTH, places

__all__ = ['places']
# The stand-ins are started by the interpreter that serves there.
ENDS = pytest.mark.parametrize('python', [python for python in oldest_and_newest() if python.runs_scripts and starts_itself_again(python)], ids=repr)
SIZE = 3_000_000
# What a link carries beside contents: agents, parts, orders, and what tools say.
OVERHEAD_BYTES = 250_000
SOON_SECONDS = 5
DEAF = pathlib.Path(__file__).with_name('harness') / 'deaf.py'


@pytest.fixture
def source(hop):
    folder = hop.scratch / 'source'
    (folder / 'deep').mkdir(parents=True)
    (folder / 'large').write_bytes(noise(SIZE))
    (folder / 'deep/odd name').write_bytes(b'small\n')
    (folder / 'link').symlink_to('large')
    return folder


def contents(folder):
    return {path.relative_to(folder): path.readlink() if path.is_symlink() else path.is_file() and path.read_bytes()
            for path in folder.rglob('*')}


class Elsewhere:
    """`elsewhere('local:a', 'local:b', words...)`"""

    def __init__(self, hop, relay='python'):
        self.tree = Tree(hop, relay)

    def start(self, on, to, *words, options=(), **named):
        lead = ['--to', to] if to else []
        path = f'{self.tree.hop.env["PATH"]}'
        return self.tree.hop.start('fakessh', *self.tree.options, *options, '--on', on, *lead, '--', *words,
                                   env={'PATH': path}, **named)

    def __call__(self, on, to, *words, timeout=60, **named):
        return self.start(on, to, *words, **named).finish(timeout)


@pytest.fixture
def elsewhere(hop):
    return Elsewhere(hop)


def gone(hop, seconds=SOON_SECONDS):
    """What stands in is in a folder of its own, which goes with it, if not before we know of its end."""
    deadline = time.monotonic() + seconds
    while left_folders(hop) and time.monotonic() < deadline:
        exits(os.getpid(), time.monotonic() + 0.01)
    return not left_folders(hop)


def left_folders(hop):
    places = [hop.env.get('XDG_RUNTIME_DIR'), '/dev/shm', '/tmp']
    return [name for place in places if place for name in os.listdir(place)
            if name.startswith('hopvine-') and os.path.exists(f'{place}/{name}/socket') and os.path.islink(f'{place}/{name}/scp')]


@ENDS
@pytest.mark.parametrize('tool', ['rsync', 'scp', 'scp -O', 'git', 'tar'])
def test_tools_work_between_two_contexts(elsewhere, hop, source, python, tool):
    there = hop.scratch / 'there'
    words = {
        'rsync': f'rsync -a {source}/ x:{there}/ && rsync -a --delete x:{there}/ {hop.scratch}/back/',
        'scp': f'scp -q -r {source} x:{there} && scp -q -r x:{there} {hop.scratch}/back',
        'scp -O': f'scp -O -q -r {source} x:{there} && scp -O -q -r x:{there} {hop.scratch}/back',
        'git': f'cd {source} && git init -q . && git add large deep && git -c user.name=a -c user.email=a@b commit -qm 1 && '
               f'git clone -q x:{source} {hop.scratch}/cloned && cmp large {hop.scratch}/cloned/large',
        'tar': f'tar cC {source} . | ssh x "mkdir {there} && tar xC {there}" && ssh x "tar cC {there} ." | '
               f'(mkdir {hop.scratch}/back && tar xC {hop.scratch}/back)',
    }[tool]
    result = elsewhere(by(python, 'a'), by(python, 'b'), 'sh', '-ec', words)
    assert result.rc == 0, result
    if tool in ('rsync', 'tar'):
        assert contents(hop.scratch / 'back') == contents(there) == contents(source)
    elif tool != 'git':
        # It follows links.
        assert (hop.scratch / 'back/deep/odd name').read_bytes() == b'small\n'
        assert (hop.scratch / 'back/large').read_bytes() == (there / 'link').read_bytes() == noise(SIZE)
    assert gone(hop)


@ENDS
def test_statuses_and_streams_are_as_with_ssh(elsewhere, python):
    script = '''
        ssh x 'echo out; echo err >&2; exit 7'; echo "status $?"
        ssh x 'kill -9 $$'; echo "killed $?"
        printf '\\000\\377' | ssh x 'od -An -tx1'
        ssh -n x cat; echo "nothing $?"
        ssh x 'head -c 100000000 /dev/zero' | head -c 3 | od -An -tx1
        ssh me@x pwd; ssh -p 22 -o Compression=yes -T x 'echo "$HOME"'
        ssh -Z x true; echo "wrong $?"
        ssh -s x nothing; echo "subsystem $?"
    '''
    result = elsewhere(by(python, 'a'), by(python, 'b'), 'sh', '-c', script)
    home = elsewhere.tree.hop.env['HOME']
    assert result.rc == 0 and result.lines == [
        'out', 'status 7', 'killed 255', ' 00 ff', 'nothing 0', ' 00 00 00', home, home, 'wrong 255', 'subsystem 255'], result
    said = result.err.decode()
    assert said.startswith('err\n') and 'unknown option -- Z' in said and "no \"nothing\"" in said, result


SLOW_READER = '''
import os, socket, subprocess, sys
ours, theirs = socket.socketpair()
theirs.setblocking(0)
ours.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
ssh = subprocess.Popen(['ssh', 'x', 'head -c 3000000 /dev/zero'], stdout=theirs.fileno(), stdin=subprocess.DEVNULL)
theirs.close()
count = 0
while True:
    data = ours.recv(count < 300000 and 2 or 65536)
    if not data:
        break
    count += len(data)
print(count, ssh.wait())
'''


@ENDS
def test_a_tool_that_makes_its_pipes_not_wait_loses_nothing(elsewhere, hop, python):
    """As rsync does, whose ssh then meets a full pipe."""
    script = hop.scratch / 'slow.py'
    script.write_text(SLOW_READER)
    result = elsewhere(by(python, 'a'), by(python, 'b'), sys.executable, script)
    assert result.lines == ['3000000 0'], result


BOTH_OUTPUTS = '''
import subprocess, sys
command = 'head -c 32000 /dev/zero; head -c 32000 /dev/zero >&2; read x; head -c 30000 /dev/zero'
pipe = subprocess.PIPE
ssh = subprocess.Popen(['ssh', 'x', command], stdin=pipe, stdout=pipe, stderr=pipe)
print(len(ssh.stdout.read(32000)), len(ssh.stderr.read(32000)))
ssh.stdin.write(b'\\n')
ssh.stdin.close()
print(len(ssh.stdout.read()), ssh.wait())
'''


@ENDS
def test_two_outputs_that_are_behind_together_stop_neither(elsewhere, hop, python):
    """Each has used nearly half of what the stream of both may have on the way."""
    script = hop.scratch / 'both.py'
    script.write_text(BOTH_OUTPUTS)
    result = elsewhere(by(python, 'a'), by(python, 'b'), sys.executable, script)
    assert result.lines == ['32000 32000', '30000 0'], result


def test_what_is_asked_again_and_again_leaves_nothing(elsewhere):
    """Each with an input that never ends."""
    script = 'n=0; while [ $n -lt 40 ]; do ssh x true < /dev/zero || echo failed; n=$((n + 1)); done; echo done'
    result = elsewhere('local:a', 'local:b', 'sh', '-c', script)
    assert result.lines == ['done'], result


def test_several_at_once_and_one_after_the_other_share_the_way(elsewhere):
    script = 'for n in 1 2 3 4 5 6 7 8; do (ssh x "echo $n \\$PPID") & done; wait; ssh x "echo 9 \\$PPID"'
    result = elsewhere('local:a', 'local:b', 'sh', '-c', script)
    numbers, parents = zip(*(line.split() for line in result.lines))
    assert sorted(numbers) == list('123456789') and len(set(parents)) == 1, result


@pytest.mark.parametrize('relay', sorted(RELAYS))
def test_what_passes_goes_no_higher_than_the_nearest_that_is_above_both(hop, source, relay):
    elsewhere = Elsewhere(hop, relay)
    file = hop.scratch / 'counted'
    way = elsewhere.tree.way_by(counter, file)
    place = hop.scratch / 'there'
    result = elsewhere(f'{way}/local:a', f'{way}/local:b', 'rsync', '-a', f'{source}/', f'x:{place}/')
    assert result.rc == 0 and contents(place) == contents(source), result
    # A native relay is sent to where it runs.
    limit = OVERHEAD_BYTES if relay == 'python' else OVERHEAD_BYTES + 3_000_000
    assert all(int(number) < limit for number in file.read_text().split()), file.read_text()


@pytest.mark.parametrize('on, to', [
    ('local:a', 'local:a'), ('local:a', 'local:a/local:b'), ('local:a/local:b', 'local:a'), ('local:a/local:b', 'local:c/local:d'),
])
def test_any_context_is_led_to_any(elsewhere, on, to):
    result = elsewhere(on, to, 'ssh', 'x', 'echo reached')
    assert (result.rc, result.lines) == (0, ['reached']), result


def test_between_hosts_and_users_by_real_ways(hop, ssh, source):
    there = hop.scratch / 'there'
    result = hop('fakessh', '--on', 'h1', '--to', 'h2', '--', 'rsync', '-a', f'{source}/', f'anything:{there}/', timeout=60)
    assert result.rc == 0 and contents(there) == contents(source), result


def test_names_mean_what_the_inventory_says(hop, elsewhere):
    inventory = hop.scratch / 'hopvine.toml'
    inventory.write_text('[hosts.web]\ntarget = "local:w"\n[hosts.db]\nvia = "local:x"\ntarget = "local:d"\n')
    result = elsewhere('local:a', None, 'sh', '-c', 'ssh web echo web; ssh me@db echo db; ssh db echo db', options=['-i', inventory])
    assert (result.rc, result.lines) == (0, ['web', 'db']) and 'cannot be entered as "me"' in result.err.decode(), result


@pytest.mark.parametrize('host', ['h2', 'local:', 'local:y', 'ssh:h2', 'h1/local:x', 'exec:way'])
def test_who_is_led_without_a_target_reaches_what_the_command_names_and_nothing_else(elsewhere, hop, host):
    hop.way_in('sh -c {}')
    letters = ' '.join(f"'{letter}'" for letter in host)
    script = f'host=$(printf %s {letters}); ssh "$host" touch {hop.scratch}/reached; echo "status $?"; ssh h1 true; echo h1'
    result = elsewhere('local:a', None, 'sh', '-c', script)
    said = result.err.decode()
    assert 'status 255' in result.lines and ('refused' in said or 'only a host can be named' in said), result
    assert not (hop.scratch / 'reached').exists()


def test_two_machines_that_cannot_see_each_other(places, source):
    """As the fileserver and the web app of the first example: one behind the bastion, one beside it."""
    place = places.hop.scratch / 'there'
    words = ['--relay', 'python', '--on', 'ssh:bastion/local:files', '--to', BOTH, '--', 'rsync', '-a', f'{source}/', f'app:{place}/']
    live = places.outer.start(places.hop, 'fakessh', *words)
    places.outer.expected.add(live.pid)
    result = live.finish(60)
    assert result.rc == 0 and contents(place) == contents(source), result
    assert not places.left()


@pytest.mark.parametrize('to, said', [
    ('ssh:no-such-host.invalid', 'Could not resolve'), ('exec:broken', 'exec:broken'), ('local:b?python=%2Fno%2Fsuch', '/no/such'),
])
def test_what_cannot_be_reached_is_told_by_the_ssh_that_was_called(hop, elsewhere, to, said):
    hop.way_in('false {}', 'broken')
    result = elsewhere('local:a', to, 'sh', '-c', 'ssh x true; echo "status $?"')
    assert result.lines == ['status 255'] and said in result.err.decode(), result


def test_where_it_is_to_run_cannot_be_reached(elsewhere):
    result = elsewhere('ssh:no-such-host.invalid', 'local:b', 'true')
    assert result.rc == 255 and 'no-such-host.invalid' in result.err.decode(), result


def test_a_program_that_is_not_there(elsewhere):
    result = elsewhere('local:a', 'local:b', '/no/such/program')
    assert result.rc == 127 and '/no/such/program' in result.err.decode(), result


@pytest.mark.parametrize('who', ['command', 'everything'])
def test_what_was_begun_ends_with_who_has_begun_it(hop, elsewhere, who):
    mark = hop.scratch / 'begun'
    inner = f'echo $$ > {mark}; exec sleep 1000'
    outer = f"ssh x '{inner}' & echo $! > {mark}.ssh; wait"
    live = elsewhere.start('local:a', 'local:b', 'sh', '-c', outer)
    until(live, lambda: mark.exists() and mark.read_text().strip(), 20)
    pid = int(mark.read_text())
    if who == 'command':
        os.kill(int((hop.scratch / 'begun.ssh').read_text()), signal.SIGKILL)
    else:
        live.signal(signal.SIGKILL)
    deadline = time.monotonic() + SOON_SECONDS
    assert exits(pid, deadline)
    live.finish(20)
    assert gone(hop)


@pytest.fixture
def slow(hop):
    """A way that opens when its gate does: `slow.bell` tells that it has been tried."""
    bell, gate = hop.scratch / 'bell', hop.scratch / 'gate'
    os.mkfifo(gate)
    hop.way_through(f'echo tried >>{bell}; read x <{gate}; exec sh -c "$1"\n', 'slow')

    class Slow:
        target, held = 'exec:slow', None

        def tried(self):
            return bell.exists() and bell.read_text()

        def open(self):
            # For whoever has been let go, and for the next.
            self.held = os.open(gate, os.O_RDWR)
            os.write(self.held, b'\n' * 9)
    slow = Slow()
    yield slow
    if slow.held is not None:
        os.close(slow.held)


def test_a_call_that_is_let_go_while_its_way_opens_never_runs(hop, elsewhere, slow):
    mark = hop.scratch / 'mark'
    outer = f"ssh x 'echo ran >{mark}' & echo $! >{mark}.ssh; wait $!; echo $?; read x; ssh x 'exit 7'; echo $?"
    live = elsewhere.start('local:a', slow.target, 'sh', '-c', outer, stdin=subprocess.PIPE)
    until(live, slow.tried, 20)
    os.kill(int((hop.scratch / 'mark.ssh').read_text()), signal.SIGKILL)
    live.until(b'137\n')
    slow.open()
    live.end_input()
    result = live.finish(20)
    assert (result.rc, result.out) == (0, b'137\n7\n') and not mark.exists(), result


def test_a_client_that_goes_while_its_way_opens_has_nothing_run(hop, slow):
    mark = hop.scratch / 'mark'
    words = ['ssh', '-o', 'ControlMaster=auto', '-o', 'ControlPath=x', '-o', 'ControlPersist=9s', slow.target]
    gone = hop.start(*words, f'echo ran >{mark}')
    until(gone, slow.tried, 20)
    stays = hop.start(*words, 'exit 7')
    until(stays, lambda: ', 2 clients' in hop('ps').text, 20)
    gone.signal(signal.SIGKILL)
    gone.finish()
    slow.open()
    assert stays.finish(20).rc == 7 and hop(*words, 'exit 8').rc == 8
    assert slow.tried() == 'tried\n' and not mark.exists()
    assert hop('down').rc == 0


@pytest.fixture
def deaf(hop):
    """An agent that never ends what is cancelled; `deaf()` are the lines of its log."""
    log = hop.scratch / 'deaf'
    hop.way_in(shlex.join([sys.executable, str(DEAF), str(log)]), 'deaf')
    return lambda: log.read_text().splitlines() if log.exists() else []


def ends_although_deaf(live, deaf):
    """Once it has been told, after the time that what is cancelled has."""
    until(live, lambda: 'reset' in deaf(), 20)
    return exits(int(deaf()[0].partition(' ')[2]), time.monotonic() + SOON_SECONDS)


def test_a_call_that_is_not_let_go_ends_its_agent_and_nobody_else(hop, elsewhere, deaf):
    pid = hop.scratch / 'pid'
    outer = f"ssh x there & echo $! >{pid}; wait $!; echo $?; read x; echo over"
    live = elsewhere.start('local:a', 'exec:deaf', 'sh', '-c', outer, stdin=subprocess.PIPE)
    until(live, deaf, 20)
    os.kill(int(pid.read_text()), signal.SIGKILL)
    live.until(b'137\n')
    assert ends_although_deaf(live, deaf)
    live.end_input()
    result = live.finish(20)
    assert (result.rc, result.out) == (0, b'137\nover\n'), result


def test_a_client_that_is_not_let_go_ends_its_agent_and_nobody_else(hop, deaf):
    assert hop('up', '-w', 'exec:deaf,local:x').rc == 0
    gone, other = hop.start('ssh', 'exec:deaf', 'there'), hop.start('ssh', 'local:x', 'echo up; cat', stdin=subprocess.PIPE)
    gone.until(b'up\n')
    other.until(b'up\n')
    gone.signal(signal.SIGKILL)
    gone.finish()
    assert ends_although_deaf(other, deaf)
    assert hop('ps').lines[2:] and 'exec:deaf' not in hop('ps').text
    other.end_input()
    assert other.finish().rc == 0 and hop('down').rc == 0


@ENDS
def test_remote_code_runs_a_program_that_is_led_to_a_tunnel_it_was_given(scripts, python, source):
    folder = scripts.hop.scratch / 'place'
    folder.mkdir()
    lines = scripts.told(python, f'''
from hopvine import fakessh
a, b = here('a'), here('b')
print(a.call(fakessh.run, b, ['rsync', '-a', {str(source)!r} + '/', 'app:' + sys.argv[1] + '/']))
print(a.call(fakessh.run, b, ['sh', '-c', 'ssh x "exit 9"']))
print(fakessh.run(b, ['ssh', 'x', 'exit 5']))
''', folder, timeout=60)
    assert lines == ['0', '9', '5'] and contents(folder) == contents(source)


@ENDS
def test_a_token_of_nobody_leads_nowhere(scripts, python):
    lines = scripts.told(python, '''
from hopvine import fakessh
def forged(other):
    other.token += 1
    return fakessh.run(other, ['sh', '-c', 'ssh x true 2>&1'])
print(here('a').call(forged, here('b')))
''', timeout=60)
    assert lines[-1] == '255' and 'refused' in ' '.join(lines), lines
