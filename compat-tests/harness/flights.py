"""Stands between the program and the start command as a link that is long, and counts the program's flights.

    flights.py FILE COMMAND...    run as a script, as the command of an `exec:` target; FILE has the count

ssh has turns of its own that differ from run to run. Here nothing else is on the link, so the count is exact.
"""

import collections
import os
import selectors
import subprocess
import sys
import time

ONE_WAY_SECONDS = 0.05


class Lane:
    """One direction: what is under way, each piece with the time it is due."""

    def __init__(self, source, sink):
        self.source, self.sink = source, sink
        self.under_way = collections.deque()

    def read(self):
        data = os.read(self.source, 65536)
        self.under_way.append((time.monotonic() + ONE_WAY_SECONDS, data))
        return data

    def deliver(self):
        """False once the end has been delivered."""
        while self.under_way and self.under_way[0][0] <= time.monotonic():
            data = self.under_way.popleft()[1]
            if not data:
                os.close(self.sink)
                return False
            try:
                while data:
                    data = data[os.write(self.sink, data):]
            except BrokenPipeError:
                pass
        return True


def main(counted, *argv):
    child = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    down, up = Lane(0, child.stdin.fileno()), Lane(child.stdout.fileno(), 1)
    selector = selectors.DefaultSelector()
    for lane in (down, up):
        selector.register(lane.source, selectors.EVENT_READ, lane)
    open_lanes, flights, began = [down, up], 0, -ONE_WAY_SECONDS
    while open_lanes:
        due = [lane.under_way[0][0] for lane in open_lanes if lane.under_way]
        for key, _ in selector.select(max(0, min(due) - time.monotonic()) if due else None):
            data = key.data.read()
            if not data:
                selector.unregister(key.fd)
            # What is sent sooner cannot be an answer to anything that the flight before has caused.
            elif key.data is down and time.monotonic() > began + ONE_WAY_SECONDS:
                flights, began = flights + 1, time.monotonic()
                with open(counted, 'w') as file:
                    file.write(str(flights))
        open_lanes = [lane for lane in open_lanes if lane.deliver()]
    return child.wait()


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:]))
