"""Messages of functions that go on: each is a line as soon as it is sent, at the pace at which lines are read."""

import io
import json
import select
import signal
import textwrap
import time

import pytest

from harness.binary import REPO
from harness.process import Process, peak_bytes
from harness.pythons import discover, oldest_and_newest

ALL = pytest.mark.parametrize('python', discover(), ids=repr)
EACH = pytest.mark.parametrize('python', oldest_and_newest(), ids=repr)
BOTH = pytest.mark.parametrize('target', ['local:', 'h1'])


@pytest.fixture
def start(hop):
    def start(python, function, *words, target='local:', **options):
        chosen = ['--python', python.path] if python else []
        return hop.start('watch', '-w', target, *chosen, '--path', hop.remote, f'watching:{function}',
                         *map(str, words), **options)
    return start


@pytest.fixture
def watch(start):
    """Runs to the end; returns the messages, the ends, and the result."""
    def watch(*words, **options):
        return Watched(start(*words, **options).finish(30))
    return watch


class Watched:
    def __init__(self, result):
        self.result = result
        objects = [json.loads(line) for line in result.lines]
        self.messages = [each for each in objects if 'ok' not in each]
        self.ends = [each for each in objects if 'ok' in each]
        assert all(set(each) == {'target', 'value'} for each in self.messages), result

    @property
    def values(self):
        return [each['value'] for each in self.messages]

    @property
    def end(self):
        assert len(self.ends) == 1, self.result
        return self.ends[0]


@ALL
def test_every_python_sends_and_returns(watch, python):
    seen = watch(python, 'sending', '[1, "two", {"three": [3]}]', 'done')
    assert seen.messages == [{'target': 'local', 'value': each} for each in (1, 'two', {'three': [3]})]
    assert seen.result.rc == 0 and seen.result.err == b'', seen.result
    assert list(seen.end) == ['target', 'ok', 'items', 'value', 'stdout', 'stderr', 'seconds'], seen.end
    assert (seen.end['ok'], seen.end['items'], seen.end['value']) == (True, 3, 'done'), seen.end


@ALL
def test_every_python_follows_a_file_until_it_is_interrupted(hop, start, python):
    log = hop.write('log', 'old\n')
    live = start(python, 'tail', log)
    live.until(b'"ready"}\n')
    with log.open('a') as file:
        file.write('one\ntw')
    live.until(b'"one"}\n')
    with log.open('a') as file:
        file.write('o\n')
    live.until(b'"two"}\n')
    log.write_text('new\n')
    live.until(b'"new"}\n')
    sent = time.monotonic()
    live.signal(signal.SIGINT)
    seen = Watched(live.finish(10))
    assert seen.result.rc == 130 and time.monotonic() - sent < 1, seen.result
    assert seen.values == ['ready', 'one', 'two', 'new'] and seen.end['error']['kind'] == 'interrupted', seen.result


def test_two_hosts_follow_side_by_side(hop, ssh, start, site):
    log = hop.scratch / 'log'
    log.write_text('')
    log.chmod(0o644)
    live = start(None, 'tail', log, target='local:c1,h1')
    for host in (b'local:c1', b'h1'):
        live.until(b'{"target":"%s","value":"ready"}\n' % host)
    with log.open('a') as file:
        file.write('line\n')
    for host in (b'local:c1', b'h1'):
        live.until(b'{"target":"%s","value":"line"}\n' % host)
    live.signal(signal.SIGINT)
    seen = Watched(live.finish(10))
    assert seen.result.rc == 130 and {end['target'] for end in seen.ends} == {'local:c1', 'h1'}, seen.result


