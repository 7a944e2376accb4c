"""A named pipe as a bell or a gate between a test and what it started: waiting without clocks."""

import os
import select
import time


class Fifo:
    """Held open for both directions, so that no side waits for the other to open it and nobody sees end of file."""

    flags = os.O_RDWR

    def __init__(self, path):
        self.path = path
        os.mkfifo(path)
        os.chmod(path, 0o666)  # test accounts of other users ring it too
        self._fd = os.open(path, self.flags)

    def __str__(self):
        return str(self.path)

    def write(self, data):
        os.write(self._fd, data)

    def read_lines(self, count, timeout=30):
        deadline, data = time.monotonic() + timeout, b''
        while data.count(b'\n') < count:
            left = deadline - time.monotonic()
            came = left > 0 and select.select([self._fd], [], [], left)[0] and os.read(self._fd, 4096)
            if not came:
                raise AssertionError(f'{self.path}: {count} lines awaited, came {data!r}')
            data += came
        return data.decode().splitlines()

    def close(self):
        os.close(self._fd)


class Leash(Fifo):
    """Held open by remote code only, so that it ends with the last process that has inherited it."""

    flags = os.O_RDONLY | os.O_NONBLOCK

    def ends(self, deadline):
        poller = select.poll()
        poller.register(self._fd, 0)
        return bool(poller.poll(max(0, deadline - time.monotonic()) * 1000))
