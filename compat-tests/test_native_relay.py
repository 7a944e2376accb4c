"""This program as what serves a hop: found there, or sent into the memory of an agent that it then takes the place of.

What is common to both kinds of relays is tested beside them, in test_tree.py and its like.
"""

import glob
import os
import re
import shlex
import shutil
import sys

import pytest

from harness import flights
from harness.binary import BINARY
from harness.leaks import command_line, read, read_stat
from harness.namespace import missing
from harness.pythons import discover, oldest_and_newest
from harness.tree import by, chain, escaped
from test_start_places import CREATING, READ_ONLY

TITLE = 'hopvine:native'
IN_MEMORY = '/memfd:hopvine (deleted)'
OLD = [python for python in discover() if python.number < (3, 8)]
EVERY_BYTE = bytes(range(256)) * 4096
FALLS_BACK_SECONDS = 10  # a third of what connecting may take: nothing has been waited for
IN_PLACE, FOUND = "hopvine runs in the agent's place", 'hopvine runs\n'


class Path:
    """A command at the end of a path that starts with `first`, and the processes above it while it runs."""

    def __init__(self, hop, fifo, first=None, behind='local:b', **options):
        bell, gate = fifo('bell'), fifo('gate')
        # The process that the hop has been started as tells its number.
        first = first or hop.way_through(f'echo $$ >{bell}; exec sh -c "$1"\n', 'first')
        self.live = hop.start('run', '-w', f'{first}/{behind}', '--relay', 'native', '--name', TITLE, '-n', '--',
                              f'echo $PPID >{bell}; read x <{gate}; echo well', **options)
        self.first, leaf = map(int, bell.read_lines(2))
        self.gate, self.line = gate, [leaf]
        while self.line[-1] not in (self.live.pid, 1):
            self.line.append(read_stat(self.line[-1])[1])

    def end(self):
        self.gate.write(b'now\n')
        result = self.live.finish()
        assert (result.rc, result.out, result.err) == (0, b'well\n', b''), result


def program(pid):
    return os.readlink(f'/proc/{pid}/exe')


def session(pid):
    return int(read(f'/proc/{pid}/stat').rpartition(b')')[2].split()[3])


def children(pid):
    return list(map(int, read(f'/proc/{pid}/task/{pid}/children').split()))


@pytest.fixture
def installed(hop):
    """This program is first in PATH, on every hop."""
    hop.env['PATH'] = f'{BINARY.parent}:{hop.env["PATH"]}'


def told(hop, target, relay='native', **options):
    """What is told of the relay that a command has gone through."""
    result = hop('run', '-w', target, '--relay', relay, '-v', '--', 'echo well', **options)
    assert (result.rc, result.out) == (0, b'well\n'), result
    return ''.join(f'{line}\n' for line in result.said.splitlines() if ': runs ' not in line)


# Sent

@pytest.mark.parametrize('python', oldest_and_newest(), ids=repr)
def test_the_program_takes_the_place_of_the_agent_in_memory(hop, fifo, python):
    """The agent leads a session and is the only child of its watchdog: so is the program afterwards."""
    folder = hop.folder_with(python.path, python.command)
    path = Path(hop, fifo, env={'PATH': f'{folder}:{hop.env["PATH"]}'})
    relay, watchdog = path.line[2:4]
    assert program(relay) == IN_MEMORY and session(relay) == relay and command_line(relay).startswith(TITLE)
    assert watchdog == path.first and children(watchdog) == [relay] and program(watchdog) != IN_MEMORY
    path.end()


@pytest.mark.parametrize('python', discover(), ids=repr)
def test_every_interpreter_makes_room_for_the_program(hop, python):
    assert IN_PLACE in told(hop, f'{by(python, "a")}/local:b')


def test_a_command_runs_behind_more_than_one_relay_that_was_sent(hop):
    assert told(hop, chain(3)).count(IN_PLACE) == 2


def test_each_relay_of_a_path_gets_the_program(hop):
    """A call needs nothing that is kept on the way."""
    result = hop('call', '-w', chain(4), '--relay', 'native', '-v', 'operator:add', '20', '22')
    assert result.out == b'42\n' and result.said.count(IN_PLACE) == 3, result


