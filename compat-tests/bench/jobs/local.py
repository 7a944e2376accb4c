"""From the start of a process to its end, with one context on this machine and one call in it."""

from packages import PEERS
from rounds import Contestant, Job


def contestants(bench):
    def bare(*options):
        return {'whole_ms': bench.start(bench.python, *options, '-c', 'pass').well_done().seconds * 1e3}

    def hopvine():
        return bench.hopvine('call', '-w', 'local:', '--python', bench.python, 'time:time').first_and_whole()

    def peer(name):
        return Contestant(name, lambda: bench.peer(name, 'connect', 'local').first_and_whole())

    return [Contestant('PYTHON -S -E -c pass', lambda: bare('-S', '-E'), required=True),
            Contestant('PYTHON -c pass', bare, required=True),
            Contestant('hopvine call -w local:', hopvine, required=True),
            *map(peer, PEERS)]


JOB = Job(
    'a local context and a call in it, the whole process',
    [('whole_ms', 'whole process, ms'), ('first_ms', 'first result, ms')], contestants,
    'The peers are Python themselves, and so pay for two interpreters. Budget: 1.3 x the first row and 10 ms.')
