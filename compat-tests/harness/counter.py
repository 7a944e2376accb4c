"""Stands between the program and the start command, and counts the bytes of each direction.

    -m harness.counter FILE COMMAND...    as the command of an `exec:` target; FILE gets both numbers
"""

import os
import selectors
import subprocess
import sys


def write(fd, data):
    try:
        while data:
            data = data[os.write(fd, data):]
    except BrokenPipeError:
        pass


def main(counted, *argv):
    child = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
    lanes = {0: child.stdin.fileno(), child.stdout.fileno(): 1}
    bytes_from = dict.fromkeys(lanes, 0)
    selector = selectors.DefaultSelector()
    for source in lanes:
        selector.register(source, selectors.EVENT_READ)
    while selector.get_map():
        for key, _ in selector.select():
            data = os.read(key.fd, 65536)
            bytes_from[key.fd] += len(data)
            write(lanes[key.fd], data)
            if not data:
                selector.unregister(key.fd)
                os.close(lanes[key.fd])
    with open(counted, 'w') as file:
        file.write('{} {}\n'.format(*bytes_from.values()))
    return child.wait()


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:]))
