"""Contexts by the thousand: processes of `crowd.rs`, which speak the protocol for as many as they are asked for, and what
a controller takes for these while all of them are there."""

import json
import pathlib
import shlex
import tempfile

from .binary import toml_string
from .cargo import built
from .fifo import Fifo

PATIENCE_SECONDS = 60


class Crowd:
    """`ways` are `exec:` hops, each to a process that answers when `each` contexts in it have been asked."""

    def __init__(self, hop, ways, each):
        self.hop, self.count, self.processes = hop, ways * each, ways
        place = pathlib.Path(tempfile.mkdtemp(dir=hop.scratch))
        self.report, self.bell, self.gate = place / 'report', Fifo(place / 'bell'), Fifo(place / 'gate')
        line = toml_string(shlex.join(map(str, (built('--example', 'crowd'), each, self.bell, self.gate, self.report))))
        hop.write('hopvine.toml', '[exec]\n' + ''.join(f'crowd{n} = {line}\n' for n in range(1, ways + 1)))
        self.ways = f'exec:crowd[1-{ways}]'

    def begin(self, verb, targets, *words, **popen):
        """Asks all at once."""
        patience = f'{2 * PATIENCE_SECONDS}s'
        self.live = self.hop.start(verb, '-w', targets, '-f', self.count, '--connect-timeout', patience, *words,
                                   **popen)
        return self.live

    def start(self, *words):
        """The same, until each of them has been asked; `pids` are the processes' own."""
        self.begin(*words)
        self.pids = [int(line) for line in self.bell.read_lines(self.processes, PATIENCE_SECONDS)]
        return self

    def finish(self):
        """All are answered. The result; the peak in bytes and the processor time in seconds are known from then on."""
        self.gate.write(b'.' * self.processes)
        result = self.live.finish(PATIENCE_SECONDS)
        told = [json.loads(line) for line in self.report.read_text().splitlines()]
        self.peak_bytes = max(each['peak_kb'] for each in told) << 10
        self.busy_seconds = max(each['busy_ns'] for each in told) / 1e9
        return result

    def close(self):
        self.bell.close()
        self.gate.close()
