"""Threads, interrupts and what happens beside them: who waits reads, nobody else is kept from anything."""

import signal
import subprocess
import time

import pytest

from harness.process import exits
from harness.pythons import discover, oldest_and_newest

EVERY = pytest.mark.parametrize('python', discover(), ids=repr)
ENDS = pytest.mark.parametrize('python', oldest_and_newest(), ids=repr)
THREADS = '''
import threading
def at_once(*actions):
    errors = []
    def guarded(action):
        try:
            action()
        except BaseException:
            errors.append(repr(sys.exc_info()[1]))
    threads = [threading.Thread(target=guarded, args=(action,)) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        while thread.is_alive():
            thread.join(.2)
    return errors
'''


@EVERY
def test_several_threads_use_the_same_tunnels(scripts, python):
    lines = scripts.told(python, THREADS + '''
tunnels = [here('a'), here('b')]
def works(number):
    def run():
        for turn in range(100):
            tunnel = tunnels[(number + turn) % 2]
            assert tunnel.call(divmod, number * 1000 + turn, 7) == divmod(number * 1000 + turn, 7)
            if turn % 25 == 0:
                assert tunnel.call(str.upper, 'x' * 100000) == 'X' * 100000
    return run
print(at_once(*[works(number) for number in range(8)]))
print(len(set([tunnel.call(os.getpid) for tunnel in tunnels])))
''')
    assert lines == ['[]', '2']


@ENDS
def test_a_result_does_not_wait_for_the_call_behind_it(scripts, fifo, python):
    """The main thread leaves a result to the agent's loop where another call waits, and takes that; here the loop gets no
    turn from before the result until then."""
    gate = fifo('gate')
    assert scripts.told(python, '''
def unlucky():
    import time
    core = sys.modules['hopvine_core']
    own, this, ends, was = core.lock, core.thread.get_ident(), time.time() + 10, []
    class Lock:
        def acquire(self, *how):
            by = sys._getframe(1)
            if core.thread.get_ident() != this and by.f_code.co_name == 'loop':
                was.append(by.f_lineno)
                if was[:-1] and was[-1] < was[-2]:
                    was.append('held')
                    while core.jobs and time.time() < ends:
                        core.readable([], .001)
                    core.lock = own
            return own.acquire(*how)
        def release(self):
            own.release()
    core.lock = Lock()
    while not (core.jobs and 'held' in was) and time.time() < ends:
        core.readable([], .001)
    return 'held' in was
def waits(path):
    return open(path).readline().strip()
tunnel = here('a')
first, second = tunnel.call_async(unlucky), tunnel.call_async(waits, sys.argv[1])
print(first.get(10))
gate = open(sys.argv[1], 'w')
gate.write('open\\n')
gate.close()
print(second.get(10))
''', gate) == ['True', 'open']


@ENDS
def test_what_took_too_long_is_put_in_order_before_its_tunnel_ends(scripts, fifo, python):
    done = fifo('done')
    assert scripts.told(python, '''
def cleans(path):
    import time
    try:
        time.sleep(1000)
    finally:
        time.sleep(.3)
        told = open(path, 'w')
        told.write('clean\\n')
        told.close()
try:
    with here('a') as tunnel:
        tunnel.call(cleans, sys.argv[1], timeout=.5)
except hopvine.TimedOut:
    print('late')
''', done) == ['late']
    assert done.read_lines(1) == ['clean']


@ENDS
def test_an_interrupt_leaves_no_lock_of_the_agent_behind(scripts, python):
    """Here the signal comes when the lock for fetching parts has just been taken."""
    assert scripts.told(python, '''
def unlucky():
    import time
    core = sys.modules['hopvine_core']
    own = core.fetching
    class Lock:
        locked, release = own.locked, own.release
        def acquire(self):
            own.acquire()
            core.inside.again = -1
            core.interrupt()
    try:
        time.sleep(1000)
    except KeyboardInterrupt:
        core.fetching = Lock()
        try:
            core.part('failure')
        finally:
            core.fetching = own
def is_held():
    return sys.modules['hopvine_core'].fetching.locked()
tunnel = here('a')
try:
    tunnel.call(unlucky, timeout=.5)
except hopvine.TimedOut:
    print(tunnel.call(is_held))
''') == ['False']


