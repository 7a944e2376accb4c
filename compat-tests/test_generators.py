"""A function that yields: each item is a line, as soon as it is made, at the pace at which lines are read."""

import io
import json
import signal
import time

import pytest

from harness.process import Process, peak_bytes
from harness.pythons import oldest_and_newest

EACH = pytest.mark.parametrize('python', oldest_and_newest(), ids=repr)
BOTH = pytest.mark.parametrize('target', ['local:', 'h1'])


@pytest.fixture
def call(hop):
    def call(python, function, *words, target='local:', **options):
        return hop.call(target, f'yielding:{function}', *words, '--python', python.path, **options)
    return call


@pytest.fixture
def start(hop):
    def start(python, function, *words, target='local:', **options):
        return hop.start('call', '-w', target, '--python', python.path, '--path', hop.remote, f'yielding:{function}',
                         *map(str, words), **options)
    return start


def objects(result):
    return [json.loads(line) for line in result.lines]


@EACH
@BOTH
def test_each_item_is_a_line_before_the_next_is_made(start, ssh, fifo, python, target):
    gate = fifo('gate')
    live = start(python, 'gated', gate, '[1, "two", {"three": [3]}]', target=target)
    for shown in (b'1\n', b'"two"\n', b'{"three":[3]}\n'):
        live.until(shown)
        assert live.outputs['out'].endswith(shown), live.outputs
        gate.write(b'.')
    result = live.finish()
    assert (result.rc, result.out, result.err) == (0, b'1\n"two"\n{"three":[3]}\n', b''), result


@EACH
def test_json_has_an_object_for_each_item_as_it_comes_and_one_at_the_end(start, fifo, python):
    gate = fifo('gate')
    live = start(python, 'gated', gate, '[1, [2]]', '--json')
    live.until(b'{"target":"local","item":1}\n')
    assert live.outputs['out'].count(b'\n') == 1
    gate.write(b'..')
    *items, end = objects(live.finish())
    assert items == [{'target': 'local', 'item': 1}, {'target': 'local', 'item': [2]}]
    assert set(end) == {'target', 'ok', 'items', 'stdout', 'stderr', 'seconds'}, end
    assert (end['ok'], end['items'], end['stdout'], end['stderr']) == (True, 2, '', ''), end


@EACH
def test_one_that_yields_nothing_prints_nothing(call, python):
    result = call(python, 'nothing')
    assert (result.rc, result.out, result.err) == (0, b'', b''), result
    result = call(python, 'nothing', '--json')
    assert result.rc == 0 and result.only['ok'] is True and result.only['items'] == 0, result


@EACH
def test_thousands_of_items_come_whole_and_in_order(call, python):
    result = call(python, 'count', '30000')
    assert result.rc == 0 and result.out == b''.join(b'%d\n' % n for n in range(30000)), len(result.out)


@EACH
def test_items_may_be_of_every_type(call, python):
    assert call(python, 'rich').lines == ['{"$date":"2026-01-02"}', '{"$set":[1]}', '["a",null]']


@EACH
def test_every_way_to_make_a_generator_counts(call, python):
    assert call(python, 'Box.method').out == b'"method"\n'
    assert call(python, 'expression').out == b'0\n2\n4\n'


@EACH
def test_a_generator_within_a_value_is_no_value(call, python):
    error = call(python, 'holding', '--json').only['error']
    assert error['kind'] == 'bad_value' and 'generator' in error['message'], error


# Bad ends

@EACH
def test_what_is_raised_midway_comes_after_the_items_before(call, python):
    result = call(python, 'failing', '[1, 2]', 'why')
    assert (result.rc, result.out) == (1, b'1\n2\n'), result
    assert 'ValueError: why' in result.said and 'raise ValueError(message)' in result.said, result
    *items, end = objects(call(python, 'failing', '[1, 2]', 'why', '--json'))
    assert [each['item'] for each in items] == [1, 2]
    assert (end['ok'], end['error']['kind'], end['error']['message']) == (False, 'exception', 'why'), end


@EACH
def test_an_item_that_cannot_be_sent_ends_it_and_is_named(call, fifo, python):
    bell = fifo('bell')
    *items, end = objects(call(python, 'unsendable', '[1, 2]', bell, '--json'))
    assert [each['item'] for each in items] == [1, 2]
    opener = 'builtin_function' if python.number >= (2, 5) else 'type'
    assert end['error']['kind'] == 'bad_value' and opener in end['error']['message'], end
    assert python.number < (2, 5) or bell.read_lines(1) == ['closed']


