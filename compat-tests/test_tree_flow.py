"""A leaf that takes nothing, or never stops, costs neither memory on the way nor the patience of others."""

import contextlib
import os

import pytest

from harness.leaks import command_line
from harness.process import peak_bytes
from harness.tree import chain

pytestmark = pytest.mark.alone
PLENTY = 64 << 20
# Windows of a few MiB at each hop, and what an interpreter takes anyway.
ROOM_BYTES = 48 << 20


@pytest.mark.parametrize('depth', [2, 4])
def test_a_leaf_that_reads_nothing_holds_up_no_other_and_costs_no_memory(tree, fifo, depth):
    bell, gate = fifo('bell'), fifo('gate')
    lazy = tree.hop.way_in(f'env GATE={gate} sh -c {{}}')
    relays = chain(depth - 1)
    command = f'[ -z "$GATE" ] || {{ echo here >{bell}; read x <$GATE; }}; head -c 60000 | wc -c'
    live = tree.start('run', f'{relays}/{lazy},{relays}/local:eager', '--', command,
                      stdin=bytes(PLENTY))
    live.until(b'local:eager: 60000')
    bell.read_lines(1)
    served = [pid for pid in descendants(live.pid) if 'hopvine' in command_line(pid)]
    assert len(served) >= depth
    assert {pid: peak for pid, peak in peaks([live.pid, *served]).items() if peak > ROOM_BYTES} == {}
    gate.write(b'go\n')
    assert sorted(each.split()[-1] for each in live.finish().lines) == ['60000'] * 2


def test_a_leaf_that_floods_holds_up_no_call_beside_it(tree, fifo):
    """The flood ends when the call has."""
    over = tree.hop.scratch / 'over'
    flood = tree.hop.way_in('env FLOOD=1 sh -c {}')
    command = (f'if [ "$FLOOD" ]; then until [ -e {over} ]; do head -c 1048576 /dev/zero | tr "\\0" "\\n"; done; '
               f'else touch {over}; fi')
    result = tree.run(f'local:a/local:b/{flood},local:a/local:b/local:calm', command, timeout=30)
    assert result.rc == 0, result.rc


@pytest.mark.parametrize('depth', [2, 4])
def test_a_reader_that_stops_bounds_the_memory_of_each_hop(tree, fifo, depth):
    """Nobody reads our output; the leaf has much more to say than any hop may keep."""
    live = tree.start('run', chain(depth), '--', f'head -c {PLENTY} /dev/zero; echo over >&2')
    live.until(b'')
    served = [pid for pid in descendants(live.pid) if 'hopvine' in command_line(pid)]
    assert len(served) >= depth and b'over' not in live.outputs['err']
    assert {pid: peak for pid, peak in peaks([live.pid, *served]).items() if peak > ROOM_BYTES} == {}
    result = live.finish()
    assert (result.rc, len(result.out), result.err) == (0, PLENTY, b'over\n')


def peaks(pids):
    """Of those that have not ended meanwhile: who is done is let go while others still work."""
    found = {}
    for pid in pids:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError, StopIteration):
            found[pid] = peak_bytes(pid)
    return found


def descendants(pid):
    found = [pid]
    for each in found:
        # What has just ended has no children.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for task in os.listdir(f'/proc/{each}/task'):
                with open(f'/proc/{each}/task/{task}/children') as children:
                    found += map(int, children.read().split())
    return found[1:]
