"""Generators, each with a habit of its own. Runs on every Python from 2.4 on."""

import os
import resource
import select
import sys
import time


def count(stop, *words):
    for number in range(stop):
        yield number


def gated(gate, values):
    """The first at once, each other when the gate lets it."""
    passes = os.open(gate, os.O_RDONLY)
    for value in values:
        yield value
        os.read(passes, 1)


def failing(values, message):
    for value in values:
        yield value
    raise ValueError(message)


CLOSING = '''
def closing(items, bell):
    """The items; at their end, however it comes, it rings."""
    try:
        for item in items:
            yield item
    finally:
        ring(bell, 'closed')
'''
if sys.version_info >= (2, 5):
    exec(CLOSING)
else:
    def closing(items, bell):
        """A generator of Python 2.4 is not told that nobody wants more."""
        return items


def unsendable(values, bell):
    return closing(unsendable_behind(values), bell)


def unsendable_behind(values):
    for value in values:
        yield value
    yield [1, open]
    yield 'never'


def nothing():
    if 0:
        yield 1


def printing(values):
    for value in values:
        sys.stdout.write('before %s\n' % value)
        yield value
        sys.stderr.write('after %s\n' % value)


def endless(bell, size=10):
    """Until somebody ends it; then it rings."""
    return closing(numbers(size), bell)


def numbers(size):
    number = 0
    while True:
        yield ('%d ' % number).ljust(size, 'x')
        number += 1


def resting(bell):
    return closing(rests(bell), bell)


def rests(bell):
    yield 'first'
    ring(bell, 'up')
    while True:
        time.sleep(1000)


def ahead(consumed, total, size):
    """Each item tells how many made items have not been consumed yet; the last, what memory it took."""
    taken = os.open(consumed, os.O_RDONLY | os.O_NONBLOCK)
    done = 0
    for number in range(total):
        if select.select([taken], [], [], 0)[0]:
            done += len(os.read(taken, 65536))
        yield [number - done, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10, 'x' * size]


def rich():
    import datetime
    yield datetime.date(2026, 1, 2)
    yield set([1])
    yield ('a', None)


class Box(object):
    """Generators by other ways."""

    def method(self):
        yield 'method'
    method = classmethod(method)


def expression():
    return (2 * number for number in range(3))


def holding():
    return [count(3)]


def ring(bell, words):
    if not bell:
        return
    end = open(bell, 'w')
    end.write(words + '\n')
    end.close()
