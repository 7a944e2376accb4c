"""What one agent holds, that has answered a call and has nothing else to do."""

import collections
import pathlib

from packages import PEERS
from rounds import Contestant, Job


def contestants(bench):
    reports = [bench.hop.scratch / name for name in ('agent', 'watchdog')]
    # The parent of this shell is the agent, and the agent's is what watches over it, if anything does.
    command = f'cat /proc/$PPID/smaps_rollup >{reports[0]}'
    of_parent = f"cat /proc/$(sed -n 's/^PPid:.//p' /proc/$PPID/status)/smaps_rollup >{reports[1]}"

    def figures(process):
        process.well_done()
        megabytes = collections.Counter()
        for report in filter(pathlib.Path.exists, reports):
            for line in report.read_text().splitlines()[1:]:
                name, size, *_ = line.split()
                megabytes[name.strip(':')] += int(size) / 1024
            report.unlink()
        return {'pss_mb': megabytes['Pss'], 'rss_mb': megabytes['Rss'],
                'private_mb': megabytes['Private_Clean'] + megabytes['Private_Dirty']}

    def bare():
        return figures(bench.start(bench.python, '-S', '-E', '-c', f'import os; os.system({command!r})'))

    def hopvine(command):
        return figures(bench.hopvine('call', '-w', 'local:', '--python', bench.python, 'os:system', command))

    def peer(name):
        return Contestant(name, lambda: figures(bench.peer(name, 'shell', command)))

    return [Contestant('PYTHON -S -E, import os', bare, required=True),
            Contestant('hopvine', lambda: hopvine(f'{command}; {of_parent}'), required=True),
            Contestant('hopvine, without the watchdog', lambda: hopvine(command), required=True), *map(peer, PEERS)]


JOB = Job(
    'what one agent holds',
    [('pss_mb', 'Pss, MiB'), ('private_mb', 'private, MiB'), ('rss_mb', 'Rss, MiB')], contestants,
    'Of a local agent, seen from a shell that it was asked to run (smaps_rollup). Pss counts a page that others have '
    'too by its share: with many agents each counts less, see locals200. An agent of hopvine is two processes, itself '
    'and its watchdog, and the pages that they have in common count twice in Rss, but once in Pss; the row without the '
    'watchdog leaves its share of them out.')