@ENDS
def test_a_thread_that_waits_long_holds_nobody_up(scripts, fifo, python):
    gate = fifo('gate')
    assert scripts.told(python, THREADS + '''
slow, quick = here('slow'), here('quick')
def waits(path):
    return open(path).readline()
seen = []
def first():
    seen.append(slow.call(waits, sys.argv[1]))
def second():
    slow.connect()
    for _ in range(50):
        seen.append(quick.call(len, 'ab'))
    quick.call(os.system, 'echo >%s' % sys.argv[1])
print(at_once(first, second), len(seen), seen[-1] == '\\n')
''', gate) == ['[] 51 True']


@ENDS
def test_a_wait_lets_other_threads_work(scripts, fifo, python):
    """The gate is opened by a thread of the very script that waits for the call behind it."""
    gate = fifo('gate')
    assert scripts.told(python, THREADS + '''
tunnel = here('a').connect()
def waits(path):
    return open(path).readline()
started = threading.Event()
def opens():
    started.wait()
    open(sys.argv[1], 'w').write('opened\\n')
worker = threading.Thread(target=opens)
worker.start()
started.set()
print(tunnel.call(waits, sys.argv[1]).strip())
worker.join()
''', gate) == ['opened']


@ENDS
def test_no_thread_is_started_for_calls(scripts, python):
    assert scripts.told(python, '''
        import threading
        tunnel = here('a')
        tunnel.call(os.system, 'echo out')
        print(threading.active_count(), len(os.listdir('/proc/self/task')))
        tunnel.call_async(len, 'abc').get()
        print(threading.active_count())
    ''') == ['a: out', '1 1', '2']


@EVERY
def test_output_and_results_come_while_the_script_does_something_else(scripts, fifo, python):
    """What the callback writes opens the gate at which the main thread waits."""
    gate = fifo('gate')
    lines = scripts.told(python, '''
        def opens(value):
            os.write(os.open(sys.argv[1], os.O_RDWR), b'open\\n')
        tunnel = here('a')
        result = tunnel.call_async(os.system, 'echo shown').with_callback(opens)
        print(open(sys.argv[1]).readline().strip(), result.value)
    ''', gate)
    assert lines == ['a: shown', 'open 0']


@ENDS
def test_a_callback_may_call(scripts, python):
    assert scripts.told(python, '''
        tunnel, other = here('a'), here('b')
        seen = []
        result = tunnel.call_async(len, 'abc').with_callback(lambda value: seen.append(other.call(len, 'x' * value)))
        result.get()
        print(tunnel.call(len, ''), seen)
    ''') == ['0 [3]']


@ENDS
def test_calls_beside_one_that_runs_in_the_background(scripts, fifo, python):
    gate = fifo('gate')
    assert scripts.told(python, '''
        def waits(path):
            return open(path).readline()
        slow, quick = here('slow'), here('quick')
        result = slow.call_async(waits, sys.argv[1])
        print(sum([quick.call(len, 'ab') for _ in range(200)]), result.completed)
        quick.call(os.system, 'echo >%s' % sys.argv[1])
        print(result.get() == '\\n')
    ''', gate) == ['400 False', 'True']


# Interrupts

STAYS = '''
tunnel = here('a')
def stays(path=None):
    bell = sys.stderr
    if path:
        bell = open(path, 'w')
    bell.write('up\\n')
    bell.flush()
    time.sleep(1000)
def command():
    tunnel.run('echo up >%s; exec sleep 1000' % sys.argv[1])
def result():
    waiting.append(tunnel.call_async(stays, sys.argv[1]))
    waiting[0].get()
waiting = []
try:
    {wait}
except KeyboardInterrupt:
    print('interrupted')
    sys.stdout.flush()
# A result that others may wait for is stopped by whoever wants that.
for each in waiting:
    print(each.completed)
    each.cancel()
print(tunnel.call(len, 'abc'))
'''


