"""Many local contexts, and a call in each."""

import functools
import json
import shlex

from footprint import peak_mb
from gate import Crowd
from jobs.fanout import ANSIBLE
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
        cpu_seconds = process.cpu_seconds
        crowd = Crowd(bench, count, lambda command: call(count, 'os:system', command))
        return {'seconds': seconds, 'cpu_seconds': cpu_seconds, 'controller_mb': crowd.peak_mb,
                'each_kb': (crowd.resident_kb - alone_kb()) / (count - 1), 'agent_mb': crowd.agent_mb}

    def script(name):
        process = bench.peer(name, 'contexts', count)
        seconds = process.until_lines(1)
        figures = json.loads(process.well_done().lines[-1])
        return {'seconds': seconds, 'cpu_seconds': process.cpu_seconds, **figures}

    def tool(name, *words, env=None):
        def start():
            return bench.tool(name, *words, env=env)
        memory = functools.cache(lambda: peak_mb(start()))
        return lambda: {**start().whole(), 'controller_mb': memory()}

    names = [f'c{number}' for number in range(1, count + 1)]
    python = bench.python, '-c', 'pass'
    return [Contestant('bare Python children, pipes', lambda: script('pipes'), required=True),
            Contestant('hopvine call', hopvine, required=True),
            *(Contestant(name, functools.partial(script, name)) for name in PEERS),
            Contestant('pdsh -R exec PYTHON -c pass', tool('pdsh', '-S', '-R', 'exec', '-f', count, '-w', f'c[1-{count}]', *python)),
            Contestant('clush -R exec PYTHON -c pass', tool('clush', '-S', '-R', 'exec', '-f', count, '-w', f'c[1-{count}]', *python)),
            Contestant('ansible -c local -m raw', tool('ansible', 'all', '-i', ','.join(names) + ',', '-c', 'local', '-f', count,
                                                       '-m', 'raw', '-a', shlex.join(python), env=ANSIBLE))]


JOB = Job(
    '{contexts} local contexts and a call in each',
    [('seconds', 'last result, s'), ('cpu_seconds', 'processor, s'), ('controller_mb', 'controller, MiB'), ('each_kb', 'KiB a context'),
     ('agent_mb', 'agent Pss, MiB')], contestants,
    'From the start of the process to the last result. The controller is its peak (VmHWM), the agent the median of '
    'all, with its watchdog, while all contexts are there (for hopvine in a run of its own, where each call waits for '
    'the last). The last three have no contexts: each starts so many commands, all at once, and their memory is the Pss of '
    'all their processes, Python included. Processor time is that of all processes that have been waited for. Budget: 2 x the first row, 5 MiB an agent.')
