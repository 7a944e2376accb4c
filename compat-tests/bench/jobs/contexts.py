"""Many local contexts, and a call in each."""

import functools
import json

from gate import Crowd
from packages import PEERS
from rounds import Contestant, Job


def contestants(bench):
    count = bench.scale.contexts

    def call(count, *words):
        return bench.hopvine('call', '-w', f'local:c[1-{count}]', '-f', count, '--python', bench.python, *words)

    @functools.cache
    def alone_kb():
        return Crowd(bench, 1, lambda command: call(1, 'os:system', command)).resident_kb

    def hopvine():
        process = call(count, 'os:getpid')
        seconds = process.until_lines(count)
        assert len({line.split()[-1] for line in process.well_done().lines}) == count, process.result
        crowd = Crowd(bench, count, lambda command: call(count, 'os:system', command))
        return {'seconds': seconds, 'controller_mb': crowd.peak_mb,
                'each_kb': (crowd.resident_kb - alone_kb()) / (count - 1), 'agent_mb': crowd.agent_mb}

    def script(name):
        process = bench.peer(name, 'contexts', count)
        seconds = process.until_lines(1)
        return {'seconds': seconds, **json.loads(process.well_done().lines[-1])}

    return [Contestant('bare Python children, pipes', lambda: script('pipes'), required=True),
            Contestant('hopvine call', hopvine, required=True),
            *(Contestant(name, functools.partial(script, name)) for name in PEERS)]


JOB = Job(
    '{contexts} local contexts and a call in each',
    [('seconds', 'last result, s'), ('controller_mb', 'controller, MiB'), ('each_kb', 'KiB a context'),
     ('agent_mb', 'agent Pss, MiB')], contestants,
    'From the start of the process to the last result. The controller is its peak (VmHWM), the agent the median of '
    'all, with its watchdog, while all contexts are there (for hopvine in a run of its own, where each call waits for '
    'the last). Budget: 2 x the first row, 5 MiB an agent.')
