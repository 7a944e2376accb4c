"""hopvine from Python: what `hopvine py` runs."""

import os

from hopvine import Group, Local

import measure


def calls(python):
    there = Local('c', python=python)

    def at_once(count):
        for result in [there.call_async(os.getpid) for _ in range(count)]:
            result.get()

    measure.calls(lambda: there.call(os.getpid), at_once)
    there.close()


def group(python, count):
    group = Group([Local('c%d' % number, python=python) for number in range(int(count))])
    measure.group(lambda: group.call(os.getpid).raise_failures().values(), int(count))
    group.close()


if __name__ == '__main__':
    measure.main(calls=calls, group=group)
