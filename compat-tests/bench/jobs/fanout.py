"""One command on many hosts over ssh."""

import functools

from footprint import peak_mb
from gate import Crowd
from rounds import Contestant, Job

# As all others: no connection is kept for the next run.
ANSIBLE = {'ANSIBLE_SSH_ARGS': '-o ControlMaster=no', 'ANSIBLE_DEPRECATION_WARNINGS': '0'}


def contestants(bench):
    bench.site.sshd.alias('fan*')
    count = bench.scale.hosts
    names = [f'fan{number}' for number in range(1, count + 1)]
    folded = f'fan[1-{count}]'

    def xargs(*command):
        hosts = ''.join(f'{name}\n' for name in names).encode()
        return bench.start('xargs', f'-P{count}', '-I{}', 'ssh', '{}', *command, stdin=hosts)

    def run(count, command, *options):
        return bench.hopvine('run', '-w', f'fan[1-{count}]', '-f', count, *options, '--', command)

    @functools.cache
    def each_kb():
        some, one = (Crowd(bench, n, functools.partial(run, n), local=False) for n in (count, 1))
        return (some.resident_kb - one.resident_kb) / (count - 1)

    def contestant(name, start, required=False, figures=dict):
        # In a run of its own: to look at all processes takes time.
        memory = functools.cache(lambda: peak_mb(start()))
        return Contestant(name, lambda: {**start().whole(), 'peak_mb': memory(), **figures()}, required)

    def hopvine(*options):
        return contestant(' '.join(['hopvine run', *(option if option != bench.python else 'PYTHON' for option in options)]),
                          lambda: run(count, 'true', *options), True, lambda: {'each_kb': each_kb()})
    return [
        contestant('xargs -P ssh HOST PYTHON -c pass', lambda: xargs(bench.python, '-c', 'pass'), True),
        contestant('xargs -P ssh HOST true', lambda: xargs('true'), True),
        hopvine('--python', bench.python), hopvine(),
        contestant('pdsh', lambda: bench.tool('pdsh', '-S', '-R', 'ssh', '-f', count, '-w', folded, 'true')),
        contestant('clush', lambda: bench.tool('clush', '-S', '-f', count, '-w', folded, 'true')),
        contestant('pssh', lambda: bench.tool('parallel-ssh', '-p', count, '-H', ' '.join(names), 'true')),
        contestant('ansible -m raw', lambda: bench.tool('ansible', 'all', '-i', ','.join(names) + ',', '-f', count, '-m', 'raw',
                                                        '-a', 'true', env=ANSIBLE)),
        contestant('mitogen', lambda: bench.peer('mitogen', 'fan_out', 'fan', count)),
        contestant('chopsticks', lambda: bench.peer('chopsticks', 'fan_out', 'fan', count))]


JOB = Job(
    'one command on {hosts} hosts over ssh, all at once',
    [('seconds', 'whole process, s'), ('cpu_seconds', 'processor, s'), ('peak_mb', 'peak, MiB'),
     ('each_kb', 'controller, KiB a host')], contestants,
    'Most of it is the key exchange of ssh, which client and server pay for on the same cores. Linux shares them by '
    'session, and each ssh of hopvine has one of its own, so other work slows xargs more: only an idle machine is '
    'fair. Processor time is that of the program and of its ssh clients; the peak is the Pss of all its processes but ssh, '
    'in a run of its own. A host costs the controller what is in the last column (once, with all hosts and with one), '
    'beside its ssh process. All run a command but mitogen (by 16 threads) and chopsticks, which call a function; '
    'ansible without ControlPersist. Budget: 1.05 x the first row, 64 KiB a host.',
    rounds=3, needs_ssh=True)