def test_the_recipe_of_the_guide_follows_a_log(hop):
    guide = (REPO / 'docs/GUIDE.md').read_text()
    recipe = guide.partition('    # logs.py\n')[2].partition('\n\n')[0]
    hop.write('logs.py', textwrap.dedent(recipe) + '\n')
    log = hop.write('log', 'old\n')
    # Nothing tells that it has begun to read: it is given lines until it has told one.
    live = hop.start('watch', '-w', 'local:', './logs.py:tail', log)
    with log.open('a', buffering=1) as file:
        while not select.select([live.popen.stdout], [], [], .1)[0]:
            file.write('line\n')
    log.write_text('anew\n')
    live.until(b'"anew"}\n')
    live.signal(signal.SIGINT)
    assert live.finish(10).rc == 130


@EACH
@BOTH
def test_each_message_is_a_line_before_the_next_is_made(start, ssh, fifo, python, target):
    gate = fifo('gate')
    live = start(python, 'gated', gate, '[1, "two"]', target=target)
    for shown in (b'"value":1}\n', b'"value":"two"}\n'):
        live.until(shown)
        assert live.outputs['out'].endswith(shown), live.outputs
        gate.write(b'.')
    assert Watched(live.finish()).end['value'] == 'end'


# What may be called

@EACH
def test_a_generator_needs_no_channel(watch, python):
    seen = watch(python, 'counting', '3')
    assert seen.values == [0, 1, 2] and seen.end['ok'] and seen.end['items'] == 3, seen.result
    assert 'value' not in seen.end, seen.end


@EACH
def test_a_generator_may_have_a_channel(watch, python):
    seen = watch(python, 'both', '2')
    assert seen.values == ['begins', 'before 0', 0, 'before 1', 1], seen.result
    assert (seen.end['items'], seen.end['value']) == (5, None), seen.end


@EACH
def test_what_is_neither_only_ends(watch, python):
    seen = watch(python, 'plain', '{"a": 1}')
    assert seen.values == [] and seen.end['value'] == {'a': 1} and 'items' not in seen.end, seen.result
    assert watch(python, 'second', '1', '2').end['value'] == [1, 2]


@EACH
def test_methods_and_what_is_decorated_take_a_channel_too(watch, python):
    assert watch(python, 'Box.method', '5').values == [['Box', 5]]
    assert watch(python, 'outer', '[1, 2]', '--kw', 'result=3').end['value'] == 3


def test_a_library_function_can_be_watched(hop):
    seen = Watched(hop('watch', '-w', 'local:', 'os.path:join', 'a', 'b'))
    assert seen.end['value'] == 'a/b', seen.result


def test_a_file_and_the_module_that_it_imports_are_sent(hop, far):
    hop.write('app/main.py', 'import beside\n\ndef run(channel):\n    channel.send(beside.V)\n')
    hop.write('app/beside.py', 'V = "beside"\n')
    seen = Watched(hop('watch', '-w', far, './app/main.py:run'))
    assert seen.values == ['beside'] and seen.result.rc == 0, seen.result


# The channel

@EACH
def test_nothing_can_be_received(watch, python):
    seen = watch(python, 'asking')
    assert len(seen.values) == 3 and all('only sends' in value for value in seen.values), seen.result


@EACH
def test_what_is_closed_sends_nothing(watch, python):
    seen = watch(python, 'closing')
    assert seen.end['value'] == [True, False, 'the channel is closed'] and seen.values == [], seen.result


@EACH
def test_the_end_closes_it_for_other_threads(watch, python):
    seen = watch(python, 'leaving', '50')
    assert seen.values == list(range(seen.end['items'])) and len(seen.values) >= 50 and seen.end['ok'], seen.end


@EACH
def test_threads_send_side_by_side(watch, python):
    seen = watch(python, 'threads', '4', '200')
    by_thread = [[step for number, step, _ in seen.values if number == each] for each in range(4)]
    assert by_thread == [list(range(200))] * 4 and seen.end['items'] == 800, seen.result.rc


@EACH
@BOTH
def test_an_interrupt_ends_one_that_waits_within_a_second(start, ssh, python, target):
    live = start(python, 'resting', target=target)
    live.until(b'first')
    sent = time.monotonic()
    live.signal(signal.SIGINT)
    seen = Watched(live.finish(10))
    assert seen.result.rc == 130 and time.monotonic() - sent < 1, seen.result
    assert seen.end['error']['kind'] == 'interrupted', seen.result


