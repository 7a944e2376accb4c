"""Contexts by the thousand behind relays, as a program simulates them that speaks the protocol."""

import contextlib
import functools

from harness.crowd import Crowd
from rounds import Contestant, Job

RELAYS = 4


def contestants(bench):
    def run(relays, each):
        # Where no other job finds the inventory.
        with contextlib.closing(Crowd(bench.site.hopvine(), relays, each)) as crowd:
            crowd.start('run', f'{crowd.ways}/local:c[1-{each}]', '--', 'true')
            result = crowd.finish()
            assert result.rc == 0 and len(result.lines) == crowd.count, result
            return crowd, result

    @functools.cache
    def alone_bytes():
        return run(1, 1)[0].peak_bytes

    def figures(count):
        crowd, result = run(RELAYS, count // RELAYS)
        return {'each_us': crowd.busy_seconds / count * 1e6, 'seconds': result.seconds, 'peak_mb': crowd.peak_bytes / (1 << 20),
                'each_kb': (crowd.peak_bytes - alone_bytes()) / count / 1024}

    most = bench.scale.simulated
    return [Contestant(f'{count:,} contexts', functools.partial(figures, count), required=True)
            for count in (most // 8, most // 4, most // 2, most)]


JOB = Job(
    f'one command in simulated contexts behind {RELAYS} relays, all at once',
    [('each_us', 'processor, us a context'), ('seconds', 'whole process, s'), ('peak_mb', 'controller, MiB'),
     ('each_kb', 'KiB a context')], contestants,
    'A program that speaks the protocol stands in for the relays and all that is behind them, on the same cores, and answers '
    'when all have been asked. Processor time and memory (VmHWM, less what one context takes) are the controller\'s. Budget: 20 KiB '
    'a context, growth linear.')
