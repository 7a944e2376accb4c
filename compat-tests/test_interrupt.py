"""Ctrl-C, kill and a closed pipe: what runs remotely is gone, at once, and the calling shell knows why.

That nothing remains is checked after each test; these only bring it about.
"""

import os
import signal
import time

import pytest

from harness.process import Process
from harness.pythons import oldest_and_newest
from harness.tree import RELAYS

BOTH = pytest.mark.parametrize('target', ['local:', 'h1'])
ENDS = pytest.mark.parametrize('python', oldest_and_newest(), ids=repr)
SILENT_FUNCTIONS = '''
import time
def yields():
    yield 1
    time.sleep(1000)
def sends(channel):
    channel.send('one')
    time.sleep(1000)
'''
STAYING = ['stay', 'stay_with_children', 'stay_deaf', 'stay_without_yielding']


def ended_by(live, number, whole_group=False):
    """Send the signal, and return (result, seconds until it was over)."""
    sent = time.monotonic()
    if whole_group:
        os.killpg(live.pid, number)  # as a terminal does, ssh included
    else:
        live.signal(number)
    return live.finish(10), time.monotonic() - sent


def staying(hop, target, function='stay'):
    live = hop.start('call', '-w', target, '--path', hop.remote, f'presence:{function}')
    live.until(b'up', 'err')
    return live


@BOTH
@pytest.mark.parametrize('whole_group', [False, True], ids=['alone', 'with its group'])
def test_an_interrupt_stops_a_command_within_a_second(hop, ssh, target, whole_group):
    live = hop.start('run', '-w', target, '--', 'echo up; sleep 1000; echo never')
    live.until(b'up')
    result, seconds = ended_by(live, signal.SIGINT, whole_group)
    assert result.rc == 130 and seconds < 1, (seconds, result)


FORKS = 'echo up; sleep 1000; echo never'  # the shell has said that it runs, and is about to fork


def test_what_a_command_starts_while_it_is_interrupted_goes_with_it(hop):
    live = hop.start('run', '-w', 'local:c[1-24]', '--', FORKS)
    live.until(b'up')
    assert ended_by(live, signal.SIGINT)[0].rc == 130


@pytest.mark.parametrize('relay', RELAYS)
def test_what_a_command_starts_while_its_controller_is_killed_goes_with_it(hop, relay):
    lives = [hop.start('run', '-w', 'local:a/local:b', '--relay', relay, '--', FORKS) for _ in range(16)]
    for live in lives:
        live.until(b'up')
        assert ended_by(live, signal.SIGKILL)[0].rc == -signal.SIGKILL


@BOTH
@pytest.mark.parametrize('function', STAYING)
def test_an_interrupt_stops_a_call_within_a_second(hop, ssh, target, function):
    result, seconds = ended_by(staying(hop, target, function), signal.SIGINT)
    assert result.rc == 130 and seconds < 1, (seconds, result)


CLEANS = pytest.mark.parametrize('number', [None, signal.SIGINT], ids=['time-out', 'interrupt'])


def stopped(live, number, stream='err'):
    """Runs into its time-out, or is sent the signal when it is up."""
    if number is None:
        result = live.finish(10)
        assert result.rc == 124, result
    else:
        live.until(b'up', stream)
        result, seconds = ended_by(live, number)
        assert result.rc == 130 and seconds < 1, (seconds, result)


@CLEANS
@pytest.mark.parametrize('target', ['local:', 'h1', 'local:a/local:b'])
def test_what_a_stopped_call_has_to_put_in_order_is_done(hop, ssh, fifo, target, number):
    done = fifo('done')
    limit = [] if number else ['-t', '1.5']
    stopped(hop.start('call', '-w', target, *limit, '--path', hop.remote, 'presence:stay_and_clean', str(done)), number)
    assert done.read_lines(1) == ['clean']


@CLEANS
@ENDS
def test_what_a_stopped_script_has_to_put_in_order_is_done(hop, fifo, python, number):
    done = fifo('done')
    hop.write('job.py', f"""
import sys
sys.path.insert(0, {str(hop.remote)!r})
import presence
presence.stay_and_clean(sys.argv[1])
""")
    limit = [] if number else ['-t', '1.5']
    stopped(hop.start('script', '-w', 'local:', *limit, '--python', python.path, 'job.py', str(done)), number, 'out')
    assert done.read_lines(1) == ['clean']


@ENDS
def test_what_goes_on_for_ever_is_left_after_two_seconds_in_silence(hop, python):
    """It is let go anyway: that its state is lost is no news."""
    result = hop.call('local:', 'presence:stay_deaf', '-t', '1', '--python', python.path)
    assert result.rc == 124 and result.said.count('\n') == 2 and result.seconds < 8, result


