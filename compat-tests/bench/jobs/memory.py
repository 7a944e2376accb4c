"""What one agent holds, that has answered a call and has nothing else to do."""

from packages import PEERS
from rounds import Contestant, Job


def contestants(bench):
    report = bench.hop.scratch / 'smaps_rollup'
    # The parent of this shell is the agent.
    command = f'cat /proc/$PPID/smaps_rollup >{report}'

    def figures(process):
        process.well_done()
        held = dict(line.split()[:2] for line in report.read_text().splitlines()[1:])
        report.unlink()
        megabytes = {name.strip(':'): int(size) / 1024 for name, size in held.items()}
        return {'pss_mb': megabytes['Pss'], 'rss_mb': megabytes['Rss'],
                'private_mb': megabytes['Private_Clean'] + megabytes['Private_Dirty']}

    def bare():
        return figures(bench.start(bench.python, '-S', '-E', '-c', f'import os; os.system({command!r})'))

    def hopvine():
        return figures(bench.hopvine('call', '-w', 'local:', '--python', bench.python, 'os:system', command))

    def peer(name):
        return Contestant(name, lambda: figures(bench.peer(name, 'shell', command)))

    return [Contestant('PYTHON -S -E, import os', bare, required=True),
            Contestant('hopvine', hopvine, required=True), *map(peer, PEERS)]


JOB = Job(
    'what one agent holds',
    [('pss_mb', 'Pss, MiB'), ('private_mb', 'private, MiB'), ('rss_mb', 'Rss, MiB')], contestants,
    'Of a local agent, seen from a shell that it was asked to run (smaps_rollup). Pss counts a page that others have '
    'too by its share: with many agents each counts less, see locals200.')