def test_nothing_of_the_program_s_is_handed_to_what_it_starts(hop, fifo):
    path = Path(hop, fifo)
    for pid in path.line[:2]:
        held = {os.readlink(f'/proc/{pid}/fd/{fd}') for fd in os.listdir(f'/proc/{pid}/fd')}
        assert not {each for each in held if 'memfd' in each}, held
    path.end()


def test_a_disk_that_takes_nothing_is_not_missed(hop, site):
    if not site.accounts.private:
        pytest.skip('a disk of its own needs root and unshare')
    path = hop.scratch / 'place.sh'
    path.write_text(READ_ONLY)
    way = hop.way_in(f'unshare -m --propagation private sh {path} {{}}')
    assert IN_PLACE in told(hop, f'{way}/local:b')


def test_no_file_is_created(hop):
    if not shutil.which('strace'):
        pytest.skip('strace is not installed')
    trace = hop.scratch / 'trace'
    way = hop.way_in(f'strace -f -qq -o {trace} -e trace={CREATING},memfd_create sh -c {{}}')
    assert IN_PLACE in told(hop, f'{way}/local:b')
    calls = trace.read_text().splitlines()
    assert any('memfd_create("hopvine"' in line for line in calls), calls
    created = [line for line in calls if re.search(r'O_CREAT|\b(?!open)\w+\("|\b(?!open)\w+at2?\(', line)]
    assert [line for line in created if '"/dev/null"' not in line and 'memfd_create(' not in line] == []


def test_what_waits_for_the_program_arrives_whole(hop):
    targets = 'local:a/local:c[1-4]'
    result = hop('run', '-w', targets, '--relay', 'native', '--', 'cksum', stdin=EVERY_BYTE)
    assert result.rc == 0 and len({line.partition(': ')[2] for line in result.lines}) == 1, result
    assert len(result.lines) == 4 and str(len(EVERY_BYTE)) in result.text, result


def test_it_is_sent_to_relays_only(hop):
    assert 'place' not in told(hop, 'local:a')
    result = hop('run', '-w', 'local:a/local:b', '-v', '--', 'echo well')
    assert result.out == b'well\n' and 'place' not in result.said and 'agent runs on' in result.said, result


# Where it cannot run, the agent relays, and says why.

def without_ctypes(hop, python):
    """An interpreter that has not that module, and no call of its own for memory. A device is no module to Python."""
    modules = glob.glob(f'{os.path.dirname(os.path.dirname(python.path))}/lib/python*/lib-dynload/_ctypes.*so')
    if not modules:
        pytest.skip(f'{python} has no _ctypes that can be hidden')
    hide = shlex.quote(f'mount --bind /dev/null {modules[0]}; exec sh -c "$1"')
    way = hop.way_in(f'unshare -m --propagation private sh -c {hide} way {{}}')
    return f'{way}?python={escaped(python.path)}'


def in_a_pid_namespace(hop, script):
    if missing():
        pytest.skip(missing())
    if not os.path.exists('/proc/sys/vm/memfd_noexec'):
        pytest.skip('this kernel runs whatever is in memory')
    words = 'unshare -m --pid --fork --kill-child --mount-proc sh -c'
    return hop.way_in(f'{words} {shlex.quote(script)} way {{}}')


CANNOT = {
    'another architecture': (lambda hop: hop.way_in('setarch i686 sh -c {}'), 'this machine is i686'),
    'nothing in memory may be run': (lambda hop: in_a_pid_namespace(
        hop, 'echo 2 >/proc/sys/vm/memfd_noexec; exec sh -c "$1"'), 'it does not run here'),
}
def the_agent_relays(hop, way, reason):
    target = f'{way}/local:b'
    assert hop('run', '-w', target, '--relay', 'python', '--', 'echo well').out == b'well\n'
    said = told(hop, target, timeout=FALLS_BACK_SECONDS)
    assert 'the agent relays: ' in said and reason in said, said


@pytest.mark.parametrize('why', CANNOT)
def test_the_agent_relays_where_the_program_cannot_run(hop, why):
    way, reason = CANNOT[why]
    the_agent_relays(hop, way(hop), reason)


def test_the_agent_relays_where_files_may_not_become_that_large(hop):
    the_agent_relays(hop, hop.way_through('ulimit -f 500; exec sh -c "$1"\n'), 'File too large')


