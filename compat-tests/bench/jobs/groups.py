"""A call on all of a group that is open."""

import json

from rounds import Contestant, Job

PEERS = 'mitogen', 'chopsticks'


def contestants(bench):
    count = bench.scale.hosts

    def figures(process):
        return json.loads(process.well_done().lines[-1])

    def peer(name):
        return Contestant(name, lambda: figures(bench.peer(name, 'group', count)))

    return [Contestant('hopvine, from Python', lambda: figures(bench.script('group', count)), required=True), *map(peer, PEERS)]


JOB = Job(
    'a call of os.getpid on each of {hosts} local contexts that are open',
    [('group_ms', 'all results, ms')], contestants,
    'The mean of 20 calls behind 3 that are not counted. mitogen has no groups: call_async() of each context, then all results.')