def test_an_interrupt_during_connect_stops_within_a_second(hop, ssh, fifo):
    here = fifo('here')
    live = hop.start('run', '-w', hop.way_through(f'echo here >{here}; exec sleep 1000'), '--', 'true')
    here.read_lines(1)
    result, seconds = ended_by(live, signal.SIGINT)
    assert result.rc == 130 and seconds < 1, (seconds, result)


def test_an_interrupt_of_several_hosts_without_a_terminal_stops_them_all(hop, ssh):
    live = hop.start('run', '-w', 'local:c[1-3],h[1-2]', '--', 'echo up; exec sleep 1000')
    for host in (b'local:c1', b'local:c2', b'local:c3', b'h1', b'h2'):
        live.until(host + b': up')
    result, seconds = ended_by(live, signal.SIGINT)
    assert result.rc == 130 and seconds < 1, (seconds, result)


def test_an_interrupted_host_says_so_in_json(hop, fifo):
    here = fifo('here')
    live = hop.start('run', '-w', 'local:c[1-2]', '--json', '--', f'echo here >{here}; exec sleep 1000')
    here.read_lines(2)
    result, _ = ended_by(live, signal.SIGINT)
    assert result.rc == 130 and {each['error']['kind'] for each in result.json.values()} == {'interrupted'}, result


@BOTH
@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_a_kill_ends_it_and_is_seen_as_one(hop, ssh, target, number):
    result, seconds = ended_by(staying(hop, target, 'stay_with_children'), number)
    assert result.rc in (-number, 128 + number) and seconds < 1, (seconds, result)


@BOTH
@pytest.mark.parametrize('function', STAYING)
def test_nothing_outlives_a_program_that_was_killed_hard(hop, ssh, target, function):
    result, _ = ended_by(staying(hop, target, function), signal.SIGKILL)
    assert result.rc == -signal.SIGKILL


def test_a_reader_that_has_seen_enough_ends_an_endless_command_quietly(hop, ssh):
    for target in ('local:', 'h1', 'local:c[1-2]'):
        shell = Process(['sh', '-c', '"$@" | head -n 1', 'sh', hop.path, 'run', '-w', target, '--', 'yes'],
                        env=hop.env, cwd=hop.cwd)
        result = shell.finish(10)
        assert result.out.endswith(b'y\n') and result.out.count(b'\n') == 1 and result.err == b'', result


SILENT = 'echo one; exec sleep 1000'


@pytest.mark.parametrize('words', [
    ['run', '-w', 'local:', '--', SILENT], ['run', '-w', 'local:c[1-2]', '--', SILENT],
    ['run', '--json', '-w', 'local:,h1', '--', 'test -n "$SSH_CONNECTION" || exec sleep 1000'],
    ['call', '-w', 'local:', './silent.py:yields'], ['watch', '-w', 'local:c[1-3]', './silent.py:sends'],
    ['queue', 'lines']], ids=['run', 'run on two', 'run --json', 'call', 'watch', 'queue'])
def test_a_reader_that_has_seen_enough_ends_what_says_nothing_more(hop, ssh, words):
    hop.write('silent.py', SILENT_FUNCTIONS)
    hop.write('lines', '{"on": "local:a", "run": "true"}\n{"on": "local:b", "run": "exec sleep 1000"}\n')
    shell = Process(['sh', '-c', '"$@" | head -n 1', 'sh', hop.path, *words], env=hop.env, cwd=hop.cwd)
    result = shell.finish(10)
    assert result.out.count(b'\n') == 1 and result.err == b'', result


def test_a_reader_that_wants_nothing_ends_nothing_that_has_nothing_for_it(hop, fifo):
    gate, done = fifo('gate'), fifo('done')
    nobody, out = os.pipe()
    os.close(nobody)
    live = hop.start('run', '-w', 'local:', '--', f'read line <{gate}; echo over >{done}', stdout=out)
    os.close(out)
    gate.write(b'go\n')
    assert done.read_lines(1) == ['over']
    assert live.finish().rc == 0


def test_a_daemon_that_a_finished_command_started_survives(hop, fifo):
    bell = fifo('bell')
    answer = fifo('answer')
    daemon = f'setsid sh -c "read x <{bell}; echo alive >{answer}" >/dev/null 2>&1 &'
    assert hop.run('local:', f'{daemon} echo started').out == b'started\n'
    bell.write(b'now\n')
    assert answer.read_lines(1) == ['alive']
