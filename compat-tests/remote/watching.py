"""Functions with messages, each with a habit of its own. Runs on every Python from 2.4 on."""

import os
import resource
import select
import sys
import time

try:
    import thread
except ImportError:
    import _thread as thread

NEWLINE = os.linesep.encode()


def tail(channel, path):
    """The lines that a file gets from now on; one that is cut off begins anew."""
    log = os.open(path, os.O_RDONLY)
    at = os.lseek(log, 0, 2)
    channel.send('ready')
    rest = NEWLINE[:0]
    while channel.open():
        if os.fstat(log).st_size < at:
            at = os.lseek(log, 0, 0)
        data = os.read(log, 65536)
        if not data:
            time.sleep(.01)
        at += len(data)
        lines = (rest + data).split(NEWLINE)
        rest = lines.pop()
        for line in lines:
            channel.send(line.decode('ascii'))


def sending(channel, values, result=None):
    for value in values:
        channel.send(value)
    return result


def plain(value):
    return value


def counting(stop):
    for number in range(stop):
        yield number


def both(channel, stop):
    channel.send('begins')
    for number in range(stop):
        channel.send('before %d' % number)
        yield number


class Box(object):

    def method(cls, channel, value):
        channel.send([cls.__name__, value])
    method = classmethod(method)


def wrapped(function):
    def wrapper(*args, **named):
        return function(*args, **named)
    wrapper.__wrapped__ = function
    return wrapper


outer = wrapped(wrapped(sending))


def second(value, channel):
    return [value, channel]


def gated(channel, gate, values):
    """The first at once, each other when the gate lets it."""
    passes = os.open(gate, os.O_RDONLY)
    for value in values:
        channel.send(value)
        os.read(passes, 1)
    return 'end'


def printing(channel, values):
    for value in values:
        sys.stdout.write('before %s\n' % value)
        channel.send(value)
        sys.stderr.write('after %s\n' % value)


def failing(channel, message):
    channel.send(1)
    raise ValueError(message)


def unsendable(channel):
    channel.send(1)
    channel.send(open)


def forgiving(channel):
    try:
        channel.send(open)
    except TypeError:
        channel.send('refused')


def told(action, *args):
    try:
        return action(*args)
    except (TypeError, ValueError):
        return str(sys.exc_info()[1])


def asking(channel):
    for action in channel.receive, lambda: iter(channel), lambda: [each for each in channel]:
        channel.send(told(action))


def closing(channel):
    channel.__enter__()
    before = channel.open()
    channel.__exit__(None, None, None)
    return [before, channel.open(), told(channel.send, 1)]


def leaving(channel, count):
    """Returns while a thread goes on sending."""
    sent = []

    def send():
        while told(channel.send, len(sent)) is None:
            sent.append(1)
    thread.start_new_thread(send, ())
    while len(sent) < count:
        time.sleep(.001)


def threads(channel, count, each):
    running = []
    for number in range(count):
        running.append(thread.allocate_lock())
        running[number].acquire()

        def send(number=number):
            for step in range(each):
                channel.send([number, step, 'x' * 1000])
            running[number].release()
        thread.start_new_thread(send, ())
    for lock in running:
        lock.acquire()


def endless(channel):
    number = 0
    while channel.open():
        channel.send(number)
        number += 1


def resting(channel):
    channel.send('first')
    while channel.open():
        time.sleep(1000)


def ahead(channel, consumed, total, size):
    """Each message tells how many made before it have not been consumed yet, and what memory that took."""
    taken = os.open(consumed, os.O_RDONLY | os.O_NONBLOCK)
    done = 0
    for number in range(total):
        if select.select([taken], [], [], 0)[0]:
            done += len(os.read(taken, 65536))
        channel.send([number - done, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10, 'x' * size])
