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


def unsendable(values, bell):
    try:
        for value in values:
            yield value
        yield [1, open]
        yield 'never'
    finally:
        ring(bell, 'closed')


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
    try:
        number = 0
        while True:
            yield ('%d ' % number).ljust(size, 'x')
            number += 1
    finally:
        ring(bell, 'closed')


def resting(bell):
    try:
        yield 'first'
        ring(bell, 'up')
        while True:
            time.sleep(1000)
    finally:
        ring(bell, 'closed')


def stubborn(bell):
    try:
        while True:
            yield 1
    except GeneratorExit:
        ring(bell, 'closed')
        raise RuntimeError('at the end')


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
