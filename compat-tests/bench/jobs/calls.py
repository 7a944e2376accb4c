"""Calls on a context that is open."""

import json
import platform

from harness.binary import REPO
from harness.cargo import built
from packages import PEERS
from rounds import Contestant, Job


def contestants(bench):
    def figures(process):
        return json.loads(process.well_done().lines[-1])

    def peer(name):
        return Contestant(name, lambda: figures(bench.peer(name, 'calls')))

    return [Contestant('two processes, two pipes', lambda: figures(bench.peer('pipes', 'calls')), required=True),
            Contestant('hopvine, from Rust', lambda: figures(bench.start(driver('calls'), bench.python)), required=True),
            Contestant('hopvine, from Python', lambda: figures(bench.script('calls')), required=True),
            *map(peer, PEERS)]


def driver(name):
    """A program of compat-tests/bench, for the target that `make build` has built for."""
    target = built_target()
    return built('--bench', name, '--release', *(['--target', target] if target else []))


def built_target():
    targets = (f'{platform.machine()}-unknown-linux-{libc}' for libc in ('musl', 'gnu'))
    return next((target for target in targets if (REPO / 'target' / target / 'release/hopvine').exists()), None)


JOB = Job(
    '2000 calls of os.getpid on an open local context, microseconds each',
    [('sequential_us', 'one after the other'), ('pipelined_us', 'all at once')], contestants,
    'The pipes carry 64 bytes each way and know of no calls; execnet echoes a number over a channel; chopsticks sends '
    'each call when the one before has returned. Budget: execnet, in both columns.')
