"""A gate that remote commands wait at, so that all of them are there at once and can be measured in peace."""

from harness.fifo import Fifo


class Gate:
    def __init__(self, folder):
        self.bell, self.bolt = Fifo(folder / 'bell'), Fifo(folder / 'bolt')
        # The parent of this shell is the agent.
        self.command = f'echo $PPID >{self.bell}; read line <{self.bolt}'

    def arrivals(self, count):
        """Waits for so many; returns the process ids of their agents."""
        return self.bell.read_lines(count, timeout=60)

    def open(self, count):
        # One byte for each: they read by single bytes, so nobody takes another one's.
        self.bolt.write(b'\n' * count)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for fifo in (self.bell, self.bolt):
            fifo.close()
            fifo.path.unlink()


def at_the_gate(bench, count, start):
    """`start(command)` runs the command `count` times in one controller; what it and its agents hold when all are there."""
    from peers.measure import kilobytes, proportional_mb
