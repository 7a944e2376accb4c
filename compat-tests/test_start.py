"""The start of an agent when the transport is at its worst: cut, slow, noisy, or short of descriptors."""

import os
import shlex
import sys
from concurrent.futures import ThreadPoolExecutor
from subprocess import PIPE

import pytest

from harness import filter as delivery
from harness.process import Process
from harness.pythons import discover, oldest_and_newest

FILTER = shlex.join([sys.executable, delivery.__file__])
SOMEWHAT_LONGER_THAN_THE_SECOND_STAGE = 400


class Start:
    """What goes over the wire to start an agent, used without the program: the remote end on its own."""

    def __init__(self, hop, python):
        self.command = hop('bootstrap', 'show', '--command').text.rstrip('\n')
        self.flight = hop('bootstrap', 'show', '--first-flight').out
        self.env = {**hop.env, 'PATH': hop.folder_with(python.path, python.command)}

    def process(self, stdin):
        return Process(['/bin/sh', '-c', self.command], env=self.env, stdin=stdin)

    def with_flight_cut_at(self, offset):
        return self.process(self.flight[:offset]).finish(timeout=10)


@pytest.mark.parametrize('python', discover(), ids=repr)
def test_a_payload_cut_anywhere_ends_the_interpreter_with_an_error(hop, python):
    start = Start(hop, python)
    length = len(start.flight)
    assert start.with_flight_cut_at(length).out, 'an agent starts when nothing is cut'
    # Each byte of the second stage is the last one for some of them.
    every = discover()
    offsets = [*range(every.index(python), SOMEWHAT_LONGER_THAN_THE_SECOND_STAGE, len(every)), *range(0, length, length // 50)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        ends = dict(zip(offsets, pool.map(start.with_flight_cut_at, offsets)))
    unnoticed = [offset for offset, end in ends.items() if end.rc == 0]
    assert not unnoticed, (unnoticed, ends[unnoticed[0]])


@pytest.mark.parametrize('python', discover(), ids=repr)
def test_an_agent_leaves_when_its_link_ends(hop, python):
    start = Start(hop, python)
    live = start.process(PIPE)
    live.feed(start.flight)
    live.until(b'')
    live.end_input()
    live.finish(5)


@pytest.mark.parametrize('python', oldest_and_newest(), ids=repr)
@pytest.mark.parametrize('mode', ['trickle', 'late', 'socket'])
def test_bytes_may_come_one_at_a_time_or_late_or_by_a_socket(hop, mode, python):
    target = hop.way_in(f'{FILTER} {mode} sh -c {{}}')
    result = hop.call(target, 'answers:echo', 'x' * 5000, '--python', python.path)
    assert result.rc == 0 and result.value['args'] == ['x' * 5000], result


@pytest.mark.parametrize('python', oldest_and_newest(), ids=repr)
def test_a_result_larger_than_any_pipe_fits_a_pipe_that_does_not_block(hop, python):
    target = hop.way_in(f'{FILTER} late sh -c {{}}')
    result = hop.call(target, 'answers:evaluate', "text('x') * 1000000", '--python', python.path)
    assert len(result.value) == 1000000


def test_a_remote_without_stderr_can_call(hop):
    target = hop.way_through('exec 2>&-; exec sh -c "$1"')
    result = hop.call(target, 'output:both_ways', '--json')
    assert result.only['value'] == 1 and result.only['stdout'] == 'printed\nfrom a shell\n', result


def test_a_remote_without_stdout_fails_and_does_not_hang(hop):
    target = hop.way_through('exec >&-; exec sh -c "$1"')
    result = hop.call(target, 'time:time', '--json', '--connect-timeout', '5')
    assert result.rc == 255 and result.only['error']['kind'] in ('start_failed', 'connect_timeout', 'no_python'), result


@pytest.mark.parametrize('closed', ['<&-', '2>&-', '<&- 2>&-'])
def test_the_program_itself_can_do_without_its_descriptors(hop, closed):
    prefix = ['sh', '-c', f'exec "$@" {closed}', 'sh']
    result = hop.start('call', '-w', 'local:', 'operator:add', '1', '2', prefix=prefix).finish()
    assert (result.rc, result.out) == (0, b'3\n'), result


def session_of_another_agent(hop):
    """All that an agent prints when it starts, marker included."""
    command = hop('bootstrap', 'show', '--command').text.rstrip('\n')
    flight = hop('bootstrap', 'show', '--first-flight').out
    printed = Process(['sh', '-c', command], env=hop.env, stdin=flight).finish().out
    assert printed
    return printed


NOISE = {'a message of the day': b'Welcome!\n\nLast login: never\n', 'a partial line': b'no newline at the end',
         'a line of 100 KB': b'x' * 100_000 + b'\n', 'half a mebibyte of lines': b'all work and no play\n' * 25_000,
         'every byte': bytes(range(256)) * 4, 'the start of another agent': None}


@pytest.mark.parametrize('noise', NOISE)
def test_noise_before_the_start_does_no_harm(hop, noise):
    path = hop.scratch / 'noise'
    path.write_bytes(NOISE[noise] or session_of_another_agent(hop))
    target = hop.way_through(f'cat {path}; cat {path} >&2; exec sh -c "$1"')
    result = hop.call(target, 'output:both_ways', '--json')
    assert result.only['value'] == 1 and result.only['stdout'] == 'printed\nfrom a shell\n', result


@pytest.mark.parametrize('noise', [noise for noise, data in NOISE.items() if data])
def test_a_background_job_that_writes_late_to_the_link_does_not_kill_it(hop, fifo, noise):
    """The job waits until a call runs, writes where the agent's frames go, and only then the call may return."""
    bell, echo = fifo('bell'), fifo('echo')
    path = hop.scratch / 'noise'
    path.write_bytes(NOISE[noise])
    target = hop.way_through(f'(read x <{bell}; cat {path}; echo done >{echo}) & exec sh -c "$1"')
    result = hop.call(target, 'presence:ring', str(bell), str(echo), '--json', timeout=20)
    assert result.only['value'] == 42, result


def test_words_that_a_login_prints_are_shown_when_the_start_fails(hop):
    target = hop.way_through('echo "this account is closed"; exit 1')
    result = hop.call(target, 'time:time')
    assert result.rc == 255 and 'this account is closed' in result.said, result


def test_an_interpreter_that_dies_shows_its_status_and_last_words(hop):
    script = hop.scratch / 'only/python3'
    script.parent.mkdir()
    script.write_text('#!/bin/sh\necho "libpython.so: cannot open" >&2\nexit 3\n')
    script.chmod(0o755)
    result = hop.call('local:', 'time:time', '--json', '--python', script)
    assert result.rc == 255 and result.only['error']['kind'] == 'start_failed', result
    assert 'status 3' in result.text and 'libpython.so: cannot open' in result.text, result


# Over ssh nothing can end what does not even look at its input, so there it looks.
@pytest.mark.parametrize('target, deafness', [('local:', 'sleep 1000'), ('h1', 'cat >/dev/null')])
def test_an_interpreter_that_never_answers_is_given_up_and_reaped(hop, ssh, target, deafness):
    script = hop.scratch / 'python3'
    script.write_text(f'#!/bin/sh\nexec {deafness}\n')
    script.chmod(0o755)
    result = hop.call(target, 'time:time', '--json', '--connect-timeout', '1', '--python', script)
    assert result.rc == 255 and result.only['error']['kind'] == 'connect_timeout', result
    assert 1 <= result.seconds < 3, result
