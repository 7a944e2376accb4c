"""What a program and all that it has started hold together; without the ssh clients, which everybody pays for alike."""

import contextlib

from harness.leaks import all_pids, read, read_stat
from peers.measure import kilobytes

INTERVAL_SECONDS = .05


def peak_mb(run):
    """The most of it, looked at now and then until the run is over."""
    most = 0
    while run.goes_on(INTERVAL_SECONDS):
        most = max(most, held_kb(run.pid))
    run.well_done()
    return most / 1024


def held_kb(root):
    parents = {pid: stat[1] for pid in all_pids() if (stat := read_stat(pid))}
    held = 0
    for pid in parents:
        if descends(pid, root, parents) and read(f'/proc/{pid}/comm').strip() != b'ssh':
            with contextlib.suppress(OSError, LookupError):  # has ended meanwhile
                held += kilobytes(pid, 'Pss', 'smaps_rollup')
    return held


def descends(pid, root, parents):
    while pid in parents and pid != root:
        pid = parents[pid]
    return pid == root
