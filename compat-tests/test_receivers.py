"""Who reads several channels at once, in scripts: receivers, selects, and the items of remote generators."""

import pytest

from harness.api import PRODUCER
from harness.pythons import discover, oldest_and_newest

EVERY = pytest.mark.parametrize('python', discover(), ids=repr)
ENDS = pytest.mark.parametrize('python', oldest_and_newest(), ids=repr)


# Receivers

@ENDS
def test_a_receiver_of_a_group_knows_who_has_sent_what(told, python):
    assert told(python, '''
def tells(receiver, name):
    for number in range(3):
        receiver.send(number)
    return os.getpid()
group = Group([here(name) for name in 'abc'])
receiver = Receiver()
messages = beside(lambda: sorted(receiver.messages()))
print(len(group.call(tells, receiver, 'x').raise_failures()))
print(messages())
print(receiver.open(), raised(receiver.receive), list(receiver))
queue = Queue()
receiver = Receiver()
queue.call(group, tells, receiver, 'y')
messages = beside(lambda: sorted(receiver))
queue.run()
print(messages())
group.close()
''') == ['3', str([(name, number) for name in 'abc' for number in range(3)]),
         'False ChannelClosed: all who sent have closed their channels []', str([0, 0, 0, 1, 1, 1, 2, 2, 2])]


@ENDS
def test_who_is_lost_is_told_and_the_others_go_on(told, python):
    lines = told(python, '''
def tells(receiver, name):
    receiver.send(name)
    if name == 'b':
        os._exit(3)
    receiver.send(name.upper())
tunnels = [here(name) for name in 'abc']
receiver = Receiver()
results = [tunnel.call_async(tells, receiver, tunnel.host) for tunnel in tunnels]
print(sorted(receiver))
print(sorted(receiver.errors), 'status 3' in str(receiver.errors['b']))
for tunnel in tunnels:
    tunnel.close()
''')
    assert lines[1] == "['b'] True" and eval(lines[0]) in (['A', 'C', 'a', 'b', 'c'], ['A', 'C', 'a', 'c']), lines


@ENDS
def test_a_closed_receiver_stops_all_who_send(told, tmp_path, python):
    assert told(python, PRODUCER + '''
group = [here(name) for name in 'ab']
receiver = Receiver()
results = [tunnel.call_async(floods, receiver, sys.argv[1] + tunnel.host, 10000, 10000) for tunnel in group]
receiver.receive()
receiver.close()
print([result.get(20)[1] for result in results], list(receiver))
for tunnel in group:
    tunnel.close()
''', tmp_path / 'counter') == ["['ChannelClosed', 'ChannelClosed'] []"]


# Select

@ENDS
def test_a_select_over_three_receivers_that_another_thread_drains(told, python):
    assert told(python, '''
tunnels = [here(name) for name in 'abc']
receivers = [Receiver() for _ in tunnels]
select = Select(receivers)
print(raised(select.get, timeout=0))
drained = beside(lambda: [list(receiver) for receiver in receivers])
results = [tunnel.call_async(count, receiver, 500) for tunnel, receiver in zip(tunnels, receivers)]
taken = [value for source, value in select]
left = drained()
print(sorted(taken + sum(left, [])) == sorted(list(range(500)) * 3))
print(raised(select.get, timeout=0), raised(select.get))
for tunnel in tunnels:
    tunnel.close()
''') == ['TimedOut: nothing has come within 0 s', 'True',
         ' '.join(['ChannelClosed: the Select has nothing to wait for: add() a channel, a receiver or a result'] * 2)]


@ENDS
def test_a_select_of_channels_results_generators_and_selects(told, python):
    assert told(python, '''
def yields():
    yield 'item'
with here('a') as tunnel, here('b') as other:
    channel, receiver = Channel(), Receiver()
    inner = Select([receiver])
    select = Select([channel, inner])
    first = tunnel.call_async(count, channel)
    second = other.call_async(count, receiver, 2)
    third = tunnel.call_async(divmod, 1, 0)
    generator = other.call(yields)
    for source in first, third, generator:
        select.add(source)
    names = {id(channel): 'channel', id(receiver): 'receiver', id(first): 'first', id(third): 'third', id(generator): 'items'}
    seen = [(names[id(source)], repr(value).split('(')[0]) for source, value in select]
    print(sorted(seen))
    print(raised(select.add, 7), raised(select.add, select), sep='|')
    select.add(inner)
    print(raised(inner.add, select), raised(select.add, inner), raised(select.remove, channel), sep='|')
    select.remove(inner)
    print(raised(select.get))
''') == [
        "[('channel', '0'), ('channel', '1'), ('channel', '2'), ('first', 'None'), ('items', \"'item'\"), ('receiver', '0'), "
        "('receiver', '1'), ('third', 'ErrorResult')]",
        'TypeError: a Select waits for channels, receivers, remote generators, AsyncResults and Selects, and not for int|'
        'ValueError: a Select cannot wait for itself',
        'ValueError: a Select cannot wait for itself|ValueError: it waits for this already|ValueError: it does not wait for this',
        'ChannelClosed: the Select has nothing to wait for: add() a channel, a receiver or a result']