@pytest.mark.parametrize('python', OLD[:1] + OLD[1:][-1:], ids=repr)
def test_the_agent_relays_where_python_has_no_way_to_memory(hop, site, python):
    if not site.accounts.private:
        pytest.skip('hiding a module needs root and unshare')
    the_agent_relays(hop, without_ctypes(hop, python), '_ctypes')


# Found

def flights_of(hop, fifo, relay, name):
    """Until the first output of a command behind a relay."""
    counted, gate = hop.scratch / name, fifo(f'gate {name}')
    way = hop.way_in(shlex.join([sys.executable, flights.__file__, str(counted)]), name)
    live = hop.start('run', '-n', '-w', f'{way}/local:b', '--relay', relay, '--', f"echo well; read x <'{gate}'")
    live.until(b'well')
    count = int(counted.read_text())
    gate.write(b'now\n')
    assert live.finish().rc == 0
    return count


def test_a_relay_costs_no_flight_of_its_own_whether_the_program_is_found_or_not(hop, fifo):
    python, missed = flights_of(hop, fifo, 'python', 'python'), flights_of(hop, fifo, 'auto', 'missed')
    hop.env['PATH'] = f'{BINARY.parent}:{hop.env["PATH"]}'
    assert python == missed == flights_of(hop, fifo, 'auto', 'found')


@pytest.mark.parametrize('relay', ['auto', 'native'])
def test_the_program_is_found_in_path_and_none_is_sent(hop, installed, relay):
    said = told(hop, 'local:a/local:b', relay)
    assert f'local:a: {FOUND}' in said and 'place' not in said, said


def test_a_relay_that_is_found_is_the_program_and_its_watchdog(hop, installed, fifo):
    path = Path(hop, fifo)
    relay, watchdog = path.line[2:4]
    assert program(relay) == program(watchdog) == str(BINARY.resolve()) and watchdog == path.first
    path.end()


@pytest.mark.parametrize('name', ['home', 'a home'])
def test_the_program_is_found_in_the_user_s_own_folder(hop, name):
    home = hop.scratch / name
    (home / '.local/bin').mkdir(parents=True)
    (home / '.local/bin/hopvine').symlink_to(BINARY)
    way = hop.way_in(f'env HOME={shlex.quote(str(home))} sh -c {{}}')
    assert f'{way}: {FOUND}' in told(hop, f'{way}/local:b')


def test_python_relays_where_that_is_asked_for(hop, installed):
    result = hop('run', '-w', 'local:a/local:b', '--relay', 'python', '-v', '--', 'echo well')
    assert result.out == b'well\n' and FOUND not in result.said and result.said.count('agent runs on') == 2, result


def another_build(hop):
    """This program, which is told that it is looked for in another build."""
    return f'#!/bin/sh\n[ "$2" != --is ] || set -- relay --is another\nexec {shlex.quote(str(BINARY))} "$@"\n'.encode()


STRANGERS = {
    'fails': '#!/bin/sh\nexit 1\n',
    'talks': '#!/bin/sh\necho usage: hopvine; echo usage >&2; exit 2\n',
    'crashes': '#!/bin/sh\nkill -SEGV $$\n',
    'is no program': '\0\1\2',
    'is another build': another_build,
}


def put_first(hop, stranger):
    """In PATH, under this program's name."""
    folder = hop.scratch / 'bin'
    folder.mkdir()
    (folder / 'hopvine').write_bytes(stranger)
    (folder / 'hopvine').chmod(0o755)
    hop.env['PATH'] = f'{folder}:{hop.env["PATH"]}'


@pytest.mark.parametrize('kind, relay, how', [*((kind, 'auto', 'agent runs on') for kind in STRANGERS),
                                              ('is another build', 'native', IN_PLACE)])
def test_a_program_of_that_name_that_is_not_ours_is_not_used(hop, kind, relay, how):
    stranger = STRANGERS[kind]
    put_first(hop, stranger(hop) if callable(stranger) else stranger.encode())
    said = told(hop, 'local:a/local:b', relay)
    assert f'local:a: {how}' in said and f'local:a: {FOUND}' not in said, said


def test_a_program_of_that_name_that_reads_its_input_takes_nothing(hop):
    put_first(hop, b'#!/bin/sh\ncat\nexit 2\n')
    assert 'local:a: agent runs on' in told(hop, 'local:a/local:b', 'auto', timeout=FALLS_BACK_SECONDS)
