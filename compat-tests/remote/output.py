"""What user code prints, by every way that a program has."""

import os
import sys


def both_ways():
    sys.stdout.write('printed\n')
    sys.stdout.flush()
    os.system('echo from a shell')
    return 1


def to_stderr():
    sys.stderr.write('complained\n')
    sys.stderr.flush()
    os.system('echo a shell complained >&2')
    return 2


def partial_line():
    sys.stdout.write('no newline')
    return 3


def raw_bytes():
    os.write(1, ''.join([chr(n) for n in range(256)]).encode('latin-1'))
    return 4


def many_lines(count):
    for number in range(count):
        sys.stdout.write('line %d\n' % number)
    return count


def read_stdin():
    return os.read(0, 100)
