"""What passes through `hopvine ssh` beside the real ssh: every byte to its own end, who stops early, how much memory that takes."""

import os
import shlex
import socket
import subprocess

import pytest

from harness.binary import BINARY
from harness.leaks import all_pids
from harness.process import peak_bytes
from harness.pythons import discover
from harness.twins import environment, is_ours, told

ALL_BYTES = bytes(range(256))
MUCH = 50 << 20
MOST_MEMORY = 40 << 20
CLOSED = ('<&-', '>&-', '2>&-', '<&- >&-', '<&- >&- 2>&-')


def test_input_ends_where_it_ends_and_every_byte_passes(way):
    ours = way.agree('h1', 'cat; echo over >&2', stdin=ALL_BYTES * 999)
    assert told(ours) == (0, ALL_BYTES * 999, b'over\n'), ours
    # Who has read enough ends, whatever is still to come.
    assert way.agree('h1', 'head -c 3', stdin=ALL_BYTES * 9999).rc == 0


def test_input_is_left_alone_where_it_is_not_wanted(way):
    script = '(read a; "$@" -n h1 cat; read b; echo $a $b) <<<$\'one\\ntwo\''
    real, ours = way.shell(script)
    assert told(real) == told(ours) == (0, b'one two\n', b''), ours


@pytest.mark.parametrize('closed', CLOSED)
def test_streams_may_be_closed(way, closed):
    real, ours = way.shell(f'"$@" h1 "cat; echo out; echo err >&2; exit 4" {closed}; exit $?')
    assert told(real) == told(ours) and ours.rc == 4, f'{real}\n{ours}'


def test_much_passes_both_ways_at_once(way):
    script = f'head -c {MUCH} /dev/zero | tr "\\0" x | "$@" h1 "tee /dev/stderr" 2> >(cksum >&2) | cksum'
    real, ours = way.shell(script)
    expected = b'%d %d\n' % (posix_cksum(b'x', MUCH), MUCH)
    assert real.out == ours.out == real.err == ours.err == expected, f'{real}\n{ours}'


def posix_cksum(byte, count):
    return int(subprocess.run(f'head -c {count} /dev/zero | tr "\\0" {byte.decode()} | cksum', shell=True,
                              capture_output=True).stdout.split()[0])


# What is done when the first line has been read: the shell of `dash` is the same for both.
ENOUGH = {
    'exec yes': 255,
    'yes; echo later >&2; exit 3': 3,
    'while echo y; do :; done; exit 4': 255,
    'trap "" PIPE; while echo y; do :; done 2>/dev/null; echo later >&2; exit 5': 5,
}


def ended_unread(hop, who, words):
    """Its status, and what it has said, where nobody reads more than a line."""
    script = '"$@" | { read x; echo "$x"; }; echo "status ${PIPESTATUS[0]}"'
    process = hop.program('bash', '-c', script, 'bash', *who, *words, stdin=subprocess.PIPE)
    process.until(b'status ')
    process.end_input()
    return told(process.finish())


@pytest.mark.parametrize('command', ENOUGH)
def test_who_reads_no_more_is_met_when_the_command_writes_next(way, need, command):
    """It ends by that or goes on, and what it says then is shown: ssh loses that more often than not."""
    need('dash')
    real, ours = [ended_unread(way.hop, who, ['dash', command]) for who in (way.real, way.ours)]
    assert real[:2] == ours[:2] and ours[1] == b'y\nstatus %d\n' % ENOUGH[command], (real, ours)
    assert ours[2] == (b'later\n' if 'later' in command else b''), ours


@pytest.mark.parametrize('command', ENOUGH)
def test_who_reads_no_more_is_met_so_by_a_native_agent_too(hop, twins, command):
    hop.way_through(f'PATH={BINARY.parent}:$PATH exec sh -c "$1"\n', 'native')
    assert hop('up', '--agent', 'native', '-w', 'exec:native').rc == 0
    ours = ended_unread(hop, twins.ours, ['exec:native', command])
    assert ours[1] == b'y\nstatus %d\n' % ENOUGH[command] and ours[2] == (b'later\n' if 'later' in command else b''), ours
    assert hop('down').rc == 0


def test_who_reads_no_errors_any_more_is_met_by_nothing(way):
    """As with ssh, a command hears of that for its output alone; on a terminal for neither."""
    many = 'i=0; while [ $i -lt 300 ]; do echo $i%s; i=$((i+1)); done; exit 7'
    for words, redirected in (('h1', many % ' >&2'), '2>&1 >/dev/null'), (('-tt', 'h1', many % ''), ''):
        real, ours = way.shell(f'"$@" {shlex.join(words)} {redirected} | :; exit ${{PIPESTATUS[0]}}')
        assert (real.rc, real.out) == (ours.rc, ours.out) == (7, b''), f'{real}\n{ours}'


def test_a_command_that_closes_its_streams_early_is_waited_for(way):
    ours = way.agree('h1', 'exec >&- <&-; echo late >&2; exit 5', stdin=b'unread' * 99999)
    assert (ours.rc, ours.err) == (5, b'late\n'), ours


