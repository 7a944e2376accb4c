"""Contexts by the hundred and by the thousand: all are there at once, each answers, and the controller's memory and time
grow no faster than their number."""

import os
import signal

import pytest

from harness.binary import BINARY
from harness.crowd import Crowd
from harness.process import peak_bytes

# The controller's budgets, in bytes for each context: one that is simulated, and a host beside its ssh.
SIMULATED_BYTES, HOST_BYTES = 20 << 10, 64 << 10
# Of four times as many: what is linear takes 4 times as long, what is quadratic 16 times.
MORE, MOST_TIMES_AS_LONG = 4, 8


@pytest.fixture
def crowd(hop):
    made = []

    def make(ways, each):
        made.append(Crowd(hop, ways, each))
        return made[-1]
    yield make
    for each in made:
        each.close()


@pytest.fixture
def alone_bytes(crowd):
    """What the program takes at its peak with one context."""
    one = crowd(1, 1)
    result = one.start('run', one.ways, '--', 'true').finish()
    assert result.rc == 0, result
    return one.peak_bytes


def ran(crowd, relays, each):
    """Commands in so many contexts, behind so many relays."""
    crowd = crowd(relays, each)
    result = crowd.start('run', f'{crowd.ways}/local:c[1-{each}]', '--', 'true').finish()
    answered = [line.partition(': ') for line in result.lines]
    assert result.rc == 0 and result.err == b'', result
    names = {f'exec:crowd{relay}/local:c{number}' for relay in range(1, relays + 1) for number in range(1, each + 1)}
    assert {name for name, _, _ in answered} == names and len(answered) == crowd.count
    assert len({number for _, _, number in answered}) == crowd.count
    return crowd


def test_ten_thousand_contexts_behind_relays_take_memory_and_time_in_proportion(crowd, alone_bytes):
    few, many = ran(crowd, 4, 2500 // MORE), ran(crowd, 4, 2500)
    assert few.count * MORE == many.count == 10_000
    assert many.peak_bytes - alone_bytes <= many.count * SIMULATED_BYTES, many.peak_bytes
    assert many.peak_bytes - alone_bytes <= (few.peak_bytes - alone_bytes) * MOST_TIMES_AS_LONG
    assert many.busy_seconds <= few.busy_seconds * MOST_TIMES_AS_LONG, (few.busy_seconds, many.busy_seconds)


def test_two_thousand_contexts_with_links_of_their_own_take_memory_and_time_in_proportion(crowd, alone_bytes):
    def called(count):
        links = crowd(count, 1)
        result = links.start('call', links.ways, '--json', 'os:getpid').finish()
        assert result.rc == 0 and all(each['ok'] for each in result.json.values()), result
        assert len({each['value']['context'] for each in result.json.values()}) == count
        return links
    few, many = called(2000 // MORE), called(2000)
    assert many.peak_bytes - alone_bytes <= many.count * SIMULATED_BYTES, many.peak_bytes
    assert many.busy_seconds <= few.busy_seconds * MOST_TIMES_AS_LONG, (few.busy_seconds, many.busy_seconds)


def test_a_relay_that_dies_takes_its_thousand_contexts_along_and_no_other(crowd):
    crowd = crowd(2, 1000)
    crowd.start('call', f'{crowd.ways}/local:c[1-1000]', '--json', 'os:getpid')
    dead = crowd.pids[0]
    os.kill(dead, signal.SIGKILL)
    result = crowd.finish()
    relays = [[each for name, each in result.json.items() if name.startswith(f'exec:crowd{n}/')] for n in (1, 2)]
    lost, well = sorted(relays, key=lambda relay: relay[0]['ok'])
    assert (len(lost), len(well)) == (1000, 1000) and all(each['ok'] for each in well), result
    assert {each['error']['kind'] for each in lost} == {'link_lost'}, result


@pytest.mark.parametrize('relay, count', [('native', 1200), ('python', 300)])
def test_a_relay_of_ours_has_many_children(hop, crowd, relay, count):
    """Each is ordered, given what it needs, asked, and ends; no trace of it is left at the relay, and no other has its numbers."""
    hop.env['PATH'] = f'{BINARY.parent}:{hop.env["PATH"]}'
    links = crowd(count, 1)
    result = links.start('run', f'local:relay/{links.ways}', '--relay', relay, '--', 'true').finish()
    assert result.rc == 0 and len(result.lines) == links.count, result


def test_an_agent_that_relays_refuses_the_children_that_it_cannot_watch_and_keeps_the_others(crowd):
    links = crowd(600, 1)
    live = links.begin('run', f'local:relay/{links.ways}', '--relay', 'python', '--json', '--', 'true',
                       prefix=['prlimit', '--nofile=1024:1024'])
    live.until(b'Too many open files', timeout=60)
    told = links.finish().json.values()
    refused = [each['error']['kind'] for each in told if not each['ok']]
    assert len(told) == 600 and set(refused) == {'spawn_failed'} and len(refused) < 300, refused


class Waiting:
    """A command in real contexts that waits until all of them have begun."""

    def __init__(self, hop, fifo, count, targets, *words):
        self.bell, self.gate, self.count = fifo('bell'), fifo('gate'), count
        self.live = hop.start('run', '-w', targets, '-f', count, *words, '--',
                              f'echo here >{self.bell}; read line <{self.gate}; echo $line')

    def finish(self):
        """The result, and what the controller took while all were there."""
        self.bell.read_lines(self.count)
        peak = peak_bytes(self.live.pid)
        # One byte for each: they read by single bytes, so nobody takes another one's.
        self.gate.write(b'\n' * self.count)
        return self.live.finish(), peak


def test_two_hundred_local_contexts_are_there_at_once(hop, fifo, alone_bytes):
    result, peak = Waiting(hop, fifo, 200, 'local:c[1-200]').finish()
    assert result.rc == 0 and len(result.lines) == 200, result
    assert peak - alone_bytes <= 200 * SIMULATED_BYTES, peak


def test_fifty_hosts_are_there_at_once(hop, ssh, fifo, alone_bytes):
    ssh.alias('scale*')
    result, peak = Waiting(hop, fifo, 50, 'scale[1-50]').finish()
    assert result.rc == 0 and {line.partition(':')[0] for line in result.lines} == {f'scale{n}' for n in range(1, 51)}
    assert peak - alone_bytes <= 50 * HOST_BYTES, peak