# Bad ends

@EACH
def test_what_is_raised_comes_after_the_messages_before(watch, python):
    seen = watch(python, 'failing', 'why')
    assert seen.values == [1] and seen.result.rc == 1, seen.result
    error = seen.end['error']
    assert (seen.end['ok'], error['kind'], error['message']) == (False, 'exception', 'why'), error
    assert 'in failing' in error['traceback'] and 'in watch' not in error['traceback'], error


@EACH
def test_a_message_that_is_no_value_is_named(watch, python):
    seen = watch(python, 'unsendable')
    assert seen.values == [1] and seen.end['error']['kind'] == 'bad_value', seen.result
    opener = 'builtin_function' if python.number >= (2, 5) else 'type'
    assert opener in seen.end['error']['message'], seen.end
    assert watch(python, 'forgiving').values == ['refused']


@EACH
@BOTH
def test_when_nobody_reads_any_more_it_is_ended(hop, ssh, python, target):
    words = [hop.path, 'watch', '-w', target, '--python', python.path, '--path', hop.remote, 'watching:endless']
    result = Process(['sh', '-c', '"$@" | head -n 3', 'sh', *words], env=hop.env, cwd=hop.cwd).finish(5)
    assert [json.loads(line)['value'] for line in result.lines] == [0, 1, 2], result
    assert (result.rc, result.err) == (0, b''), result


@EACH
def test_a_deadline_ends_it(watch, python):
    seen = watch(python, 'resting', '-t', '1')
    assert (seen.result.rc, seen.values, seen.end['error']['kind']) == (124, ['first'], 'timed_out'), seen.result


def test_one_host_that_fails_harms_no_other(watch, hop):
    seen = watch(None, 'sending', '[1]', target=f'local:c[1-2],{hop.way_in("false {}", "dead")}')
    assert sorted(end['ok'] for end in seen.ends) == [False, True, True] and seen.result.rc == 4, seen.result
    assert len(seen.values) == 2, seen.result


def test_what_shows_hosts_at_their_end_is_refused(hop):
    for option in ('-b', '-B', '--diff'):
        result = hop('watch', '-w', 'local:', option, 'os:getpid')
        assert result.rc == 2 and result.out == b'' and f'{option} ' in result.said, result


def test_a_rehearsal_tells_what_would_be_watched(hop):
    shown = hop('watch', '-w', 'local:', '--dry-run', 'os.path:join', 'a', '--kw', 'b=1').only
    assert shown['what'] == 'watch os.path:join("a", b=1)', shown


# Beside it

@EACH
def test_what_it_prints_is_told_at_its_end(watch, python):
    seen = watch(python, 'printing', '[1, 2]')
    assert seen.values == [1, 2] and seen.result.err == b'', seen.result
    assert (seen.end['stdout'], seen.end['stderr']) == ('before 1\nbefore 2\n', 'after 1\nafter 2\n'), seen.end


# Pace

@EACH
@BOTH
def test_a_slow_reader_stops_it(start, ssh, fifo, python, target):
    """The reader says what it has consumed; each message says how far it is ahead of that."""
    consumed, size, total = fifo('consumed'), 20_000, 700
    live = start(python, 'ahead', consumed, total, size, target=target)
    lines = io.BufferedReader(live.popen.stdout, 65536)
    leads, peaks = [], []
    for left in range(total, 0, -1):
        if left == 20:
            # Of the last ones it may have rid itself by the time they are read.
            controller = peak_bytes(live.pid)
        lead, peak, _ = json.loads(lines.readline())['value']
        consumed.write(b'.')
        leads.append(lead)
        peaks.append(peak)
    assert json.loads(lines.readline())['items'] == total
    lines.detach()
    live.finish()
    assert max(leads) * size < 2 << 20, max(leads)
    assert peaks[-1] - peaks[0] < 8 << 20 and controller < 32 << 20, (peaks[0], peaks[-1], controller)
