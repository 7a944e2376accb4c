"""chopsticks. Its agent needs a Python that still has `imp`: 3.11 at most, at both ends."""

import os
import time
import warnings

warnings.simplefilter('ignore')  # of `imp`, on each start

from chopsticks.group import Group
from chopsticks.queue import Queue
from chopsticks.tunnel import Local, SSHTunnel, SubprocessTunnel

import measure


def tunnel(python, target):
    SubprocessTunnel.python3 = python
    return Local() if target == 'local' else SSHTunnel(target)


def connect(python, target):
    there = tunnel(python, target)
    measure.say(time=there.call(time.time))
    there.close()


def first_call(python, target, folder, named):
    function = measure.function_of(folder, named)
    there = tunnel(python, target)
    measure.say(value=there.call(function))
    there.close()


def put(python, target, source, copy):
    there = tunnel(python, target)
    measure.say(bytes=there.put(source, copy)['size'])
    there.close()


def fetch(python, target, source, copy):
    there = tunnel(python, target)
    measure.say(bytes=there.fetch(source, copy)['size'])
    there.close()


def calls(python):
    there = tunnel(python, 'local')

    def at_once(count):
        queue = Queue()  # the nearest that it has: sends each call when the one before has returned
        results = [queue.call(there, os.getpid) for _ in range(count)]
        queue.run()
        assert all(result.value == results[0].value for result in results)

    measure.calls(lambda: there.call(os.getpid), at_once)
    there.close()


def contexts(python, count):
    SubprocessTunnel.python3 = python
    group = Group([Local(f'c{number}') for number in range(int(count))])

    def connect_and_call(_):
        results = group.call(os.getpid)
        results.raise_failures()
        return list(results.values())

    measure.contexts(int(count), connect_and_call)
    group.close()


def group(python, count):
    SubprocessTunnel.python3 = python
    group = Group([Local(f'c{number}') for number in range(int(count))])
    measure.group(lambda: group.call(os.getpid).values(), int(count))
    group.close()


def fan_out(python, prefix, count):
    SubprocessTunnel.python3 = python
    group = Group([SSHTunnel(f'{prefix}{number}') for number in range(1, int(count) + 1)])
    results = group.call(os.system, 'true')
    results.raise_failures()
    measure.say(failed=sum(map(bool, results.values())))
    group.close()


def shell(python, command):
    there = tunnel(python, 'local')
    measure.say(status=there.call(os.system, command))
    there.close()


if __name__ == '__main__':
    measure.main(connect=connect, first_call=first_call, calls=calls, contexts=contexts, group=group, fan_out=fan_out, shell=shell, put=put,
                 fetch=fetch)
