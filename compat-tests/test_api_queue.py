"""Queues of a script: many operations, each host busy with its own in their order."""

import signal
import textwrap
import time

import pytest

from harness.pythons import discover, oldest_and_newest

EVERY = pytest.mark.parametrize('python', discover(), ids=repr)
ENDS = pytest.mark.parametrize('python', oldest_and_newest(), ids=repr)
START = '''
queue, a, b = Queue(), here('a'), here('b')
both = Group([a, b])
def note(text):
    os.write(os.open(sys.argv[0] + '.log', os.O_WRONLY | os.O_APPEND | os.O_CREAT), (text + ' ').encode())
    return text
'''


@pytest.fixture
def told(scripts):
    def told(python, text, *words, **options):
        return scripts.told(python, START + textwrap.dedent(text), scripts.hop.scratch, *words, **options)
    return told


@EVERY
def test_results_come_with_run(told, python):
    assert told(python, '''
        one, all = queue.call(a, len, 'abc'), queue.call(both, sorted, 'ba')
        for result in (one, all):
            try:
                result.value
            except NotCompleted:
                print('not completed')
        print(queue.run(), one.value, all.value == {'a': ['a', 'b'], 'b': ['a', 'b']}, type(all.value).__name__, list(all.value))
        print(queue.run())
    ''') == ['not completed', 'not completed', "None 3 True GroupResult ['a', 'b']", 'None']


@ENDS
def test_hosts_do_not_wait_for_each_other_and_each_keeps_its_order(told, python):
    """What a does second opens the gate of what b does first, and the other way round for the third."""
    assert told(python, '''
        gate, back = sys.argv[1] + '/gate', sys.argv[1] + '/back'
        os.mkfifo(gate)
        os.mkfifo(back)
        def opens(path):
            open(path, 'w').write('.')
        def waits(path):
            return open(path).read()
        seen = []
        def noted(name):
            return lambda value: seen.append(name)
        queue.call(a, len, '').with_callback(noted('a1'))
        queue.call(a, opens, gate).with_callback(noted('a2'))
        queue.call(a, waits, back).with_callback(noted('a3'))
        queue.call(b, waits, gate).with_callback(noted('b1'))
        queue.call(b, opens, back).with_callback(noted('b2'))
        queue.run()
        print([name for name in seen if name[0] == 'a'], [name for name in seen if name[0] == 'b'])
    ''') == ["['a1', 'a2', 'a3'] ['b1', 'b2']"]


@EVERY
def test_callbacks_add_more_also_for_hosts_not_seen_before(told, python):
    assert told(python, '''
        seen = []
        def further(value):
            seen.append(value)
            queue.call(here('new'), len, 'four').with_callback(seen.append)
            queue.call(a, len, 'fives').with_callback(seen.append)
        result = queue.call(a, len, 'abc')
        print(result.with_callback(further) is result)
        queue.run()
        print(sorted(seen))
        result.with_callback(lambda value: seen.append('at once'))
        print(seen[-1])
    ''') == ['True', '[3, 4, 5]', 'at once']


@ENDS
def test_a_callback_may_run_the_queue(told, python):
    """Then nothing is left when that returns, and what ran meanwhile goes on."""
    assert told(python, '''
        class Refused(SubprocessTunnel):
            host = 'bad'
            def cmd_args(self):
                return ['sh', '-c', 'exit 7']
        bad, seen = Refused(), []
        def further(value):
            if value < 3:
                results = [queue.call(a, len, 'x' * (value + 1)).with_callback(further), queue.call(b, len, 'ab')]
                queue.run()
                seen.append((value, [result.value for result in results]))
        def again(value):
            result = queue.call(a, len, 'abcde')
            queue.run()
            seen.append(result.value)
        queue.call(a, len, '').with_callback(further)
        last = queue.call(b, len, 'abcd'), queue.call(a, len, 'abcdef')
        queue.run()
        print(seen, [result.value for result in last])
        del seen[:]
        queue.call(bad, len, 'a').with_callback(again)
        queue.call(bad, len, 'b').with_callback(again)
        queue.call(bad, len, 'c').with_callback(again)
        queue.run()
        print(seen)
    ''') == ['[(2, [3, 2]), (1, [2, 2]), (0, [1, 2])] [4, 6]', '[5, 5, 5]']


@ENDS
def test_a_callback_that_raises_is_told_and_stops_nothing(scripts, python):
    result = scripts(python, START + '''
def broken(value):
    raise ValueError('in a callback')
queue.call(a, len, 'abc').with_callback(broken)
other = queue.call(a, len, 'abcd')
queue.run()
print(other.value)
''')
    assert (result.rc, result.lines) == (0, ['4']), result
    assert "raise ValueError('in a callback')" in result.said and 'a callback has failed' in result.said, result


