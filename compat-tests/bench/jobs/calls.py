"""Calls on a context that is open."""

import functools
import json
import os
import platform
import subprocess

from harness.binary import REPO
from packages import PEERS
from rounds import Contestant, Job


def contestants(bench):
    def figures(process):
        return json.loads(process.well_done().lines[-1])

    def peer(name):
        return Contestant(name, lambda: figures(bench.peer(name, 'calls')))

    return [Contestant('two processes, two pipes', lambda: figures(bench.peer('pipes', 'calls')), required=True),
            Contestant('hopvine, from Rust', lambda: figures(bench.start(driver('calls'), bench.python)), required=True),
            *map(peer, PEERS)]


@functools.cache
def driver(name):
    """Builds a program of compat-tests/bench for the target that `make build` has built for."""
    target = built_target()
    argv = [os.environ.get('CARGO', 'cargo'), 'build', '--release', '--locked', '--bench', name,
            '--message-format=json-render-diagnostics', *(['--target', target] if target else [])]
    built = subprocess.run(argv, cwd=REPO, stdout=subprocess.PIPE, check=True)
    messages = [json.loads(line) for line in built.stdout.splitlines()]
    return next(message['executable'] for message in messages
                if message['reason'] == 'compiler-artifact' and message['target']['name'] == name)


def built_target():
    targets = (f'{platform.machine()}-unknown-linux-{libc}' for libc in ('musl', 'gnu'))
    return next((target for target in targets if (REPO / 'target' / target / 'release/hopvine').exists()), None)


JOB = Job(
    '2000 calls of os.getpid on an open local context, microseconds each',
    [('sequential_us', 'one after the other'), ('pipelined_us', 'all at once')], contestants,
    'The pipes carry 64 bytes each way and know of no calls; execnet echoes a number over a channel; chopsticks sends '
    'each call when the one before has returned. Budget: execnet, in both columns.')
