"""What is kept open in the background, as `hopvine ps` and the system show it."""

import json
import re
import time

from .leaks import all_pids, read_stat
from .process import exits

SOON_SECONDS = 5


class Ps:
    """What `hopvine ps` shows, as a table and as objects."""

    def __init__(self, hop):
        table, objects = hop('ps'), hop('ps', '--json')
        assert (table.rc, table.err, objects.rc, objects.err) == (0, b'', 0, b''), (table, objects)
        first = re.fullmatch(r'session (\d+), up (.+), (\d+) clients?', table.lines[0])
        self.pid, self.clients = int(first[1]), int(first[3])
        self.table, self.contexts = table.lines[2:], [json.loads(line) for line in objects.lines]

    @property
    def hops(self):
        return sorted(context['hop'] for context in self.contexts)


def until(check, seconds=SOON_SECONDS):
    deadline = time.monotonic() + seconds
    while not (found := check()):
        assert time.monotonic() < deadline, 'it did not come to that'
    return found


def is_gone(pid, seconds=SOON_SECONDS):
    return exits(pid, time.monotonic() + seconds)


def below(pid):
    """All that descend from a process."""
    stats = {each: read_stat(each) for each in all_pids()}
    found = [pid]
    for each in found:
        found += [child for child, stat in stats.items() if stat and stat[1] == each]
    return found[1:]
