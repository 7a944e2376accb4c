"""rsync to a host: much, and many."""

import functools

from jobs.files import Ground
from rounds import Contestant, Job
from ways import ways


def contestants(bench, source, mebibytes=None):
    """`source(ground)` is what rsync is to copy."""
    ground = Ground(bench, mebibytes)
    all_ways = ways(bench, bench.site.sshd.alias)
    names = {way: f'rsync, {way.name}' for way in all_ways}

    def contestant(way):
        def start(copy):
            return way.start('rsync', '-a', source(ground), f'{way.host}:{copy}')

        @functools.cache
        def peaks():
            # In a run of its own: to look at all processes takes time.
            copy = ground.place()
            try:
                return way.session.peaks(start(copy)) if way.session else {}
            finally:
                ground.forget(copy)
        copied = ground.measured(start)
        return Contestant(names[way], lambda: {**copied(), **peaks()}, required=True, against=[names[other] for other in all_ways[:2]])
    return [contestant(way) for way in all_ways]


COLUMNS = [('seconds', 'whole process, s'), ('session_mb', 'session, MiB'), ('guest_mb', 'stand-in, MiB')]
RATIOS = 'to ssh', 'to ControlMaster'
FILE = Job(
    'rsync of one file of {bulk_mebibytes} MiB to a host', COLUMNS,
    lambda bench: contestants(bench, lambda ground: ground.file, bench.scale.bulk_mebibytes),
    'What cannot be compressed, to a fresh place. ControlMaster: the same ssh over a connection that is open; the last two: over '
    'a session (`hopvine up`), by `hopvine fakessh -- rsync` and by `rsync -e SSH`, where SSH is a link to hopvine. Memory is '
    'the peak (VmHWM) of the largest process of the session, and of those that call it, in a run of its own. Budget: 1.11 x '
    'ssh.', rounds=5, needs_ssh=True, ratios=RATIOS)
TREE = Job('rsync of {small_files} files of 1 KiB to a host', COLUMNS,
           lambda bench: contestants(bench, lambda ground: f'{ground.tree}/'),
           'In folders of 100, to a fresh place; all else as in fakessh. Budget: 1.11 x ssh.', rounds=5, needs_ssh=True, ratios=RATIOS)
