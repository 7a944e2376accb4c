"""docs/BENCHMARKS.md: words around, and between two markers the tables of the last run of each job."""

import re

from harness.binary import REPO

PATH = REPO / 'docs/BENCHMARKS.md'
BEGIN, END = '<!-- figures -->', '<!-- end -->'
INTRO = f'''\
# Benchmarks

What Hopvine costs, beside what ssh, pipes and Python cost anyway (the first row of a table, which no tool can beat by
much) and beside mitogen, chopsticks and execnet, for many hosts also pdsh, clush, pssh and ansible, all in one run on one machine.

    make bench                                          # everything, on the terminal
    python3 compat-tests/bench/run.py connect -n 11     # one job, more rounds
    python3 compat-tests/bench/run.py --write           # the tables below

- The contestants of a job take turns, run by run, after a round that warms up and does not count. Figures are
  medians, with the fastest and the slowest run; `ratio` is to the first row. `Budget` is what Hopvine allows itself.
- Client, server and agents share the cores of one machine, over loopback: trust ratios more than milliseconds, and
  neither when the machine had other work (`load before`, to which the job before may add).
- ssh is OpenSSH at both ends: a private server, the login shell `sh`, a known key. 100 ms are added by a proxy.
- `PYTHON` is one plain interpreter, named to every contestant, and everyone's agents run on it. The peers' own side
  runs on the newest Python that all of them support; their scripts are in `compat-tests/bench/peers`.
- A peer without figures (`n/a`) failed or could not be installed; the run says why.

{BEGIN}
{END}
'''


def write(name, table, order):
    """Puts a job's table in its place; the tables of jobs that did not run stay as they are."""
    text = PATH.read_text() if PATH.exists() else INTRO
    before, begin, rest = text.partition(BEGIN)
    figures, end, after = rest.partition(END)
    if not (begin and end):
        raise SystemExit(f'{PATH.name} has no lines {BEGIN} and {END}')
    sections = {re.match(r'## (\w+):', section).group(1): section.strip()
                for section in re.split(r'^(?=## )', figures, flags=re.MULTILINE) if section.strip()}
    sections[name] = table.markdown(name).strip()
    known = [sections[each] for each in order if each in sections]
    PATH.parent.mkdir(exist_ok=True)
    PATH.write_text(f'{before}{begin}\n' + ''.join(f'\n{section}\n' for section in known) + f'\n{end}{after}')
