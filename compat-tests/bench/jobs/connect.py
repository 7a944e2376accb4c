"""From the start of a process to the first result of a host, over ssh."""

from packages import PEERS
from rounds import Contestant, Job

ROUND_TRIP_SECONDS = 0.1


def ways(bench, python=None):
    """Each contestant's name and how it starts for a host."""
    python = python or bench.python
    program = f"{python} -c 'import time;print(time.time())'"
    call = ('call', 'time:time')
    yield 'ssh HOST PYTHON -c ...', lambda host: bench.start('ssh', host, program)
    yield 'hopvine call --python PYTHON', lambda host: bench.hopvine(*call, '-w', host, '--python', python)
    yield 'hopvine call', lambda host: bench.hopvine(*call, '-w', host)
    for peer in PEERS:
        yield peer, lambda host, peer=peer: bench.peer(peer, 'connect', host, python=python)


def required(name):
    return name not in PEERS


def near(bench):
    return [Contestant(name, lambda start=start: start('h1').first_and_whole(), required(name))
            for name, start in ways(bench)]


def far(bench):
    hosts = bench.host_behind('near', 0), bench.host_behind('far', ROUND_TRIP_SECONDS)

    def run(start):
        at_0_ms, at_100_ms = (start(host).first_and_whole()['first_ms'] for host in hosts)
        return {'at_0_ms': at_0_ms, 'at_100_ms': at_100_ms,
                'round_trips': (at_100_ms - at_0_ms) / 1e3 / ROUND_TRIP_SECONDS}
    return [Contestant(name, lambda start=start: run(start), required(name)) for name, start in ways(bench)]


JOB = Job(
    'a fresh connection over ssh, from the start of the process to the first result',
    [('first_ms', 'first result, ms'), ('whole_ms', 'whole process, ms')], near,
    'On loopback each ssh connection has two stalls of about 42 ms (Nagle against delayed acknowledgement), for all '
    'alike. `hopvine call` alone also looks for the newest Python there. Budget: 1.05 x the first row.',
    needs_ssh=True)

JOB_100MS = Job(
    'the same, 100 ms there and back',
    [('at_100_ms', 'first result, ms'), ('at_0_ms', 'at 0 ms, ms'), ('round_trips', 'round trips')], far,
    'Both through the proxy, which acknowledges at once. Round trips are the difference divided by 100 ms; one more is '
    'the TCP handshake, which the proxy does not delay. Budget: 1.05 x the first row, and no round trip more.',
    needs_ssh=True)
