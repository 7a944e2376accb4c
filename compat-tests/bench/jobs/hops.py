"""Through relays: how long it takes to get there, many hosts behind one bastion, and what a file does to a call."""

import json
import random

from jobs.calls import driver
from jobs.connect import ROUND_TRIP_SECONDS
from rounds import Contestant, Job

DEEPEST = 3


def target(bench, port):
    """A hop to the server at that port, from wherever: no configuration is read there."""
    client = bench.site.client
    options = {'IdentityFile': client.key, 'UserKnownHostsFile': client.known_hosts, 'HostKeyAlias': 'hopvine-host'}
    opts = ''.join(f'&opt={name}%3D{str(value).replace("/", "%2F")}' for name, value in options.items())
    return f'ssh:{bench.site.accounts.user}@127.0.0.1?port={port}{opts}'


def ways_through(bench):
    hosts = [bench.host_behind(f'hop{number}', ROUND_TRIP_SECONDS) for number in range(1, DEEPEST + 1)]
    hops = [target(bench, bench.proxies[host].port) for host in hosts]

    def jump(depth):
        before = ['-J', ','.join(hosts[:depth - 1])] if depth > 1 else []
        return bench.start('ssh', *before, hosts[depth - 1], f"{bench.python} -c 'import time;print(time.time())'")

    def hopvine(depth):
        return bench.hopvine('call', '-w', '/'.join(hops[:depth]), '--python', bench.python, 'time:time')

    def mitogen(depth):
        ports = (bench.proxies[host].port for host in hosts[:depth])
        return bench.peer('mitogen', 'connect_through', bench.site.accounts.user, str(bench.site.client.key), *map(str, ports))

    def run(start):
        return {f'hops{depth}': start(depth).first_and_whole()['first_ms'] for depth in range(1, DEEPEST + 1)}
    return [Contestant('ssh -J ... HOST PYTHON -c ...', lambda: run(jump), required=True),
            Contestant('hopvine call', lambda: run(hopvine), required=True),
            Contestant('mitogen, via=', lambda: run(mitogen))]


def behind_a_bastion(bench):
    bench.site.sshd.alias('behind*')
    bastion = bench.site.sshd.alias('bastion')
    count, port = bench.scale.hosts, bench.site.sshd.port
    hosts = ''.join(f'behind{number}\n' for number in range(1, count + 1)).encode()

    def jump():
        process = bench.start('xargs', f'-P{count}', '-I{}', 'ssh', '-J', bastion, '{}', bench.python, '-c', 'pass', stdin=hosts)
        return {'seconds': process.well_done().seconds}

    def hopvine(*options):
        # Each is another host for hopvine: other options make another hop.
        hop = target(bench, port)
        where = [word for number in range(count) for word in ('-w', f'{hop}&opt=SetEnv%3DN%3D{number}')]
        return {'seconds': bench.hopvine('run', *where, '--via', bastion, '-f', count, *options, '--', 'true').well_done().seconds}

    def mitogen():
        words = bench.site.accounts.user, str(bench.site.client.key), str(port), str(count)
        return {'seconds': bench.peer('mitogen', 'fan_out_behind', *words).well_done().seconds}
    return [Contestant('xargs -P ssh -J bastion HOST PYTHON -c pass', jump, required=True),
            Contestant('hopvine run --via bastion', hopvine, required=True),
            Contestant('hopvine run --via bastion --relay native', lambda: hopvine('--relay', 'native'), required=True),
            Contestant('mitogen, via=', mitogen)]


def latencies(bench):
    host = bench.site.sshd.alias('bulk')
    ways = {'local:': 'local:', 'local:a/local:b': 'local:a/local:b', 'over ssh': host, 'over ssh and a relay': f'{host}/local:b'}
    source = bench.hop.scratch / 'source'
    noise = random.Random(1)
    with open(source, 'wb') as file:
        for _ in range(bench.scale.mebibytes):
            file.write(noise.randbytes(1 << 20))
    loads = {'put': bench.hop.scratch / 'bulk', 'fetch': source, 'run': 'exec cat /dev/zero'}

    def contestant(way, verb):
        def run():
            process = bench.start(driver('latency'), bench.python, ways[way], verb, loads[verb])
            return json.loads(process.well_done().lines[-1])
        return Contestant(f'{verb}, {way}', run, required=True)
    return [contestant(way, verb) for way in ways for verb in ('put', 'fetch')] + [contestant('over ssh', 'run')]


HOPS = Job(
    'a fresh connection through relays, 100 ms there and back for each hop, to the first result',
    [('hops1', '1 hop, ms'), ('hops2', '2 hops, ms'), ('hops3', '3 hops, ms')], ways_through,
    'Each hop is a login of its own, and cannot begin before the one before it has ended: for ssh -J alike.', needs_ssh=True)
BASTION = Job(
    '{hosts} hosts behind a bastion, one command on all at once', [('seconds', 'whole process, s')], behind_a_bastion,
    'ssh -J logs in at the bastion once for each host; hopvine and mitogen once, and from there on to each.', rounds=3,
    needs_ssh=True)
LATENCY = Job(
    'a call while there is much to carry over the same link',
    [('beside_p99_ms', 'p99 beside, ms'), ('alone_p99_ms', 'p99 alone, ms'), ('beside_ms', 'median beside, ms'),
     ('alone_ms', 'median alone, ms'), ('mib_a_second', 'carried, MiB/s')], latencies,
    '500 calls of os.getpid, one after the other, from Rust, beside a put that never ends, a fetch again and again, the '
    'output of `cat /dev/zero`. Budget: p99 <= 3 x alone + 5 ms.', needs_ssh=True)
