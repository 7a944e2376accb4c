"""A gate that commands wait at, so that all contexts are there at once and can be measured in peace."""

from harness.fifo import Fifo
from peers.measure import kilobytes, number, proportional_mb, resident_kb


class Gate:
    def __init__(self, folder):
        self.bell, self.bolt = Fifo(folder / 'bell'), Fifo(folder / 'bolt')
        # The parent of this shell is the agent.
        self.command = f'echo $PPID >{self.bell}; read line <{self.bolt}'

    def open(self, count):
        # One byte for each: they read by single bytes, so nobody takes another one's.
        self.bolt.write(b'\n' * count)

    def close(self):
        for fifo in (self.bell, self.bolt):
            fifo.close()
            fifo.path.unlink()


class Crowd:
    """What a controller and its agents held while `count` of them were there."""

    def __init__(self, bench, count, start, local=True):
        """`start(command)` runs one controller that runs the command in so many contexts."""
        gate = Gate(bench.hop.scratch)
        try:
            process = start(gate.command)
            agents = gate.bell.read_lines(count, timeout=120)
            self.resident_kb = resident_kb(process.pid)
            self.peak_mb = kilobytes(process.pid, 'VmHWM') / 1024
            # The parent of an agent is its watchdog, which is there for nothing else.
            self.agent_mb = proportional_mb([pid, number(pid, 'PPid')] for pid in agents) if local else None
            gate.open(count)
            process.well_done()
        finally:
            gate.close()