@pytest.mark.parametrize('words', ['h1', '-q h1', '-tt h1'])
@pytest.mark.parametrize('place', ['/dev/full', 'disk/out'])
def test_what_has_no_room_here_is_not_lost_without_a_word(way, place, words):
    # A file and a device are written by different processes of ours.
    if os.getuid():
        pytest.skip('a full disk needs root')
    (way.hop.scratch / 'disk').mkdir()
    script = ('cd "$1" && mount -t tmpfs -o size=64k tmpfs disk && shift || exit 9; '
              f'"$@" {words} "head -c 200000 /dev/zero; exit $STATUS" >{place}')
    for status, ends in (0, 255), (4, 4):
        shell = ['bash', '-c', script.replace('$STATUS', str(status)), 'bash', way.hop.scratch, *way.ours]
        ours = way.hop.program('unshare', '-m', *shell).finish()
        lost = 'hopvine: h1: its output cannot be written here, and what is left of it is lost: No space left on device'
        assert ours.rc == ends and ours.said.count(lost) == 1, ours


def test_who_reads_no_more_is_not_told_of_that(way):
    ours = way.hop.program('bash', '-c', '"$@" h1 "echo 1; echo 2" | head -1; exit ${PIPESTATUS[0]}', 'bash', *way.ours).finish()
    assert told(ours) == (0, b'1\n', b''), ours


@pytest.mark.parametrize('where', ['>/dev/full', '2>/dev/full'])
def test_an_output_that_cannot_be_written_changes_no_other_status(way, where):
    real, ours = way.shell(f'"$@" h1 "echo out; echo err >&2; exit 4" {where}')
    assert (real.rc, ours.rc) == (4, 4) and real.out == ours.out, f'{real}\n{ours}'


def test_files_are_read_and_written_where_they_are(way):
    scratch = way.hop.scratch
    for number, who in enumerate((way.real, way.ours)):
        script = (f'cd {scratch}; printf "1\\n2\\n3\\n" >in{number}; echo before >out{number}; '
                  f'{{ read a; "$@" h1 "cat; echo more" >>out{number}; }} <in{number}; echo after >>out{number}; '
                  f'exec >same{number}; echo a; "$@" h1 "echo b"; echo c; mkfifo pipe{number}; '
                  f'"$@" h1 "echo by name" >pipe{number} & cat pipe{number}; echo back >pipe{number} & "$@" h1 cat <pipe{number}; wait')
        result = way.hop.program('bash', '-c', script, 'bash', *who).finish()
        assert told(result) == (0, b'', b''), result
        assert (scratch / f'out{number}').read_text() == 'before\n2\n3\nmore\nafter\n'
        assert (scratch / f'same{number}').read_text() == 'a\nb\nc\nby name\nback\n'


def test_one_socket_may_be_both_streams(way):
    for who in (way.real, way.ours):
        here, there = socket.socketpair()
        with here, there:
            process = way.hop.program(*who, 'h1', 'cat; echo over', stdin=there, stdout=there)
            there.close()
            here.sendall(ALL_BYTES * 100)
            here.shutdown(socket.SHUT_WR)
            here.settimeout(30)
            assert b''.join(iter(lambda: here.recv(65536), b'')) == ALL_BYTES * 100 + b'over\n'
            assert process.finish().rc == 0


def test_who_shares_a_pipe_finds_it_as_it_was(way):
    """It is not made one that never waits, which whoever else reads or writes there would not understand."""
    (in_read, in_write), (out_read, out_write) = os.pipe(), os.pipe()
    process = way.hop.program(*way.ours, 'h1', 'cat', stdin=in_read, stdout=out_write)
    os.write(in_write, b'x')
    assert os.read(out_read, 1) == b'x' and os.get_blocking(in_read) and os.get_blocking(out_write)
    os.close(in_write)
    assert process.finish().rc == 0
    for each in (in_read, out_read, out_write):
        os.close(each)


# Many, and memory

def test_twenty_at_once_keep_apart(way):
    commands = [way.hop.program(*way.ours, 'h1', f'cat; exit {number}', stdin=b'%d' % number * 9999) for number in range(20)]
    for number, command in enumerate(commands):
        assert told(command.finish()) == (number, b'%d' % number * 9999, b'')


# Waits in a program of its own, so that what passes is no matter of how quick this one is: so much, then a pause of so long.
SLOWLY = 'import os,select\nleft=%d\nwhile left:\n    left-=len(os.read(0,min(left,1<<18)))\n    select.select([],[],[],.003)\n'


@pytest.mark.alone
@pytest.mark.timeout(400)
@pytest.mark.parametrize('slow', ['here', 'there'])
def test_memory_does_not_grow_with_what_passes(way, slow):
    bytes_ = 8 * MOST_MEMORY
    reader = SLOWLY % bytes_
    python = next(each.path for each in discover() if each.version.startswith('3'))
    if slow == 'here':
        command = way.hop.program('bash', '-c', '"$@" | { %s -c "$READER"; echo done; cat; }' % python, 'bash', *way.ours, 'h1',
                                  f'head -c {bytes_} /dev/zero; cat', stdin=subprocess.PIPE, env={'READER': reader})
    else:
        there = f"{python} -c '{reader}'; echo done; cat"
        command = way.hop.program('bash', '-c', '{ head -c %d /dev/zero; cat; } | "$@"' % bytes_, 'bash', *way.ours, 'h1', there,
                                  stdin=subprocess.PIPE)
    command.until(b'done\n', timeout=300)
    peaks = {pid: peak_bytes(pid) for pid in all_pids() if is_ours(pid) and way.hop.env['HOPVINE_TEST'] in environment(pid)}
    command.end_input()
    assert command.finish().rc == 0
    assert len(peaks) >= 2 and max(peaks.values()) < MOST_MEMORY, peaks