@ENDS
def test_what_is_added_or_removed_meanwhile_counts(told, python):
    assert told(python, '''
with here('a') as tunnel:
    never, channel = Channel(), Channel()
    select = Select([never])
    wait = beside(lambda: select.get()[1])
    select.add(channel)
    tunnel.call_async(count, channel, 1)
    print(wait())
    wait = beside(select.get)
    select.remove(never)
    print(wait())
''') == ['0', 'ChannelClosed: the Select has nothing to wait for: add() a channel, a receiver or a result']


@ENDS
def test_a_select_is_told_who_is_lost(told, python):
    assert told(python, '''
def dies(channel):
    os._exit(9)
def waits(channel):
    channel.send(channel.receive())
with here('a') as tunnel, here('b') as other:
    lost, channel = Channel(), Channel()
    select = Select([lost, channel])
    tunnel.call_async(dies, lost)
    other.call_async(waits, channel)
    try:
        select.get()
    except ConnectionFailed:
        print(sys.exc_info()[1].source is lost)
    channel.send('goes on')
    print([value for source, value in select])
''') == ['True', "['goes on']"]


# Remote generators

@EVERY
def test_the_items_of_a_remote_generator(told, python):
    assert told(python, '''
def yields(stop):
    for number in range(stop):
        yield {'n': number}
    if stop == 3:
        raise LookupError('no more')
with here('a') as tunnel:
    print(sum([item['n'] for item in tunnel.call(yields, 10000)]))
    items = tunnel.call(yields, 3)
    print(next(items), next(items), next(items), raised(next, items).split('\\n')[0])
    print(raised(lambda: list(items)), type(raised(next, items)).__name__)
    print(list(tunnel.call_async(yields, 2).get()))
''') == ['49995000', "{'n': 0} {'n': 1} {'n': 2} RemoteException: a: LookupError: no more", '[] str', "[{'n': 0}, {'n': 1}]"]


@ENDS
@pytest.mark.parametrize('how', ['items.close()', 'del items', 'result = items = None', 'raise_in_a_loop(items); del items'])
def test_who_lets_go_of_the_items_ends_the_generator(told, fifo, python, how):
    bell = fifo('bell')
    assert told(python, '''
import gc
gc.disable()
def endless(bell):
    try:
        number = 0
        while True:
            yield 'x' * 1000
            number += 1
    finally:
        time.sleep(.3)
        with open(bell, 'w') as out:
            out.write('closed after less than 1000: %s\\n' % (number < 1000))
def raise_in_a_loop(items):
    try:
        for item in items:
            raise ValueError
    except ValueError:
        pass
with here('a') as tunnel:
    result = tunnel.call_async(endless, sys.argv[1])
    items = result.get()
    result = None
    print(len(next(items)))
    LET_GO
    print(tunnel.call(len, 'ab'))
'''.replace('LET_GO', how), bell) == ['1000', '2']
    assert bell.read_lines(1) == ['closed after less than 1000: True']


@ENDS
def test_what_a_generator_prints_comes_with_its_items(told, python):
    lines = told(python, '''
def prints():
    print('before')
    yield 1
    sys.stdout.write('after')
with here('a') as tunnel:
    for item in tunnel.call(prints):
        print('item', item)
''')
    assert lines[0] == 'a: before' and sorted(lines) == ['a: after', 'a: before', 'item 1'], lines


@ENDS
def test_an_agent_that_is_killed_ends_the_iteration_with_an_error(told, python):
    lines = told(python, '''
def yields():
    yield os.getpid()
    while True:
        yield 'x' * 1000
with here('a') as tunnel:
    items = tunnel.call(yields)
    os.kill(next(items), 9)
    print(raised(lambda: [0 for item in items]))
''')
    assert lines[0].startswith('ConnectionFailed: a: ') and 'SIGKILL' in lines[0], lines