@ENDS
def test_what_fails_is_a_result_and_the_next_runs(told, python):
    lines = told(python, '''
        def fails():
            raise ValueError('no')
        first, second = queue.call(a, fails), queue.call(a, len, 'ab')
        third = queue.call(both, fails)
        unsendable = queue.call(a, len, sys.stdin.read)
        queue.run()
        print(first.value, second.value, [value.msg for value in third.value.values()], type(unsendable.value).__name__)
        try:
            first.get()
        except RemoteException:
            print(sys.exc_info()[1].message)
    ''')
    assert lines == ["ErrorResult('ValueError: no') 2 ['ValueError: no', 'ValueError: no'] ErrorResult", 'no'], lines


@ENDS
def test_a_host_that_cannot_be_reached_is_tried_once(told, python):
    lines = told(python, '''
        class Refused(SubprocessTunnel):
            host = 'bad'
            def cmd_args(self):
                open(os.path.join(sys.argv[1], 'tried'), 'a').write('x')
                return ['sh', '-c', 'exit 7']
        bad = Refused()
        results = [queue.call(bad, len, 'a'), queue.call(bad, len, 'b'), queue.connect(bad), queue.call(bad, len, 'c')]
        good = queue.call(a, len, 'abc')
        queue.run()
        print([result.value.kind for result in results], good.value)
        print(results[0].value is results[1].value, results[2].value is results[3].value, open(os.path.join(sys.argv[1], 'tried')).read())
    ''')
    assert lines == ["['start_failed', 'start_failed', 'start_failed', 'start_failed'] 3", 'True True xx'], lines


@EVERY
def test_files_commands_and_connections(told, python):
    lines = told(python, '''
        place = os.path.join(sys.argv[1], 'f')
        open(place, 'w').write('content')
        connected = queue.connect(both)
        put = queue.put(both, place, place + '-there')
        fetched = queue.fetch(both, place + '-there', place + '-{host}')
        one = queue.fetch(a, place, place + '-one')
        ran = queue.command(both, 'exit 4')
        queue.run()
        print(connected.value, [value['size'] for value in put.value.values()], [os.path.basename(value['local_path']) for value in fetched.value.values()])
        print(one.value['size'], [value.status for value in ran.value.values()])
        try:
            queue.fetch(both, place, place)
        except ValueError:
            print('refused')
        nothing = queue.call(Group([]), len)
        print(nothing.value)
    ''')
    assert lines == ["{'a': None, 'b': None} [7, 7] ['f-a', 'f-b']", '7 [4, 4]', 'refused', '{}'], lines


@ENDS
def test_an_interrupt_stops_what_runs(scripts, python):
    live = scripts.start(python, START + '''
def stays():
    sys.stderr.write('up\\n')
    time.sleep(1000)
results = [queue.call(a, stays), queue.call(b, stays)]
later = queue.call(a, len, 'abc')
try:
    queue.run()
except KeyboardInterrupt:
    print([result.value.kind for result in results])
queue.run()
print(later.value)
''')
    for host in (b'a: up', b'b: up'):
        live.until(host, 'err')
    sent = time.monotonic()
    live.signal(signal.SIGINT)
    live.until(b'interrupted')
    assert time.monotonic() - sent < 1
    assert live.finish().lines == ["['interrupted', 'interrupted']", '3']


@ENDS
def test_all_keywords_are_the_functions(told, python):
    assert told(python, '''
        def shows(*args, **named):
            return args, sorted(named.items())
        named = dict(self=1, target=2, function=3)
        result = queue.call(a, shows, 7, **named)
        queue.run()
        print(result.value == ((7,), sorted(named.items())))
        for call in a.call, lambda *args, **named: a.call_async(*args, **named).get(), lambda *args, **named: both.call(*args, **named)['b']:
            print(call(shows, 7, **named) == result.value)
        for call in a.call, a.call_async, both.call, queue.call:
            try:
                call()
            except TypeError:
                print(sys.exc_info()[1])
    ''') == ['True'] * 4 + ['function: it is missing, and goes by its place'] * 3 + ['target: it is missing, and goes by its place']


@ENDS
def test_what_is_no_target_is_refused(told, python):
    assert told(python, '''
        for target in ('a', None, [a]):
            try:
                queue.call(target, len)
            except TypeError:
                print(str(sys.exc_info()[1]).split(':')[0])
    ''') == ['target'] * 3
