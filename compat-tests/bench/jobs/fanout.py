"""One command on many hosts over ssh."""

import functools

from gate import Crowd
from rounds import Contestant, Job


def contestants(bench):
    bench.site.sshd.alias('fan*')
    count = bench.scale.hosts
    hosts = ''.join(f'fan{number}\n' for number in range(1, count + 1)).encode()

    def xargs(*command):
        process = bench.start('xargs', f'-P{count}', '-I{}', 'ssh', '{}', *command, stdin=hosts)
        return {'seconds': process.well_done().seconds}

    def run(count, command, *options):
        return bench.hopvine('run', '-w', f'fan[1-{count}]', '-f', count, *options, '--', command)

    @functools.cache
    def each_kb():
        some, one = (Crowd(bench, n, functools.partial(run, n), local=False) for n in (count, 1))
        return (some.resident_kb - one.resident_kb) / (count - 1)

    def hopvine(*options):
        return {'seconds': run(count, 'true', *options).well_done().seconds, 'each_kb': each_kb()}

    return [Contestant('xargs -P ssh HOST PYTHON -c pass', lambda: xargs(bench.python, '-c', 'pass'), required=True),
            Contestant('xargs -P ssh HOST true', lambda: xargs('true'), required=True),
            Contestant('hopvine run --python PYTHON', lambda: hopvine('--python', bench.python), required=True),
            Contestant('hopvine run', hopvine, required=True)]


JOB = Job(
    'one command on {hosts} hosts over ssh, all at once',
    [('seconds', 'whole process, s'), ('each_kb', 'controller, KiB a host')], contestants,
    'Most of it is the key exchange of ssh, which client and server pay for on the same cores. Linux shares them by '
    'session, and each ssh of hopvine has one of its own, so other work slows xargs more: only an idle machine is '
    'fair. A host costs the controller what is in the last column (once, with all hosts and with one), beside its ssh '
    'process. Budget: 1.05 x the first row, 64 KiB a host.',
    rounds=3, needs_ssh=True)
