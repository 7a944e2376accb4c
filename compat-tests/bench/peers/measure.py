"""What the peers' scripts share. Light: its import is part of the time to their first result."""

import importlib
import sys
import time

CALLS = 2000
# The first ones import and fill caches.
WARM_UP_CALLS = 50
GROUP_CALLS = 20
WARM_UP_GROUP_CALLS = 3


def say(**figures):
    """One JSON object of numbers, on a line of its own, at once."""
    sys.stdout.write('{%s}\n' % ', '.join('"%s": %r' % pair for pair in figures.items()))
    sys.stdout.flush()


def calls(one, at_once):
    """`one()` calls and waits; `at_once(n)` makes n calls and then takes their results."""
    for _ in range(WARM_UP_CALLS):
        one()
    began = time.perf_counter()
    for _ in range(CALLS):
        one()
    turned = time.perf_counter()
    at_once(CALLS)
    ended = time.perf_counter()
    say(sequential_us=(turned - began) / CALLS * 1e6, pipelined_us=(ended - turned) / CALLS * 1e6)


def group(on_all, count):
    """`on_all()` calls on each of so many contexts and returns their process ids."""
    for _ in range(WARM_UP_GROUP_CALLS):
        assert len(set(on_all())) == count
    began = time.perf_counter()
    for _ in range(GROUP_CALLS):
        on_all()
    say(group_ms=(time.perf_counter() - began) / GROUP_CALLS * 1e3)


def function_of(folder, named):
    """`MODULE:FUNCTION` from a folder of the user's."""
    sys.path.insert(0, folder)
    module, function = named.split(':')
    return getattr(importlib.import_module(module), function)


def contexts(count, connect_and_call):
    """`connect_and_call(count)` makes contexts, calls in each and returns their process ids; all stay until later."""
    before = resident_kb('self')
    pids = connect_and_call(count)
    assert len(set(pids)) == count, pids
    say(contexts=count)
    each = (resident_kb('self') - before) / count
    say(controller_mb=kilobytes('self', 'VmHWM') / 1024, each_kb=each, agent_mb=proportional_mb([pid] for pid in pids))


def proportional_mb(agents):
    """The median of their shares of memory; each is the ids of its processes."""
    shares = sorted(sum(kilobytes(pid, 'Pss', 'smaps_rollup') for pid in agent) for agent in agents)
    return shares[len(shares) // 2] / 1024


def resident_kb(pid):
    """Counted page by page: what `status` says is off by some pages for each core."""
    return kilobytes(pid, 'Rss', 'smaps_rollup')


def kilobytes(pid, field, file='status'):
    return number(pid, field, file)


def number(pid, field, file='status'):
    with open('/proc/%s/%s' % (pid, file)) as lines:
        for line in lines:
            if line.startswith(field + ':'):
                return int(line.split()[1])
    raise LookupError('%s of process %s' % (field, pid))


def main(**verbs):
    """with_PEER.py VERB PYTHON [ARGUMENT]: the verb is given what follows it."""
    verbs[sys.argv[1]](*sys.argv[2:])
