"""What files cost of memory on their way, whatever their size, and whoever stands still."""

import os
import select
import signal
import time
from subprocess import PIPE

import pytest

from harness import midway
from harness.files import begun, each_agent, noise, opened, until
from harness.leaks import read
from harness.process import exits, peak_bytes
from harness.tree import Tree
from test_file_faults import large, place, sparse, until_gone, watchdog, worker  # noqa: F401

pytest_generate_tests = each_agent
pytestmark = pytest.mark.usefixtures('agent')

ROOM_BYTES = 40 << 20


def is_working(pid):
    """Whether it has had processor time since it was asked last."""
    before, ticks[pid] = ticks.get(pid), read(f'/proc/{pid}/stat').rpartition(b')')[2].split()[11:13]
    return ticks[pid] != before


ticks = {}


def flat(live, *pids):
    peaks = {pid: peak_bytes(pid) for pid in (live.pid, *pids)}
    return all(peak < ROOM_BYTES for peak in peaks.values()), peaks


def test_a_put_of_two_hundred_mib_needs_no_memory(hop, place):
    live, piece = hop.start('put', '-w', 'local:', '-', place / 'file', stdin=PIPE), noise(1 << 20)
    for _ in range(200):
        live.feed(piece)
    enough, peaks = flat(live, watchdog(live), worker(live))
    live.end_input()
    assert live.finish().text.split()[1] == str(200 << 20) and enough, peaks


def test_a_fetch_of_two_hundred_mib_needs_no_memory(hop, place, large):
    live = hop.start('fetch', '-w', 'local:', large(200), place / 'large')
    until(live, lambda: opened(live.pid, place) > 150 << 20)
    enough, peaks = flat(live, watchdog(live), worker(live))
    assert live.finish().text.split()[2] == str(200 << 20) and enough, peaks


@pytest.mark.parametrize('what', ['noise', 'zeros'])
def test_a_reader_that_has_stopped_costs_no_memory(hop, large, sparse, what):
    live = hop.start('fetch', '-w', 'local:', large(100) if what == 'noise' else sparse(2 << 30), '-')
    live.until(b'')
    while not exits(live.pid, time.monotonic() + 0.2) and is_working(worker(live)):
        pass
    enough, peaks = flat(live, watchdog(live), worker(live))
    live.signal(signal.SIGKILL)
    assert enough, peaks


def test_a_host_that_has_stopped_costs_no_memory(hop, place):
    live, piece, taken = hop.start('put', '-w', 'local:', '-', place / 'file', stdin=PIPE), noise(1 << 16), 0
    live.feed(piece)
    until(live, lambda: begun(place))
    os.kill(worker(live), signal.SIGSTOP)
    os.set_blocking(live.popen.stdin.fileno(), False)
    while select.select([], [live.popen.stdin], [], 0.3)[1]:
        taken += live.popen.stdin.write(piece)
    enough, peaks = flat(live)
    live.signal(signal.SIGINT)
    assert live.finish().rc == 130 and enough and taken < ROOM_BYTES, (taken, peaks)
    until_gone(place, 6)


def test_many_puts_to_one_host_share_what_may_be_on_its_way(hop, place):
    """16 MiB and the first windows, where each alone would have 4 MiB: as many ways to write the name of one context."""
    seen, name, size = hop.scratch / 'windows', 'abcd', 12 << 20
    Tree(hop, 'python').way_by(midway, 'windows', seen, name=name)
    names = [''.join(f'%{ord(letter):x}' if n >> at & 1 else letter for at, letter in enumerate(name)) for n in range(16)]
    live = hop.start('put', '-w', ','.join(f'exec:{each}' for each in names), '-', env={'TMPDIR': str(place)}, stdin=PIPE)
    live.feed(noise(size))
    until(live, lambda: seen.exists() and sum(map(int, seen.read_text().split()[:1])) > len(names) * (size - 65_536), 30)
    sent, allowed = map(int, seen.read_text().split())
    live.signal(signal.SIGINT)
    assert live.finish().rc == 130 and sent > len(names) * (size - 65_536), sent
    assert len(names) * 65_536 <= allowed <= (16 << 20) + len(names) * 65_536, allowed