@EACH
@BOTH
def test_when_nobody_reads_any_more_it_is_ended(hop, ssh, python, target):
    words = [hop.path, 'call', '-w', target, '--python', python.path, '--path', hop.remote, 'yielding:endless', '']
    result = Process(['sh', '-c', '"$@" | head -n 1', 'sh', *words], env=hop.env, cwd=hop.cwd).finish(5)
    assert (result.rc, result.out, result.err) == (0, b'"0 xxxxxxxx"\n', b''), result


@EACH
def test_a_deadline_ends_it_after_what_it_yielded(call, python):
    result = call(python, 'resting', '', '-t', '1')
    assert (result.rc, result.out) == (124, b'"first"\n') and 'timed out' in result.said, result


@EACH
def test_an_interrupt_ends_it_after_what_it_yielded(start, python):
    live = start(python, 'resting', '')
    live.until(b'first')
    sent = time.monotonic()
    live.signal(signal.SIGINT)
    result = live.finish(10)
    assert (result.rc, result.out) == (130, b'"first"\n') and time.monotonic() - sent < 1.5, result


# Beside it

@EACH
def test_what_it_prints_is_apart_from_its_items(call, python):
    result = call(python, 'printing', '[1, 2]')
    assert (result.rc, result.out) == (0, b'1\n2\n'), result
    assert sorted(result.said.splitlines()) == ['after 1', 'after 2', 'before 1', 'before 2'], result
    *items, end = objects(call(python, 'printing', '[1, 2]', '--json'))
    assert [each['item'] for each in items] == [1, 2]
    assert (end['stdout'], end['stderr']) == ('before 1\nbefore 2\n', 'after 1\nafter 2\n'), end


def test_many_hosts_have_their_names_before_their_items(hop, ssh):
    result = hop.call('local:c[1-2],h1', 'yielding:count', '2')
    assert sorted(result.lines) == sorted(f'{name}: {n}' for name in ('local:c1', 'local:c2', 'h1') for n in range(2))
    assert result.rc == 0, result


def test_one_host_that_fails_midway_harms_no_other(hop, ssh):
    result = hop.call('local:c[1-2]', 'yielding:failing', '[1]', 'why', '--json')
    items = [each for each in objects(result) if 'item' in each]
    assert sorted(each['target'] for each in items) == ['local:c1', 'local:c2'] and result.rc == 5, result


@pytest.mark.parametrize('own', ['thread', 'process'])
@pytest.mark.parametrize('python', oldest_and_newest()[:2], ids=repr)
def test_one_with_a_thread_or_process_of_its_own_streams_alike(start, fifo, python, own):
    gate = fifo('gate')
    live = start(python, 'gated', gate, '[1, 2]', '--own', own)
    live.until(b'1\n')
    assert live.outputs['out'] == b'1\n'
    gate.write(b'..')
    assert live.finish().out == b'1\n2\n'


# Pace

@EACH
@BOTH
def test_a_slow_reader_stops_it(start, ssh, fifo, python, target):
    """The reader says what it has consumed; each item says how far it is ahead of that."""
    consumed, size, total = fifo('consumed'), 20_000, 700
    live = start(python, 'ahead', consumed, total, size, target=target)
    lines = io.BufferedReader(live.popen.stdout, 65536)
    leads, peaks = [], []
    for left in range(total - 1, 0, -1):
        if left == 20:
            # Of the last ones it may have rid itself by the time they are read.
            controller = peak_bytes(live.pid)
        lead, peak, _ = json.loads(lines.readline())
        consumed.write(b'.')
        leads.append(lead)
        peaks.append(peak)
    lines.readline()
    lines.detach()
    live.finish()
    assert max(leads) * size < 2 << 20, max(leads)
    assert peaks[-1] - peaks[0] < 8 << 20 and controller < 32 << 20, (peaks[0], peaks[-1], controller)


@EACH
def test_large_items_take_the_memory_of_a_few(start, fifo, python):
    consumed, size, total = fifo('consumed'), 4 << 20, 12
    live = start(python, 'ahead', consumed, total, size)
    lines = io.BufferedReader(live.popen.stdout, 65536)
    peaks = [json.loads(lines.readline())[1] for _ in range(total - 1)]
    controller = peak_bytes(live.pid)
    lines.readline()
    lines.detach()
    live.finish()
    assert peaks[-1] < 60 << 20 and controller < 100 << 20, (peaks[-1] >> 20, controller >> 20)
