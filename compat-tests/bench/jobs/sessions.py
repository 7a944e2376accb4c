"""Commands for one host, which connect or find it open."""

import functools

from jobs.connect import ROUND_TRIP_SECONDS
from rounds import Contestant, Job
from ways import Session


def contestants(bench, round_trip_seconds):
    host = bench.host_behind(f'session-{round_trip_seconds}', round_trip_seconds)
    source, copy = (bench.hop.scratch / name for name in ('three bytes', 'copy of them'))
    source.write_bytes(b'abc')
    session = Session(bench, host)
    verbs = {'run': ['-w', host, '--', 'true'], 'call': ['-w', host, 'time:time'], 'put': ['-w', host, source, copy]}

    def contestant(verb, name, env, cold):
        def run():
            copy.unlink(missing_ok=True)
            seconds = bench.hopvine(verb, *verbs[verb], env=env).well_done().seconds
            assert copy.exists() == (verb == 'put'), 'not put'
            return {'ms': seconds * 1e3}
        return Contestant(name, run, required=True, against=[cold])
    made = []
    for verb in verbs:
        cold = f'hopvine {verb}'
        made += [contestant(verb, cold, {}, cold), contestant(verb, f'{cold}, session', session.env, cold)]
    return made


COLUMNS = [('ms', 'whole process, ms')]
JOB = Job(
    'a command for one host, which connects or finds it open', COLUMNS, functools.partial(contestants, round_trip_seconds=0),
    'run of `true`, call of time.time, put of 3 bytes; session: after `hopvine up`. Each ratio is to the same without it. '
    'Through the proxy.', needs_ssh=True)
JOB_100MS = Job(
    'the same, 100 ms there and back', COLUMNS, functools.partial(contestants, round_trip_seconds=ROUND_TRIP_SECONDS),
    'As session.', needs_ssh=True)