@EVERY
@pytest.mark.parametrize('wait', ['tunnel.call(stays)', 'command()', 'result()'])
def test_an_interrupt_ends_a_wait_at_once(scripts, fifo, python, wait):
    up = fifo('up')
    live = scripts.start(python, STAYS.format(wait=wait), up)
    if wait == 'tunnel.call(stays)':
        live.until(b'up', 'err')
    else:
        # Nothing is shown meanwhile: a result whose output an interrupt meets is not whole any more.
        up.read_lines(1)
    sent = time.monotonic()
    live.signal(signal.SIGINT)
    live.until(b'interrupted\n')
    assert time.monotonic() - sent < 1
    assert live.finish().lines == ['interrupted', *['False'] * (wait == 'result()'), '3']


@ENDS
def test_an_interrupt_while_another_thread_reads(scripts, fifo, python):
    gate = fifo('gate')
    live = scripts.start(python, THREADS + '''
other, tunnel = here('other').connect(), here('a').connect()
def waits(path):
    return open(path).readline()
def stays():
    sys.stderr.write('up\\n')
    time.sleep(1000)
seen = []
worker = threading.Thread(target=lambda: seen.append(other.call(waits, sys.argv[1])))
worker.start()
try:
    tunnel.call(stays)
except KeyboardInterrupt:
    print('interrupted')
    sys.stdout.flush()
open(sys.argv[1], 'w').write('x\\n')
worker.join()
print(seen, tunnel.call(len, 'abc'))
''', gate)
    live.until(b'up', 'err')
    sent = time.monotonic()
    live.signal(signal.SIGINT)
    live.until(b'interrupted\n')
    assert time.monotonic() - sent < 1
    assert live.finish().lines == ['interrupted', "['x\\n'] 3"]


@ENDS
def test_an_interrupt_during_connect(scripts, fifo, python):
    up = fifo('up')
    live = scripts.start(python, '''
        class Mute(SubprocessTunnel):
            host = 'mute'
            def cmd_args(self):
                return ['sh', '-c', 'echo up >%s; exec sleep 1000' % sys.argv[1]]
        try:
            Mute().connect()
        except KeyboardInterrupt:
            print('interrupted')
    ''', up)
    up.read_lines(1)
    sent = time.monotonic()
    live.signal(signal.SIGINT)
    assert live.finish(10).lines == ['interrupted'] and time.monotonic() - sent < 1.5


@ENDS
def test_a_script_that_ends_while_something_runs_ends_it(scripts, python):
    live = scripts.start(python, '''
        def stays():
            sys.stderr.write('%d\\n' % os.getpid())
            time.sleep(1000)
        tunnel = here('a')
        result = tunnel.call_async(stays)
        sys.stdin.readline()
    ''', stdin=subprocess.PIPE)
    live.until(b'\n', 'err')
    pid = int(live.outputs['err'].decode().split()[-1])
    began = time.monotonic()
    live.end_input()
    assert live.finish(10).rc == 0 and time.monotonic() - began < 5
    assert exits(pid, time.monotonic() + 1)


@EVERY
def test_large_values_go_both_ways(scripts, python):
    assert scripts.told(python, '''
        tunnel = here('a')
        def doubled(data):
            return data + data
        data = bytes(bytearray(range(256)) * 40000)
        print(tunnel.call(doubled, data) == data + data)
        tunnel.output = lambda host, stream, line: seen.append(len(line))
        seen = []
        tunnel.call(os.system, 'head -c 30000000 /dev/zero | tr "\\\\0" x | fold -w 1000')
        print(sum(seen))
    ''') == ['True', '30000000']
