"""Channels in scripts: values that come while remote code runs, in both directions, at the pace of whoever reads, and a word to
everybody who waits when there is an end."""

import os
import pathlib
import signal

import pytest

from harness.api import CHANNELS, PRODUCER
from harness.process import peak_bytes
from harness.pythons import discover, oldest_and_newest

EVERY = pytest.mark.parametrize('python', discover(), ids=repr)
ENDS = pytest.mark.parametrize('python', oldest_and_newest(), ids=repr)
MiB = 1 << 20


# Both directions

@EVERY
def test_new_lines_of_a_log_come_as_they_are_written(told, tmp_path, python):
    """The example of the document that asks for it."""
    log = tmp_path / 'messages'
    log.write_text('old\n')
    assert told(python, '''
def tail(channel, path):
    size = os.path.getsize(path)
    channel.send('looks')
    while channel.open():
        new = os.path.getsize(path)
        if new == size:
            time.sleep(.01)
            continue
        elif new < size:
            size = 0
        source = open(path)
        source.seek(size)
        channel.send(source.read(new - size))
        source.close()
        size = new
    return 'nobody listens'
channel = Channel()
with here('a') as tunnel:
    result = tunnel.call_async(tail, channel, path=sys.argv[1])
    print(channel.receive(), channel.open())
    for how, text in ('a', 'one\\n'), ('a', 'two\\nthree\\n'), ('w', 'anew\\n'):
        with open(sys.argv[1], how) as log:
            log.write(text)
        print(repr(str(channel.receive(timeout=30))))
    channel.close()
    print(result.get(30), channel.open())
''', log) == ['looks True', "'one\\n'", "'two\\nthree\\n'", "'anew\\n'", 'nobody listens False']


@ENDS
def test_what_goes_down_comes_back(told, python):
    assert told(python, '''
class Own(object):
    def __init__(self, what):
        self.what = what
    def __eq__(self, other):
        return self.what == other.what
def whats(channel):
    for own in channel:
        channel.send(own.what)
values = [None, True, -1, 10 ** 30, 1.5, u'\\xe9', {'a': [1, (2,)]}, set([1]), [u'x' * 100000]]
with here('a') as tunnel:
    channel = Channel()
    result = tunnel.call_async(echo, channel, 'and', 7)
    for value in values:
        channel.send(value)
        assert channel.receive() == (value, 'and', 7), value
    channel.close()
    print(result.get())
    channel = Channel()
    tunnel.call_async(whats, channel)
    channel.send(Own('an instance of a class of the script'))
    print(channel.receive())
''') == ['the end', 'an instance of a class of the script']


@ENDS
def test_a_channel_may_stand_anywhere_among_the_arguments(told, python):
    assert told(python, '''
def tells(first, where, last=None):
    for channel in first, where['here'][0], last:
        channel.send(id(channel))
        channel.close()
    return first is not last
channels = [Channel() for _ in range(3)]
with here('a') as tunnel:
    result = tunnel.call_async(tells, channels[0], {'here': [channels[1]]}, last=channels[2])
    print([len(list(channel)) for channel in channels], result.get())
''') == ['[1, 1, 1] True']


@ENDS
def test_what_was_sent_before_it_was_closed_comes_also_where_the_call_has_not_begun(told, fifo, python):
    gate = fifo('gate')
    assert told(python, '''
def waits(gate):
    open(gate).readline()
def takes(channel):
    return channel.open(), list(channel)
with here('a') as tunnel:
    before = tunnel.call_async(waits, sys.argv[1])
    channel = Channel()
    result = tunnel.call_async(takes, channel)
    for number in range(3):
        channel.send(number)
    channel.close()
    with open(sys.argv[1], 'w') as gate:
        gate.write('go\\n')
    print(before.get(), result.get())
    for number in range(20):
        channel = Channel()
        result = tunnel.call_async(takes, channel)
        channel.send(number)
        channel.close()
        assert result.get()[1] == [number], number
''', gate) == ['None (False, [0, 1, 2])']


@ENDS
def test_the_other_end_is_closed_when_nobody_has_it(told, python):
    assert told(python, '''
def returns(channel):
    channel.send(1)
def raises(channel):
    channel.send(2)
    raise ValueError('on purpose')
def leaves(channel):
    with channel as same:
        same.send(3)
        assert same is channel
    kept.append(channel)
    return raised(channel.send, 4)
kept = []
def keeps(channel):
    channel.send(5)
    kept.append(channel)
def forgets():
    kept.pop().send(6)
with here('a') as tunnel:
    for function in returns, raises, leaves:
        channel = Channel()
        result = tunnel.call_async(function, channel)
        print(list(channel), str(raised(result.get)).split('\\n')[0], raised(channel.receive))
    channel = Channel()
    tunnel.call(keeps, channel)
    print(channel.receive(), channel.open())
    tunnel.call(forgets)
    print(list(channel), channel.open())
''') == ['[1] None ChannelClosed: the channel is closed',
         '[2] RemoteException: a: ValueError: on purpose ChannelClosed: the channel is closed',
         '[3] ChannelClosed: the channel is closed ChannelClosed: the channel is closed', '5 True', '[6] False']


@ENDS
def test_what_is_no_value_fails_that_send_and_nothing_else(told, python):
    assert told(python, '''
def tries(channel):
    channel.send(raised(channel.send, [1, raised]))
    for value in channel:
        channel.send(value)
with here('a') as tunnel:
    channel = Channel()
    tunnel.call_async(tries, channel)
    print(channel.receive())
    print(raised(channel.send, sys.stdin.__class__('x') if 0 else threading.Lock()).split(':')[:2])
    channel.send(2)
    print(channel.receive())
''') == ['TypeError: cannot send a value of type function', "['Unsendable', ' a value of type lock cannot be sent']", '2']


@ENDS
def test_what_is_too_large_for_a_message_is_refused_before_anything_goes(told, python):
    """It is no reason to close the channel."""
    lines = told(python, '''
with here('a') as tunnel:
    channel = Channel()
    result = tunnel.call_async(echo, channel)
    print(raised(channel.send, b'x' * 68 * 1024 * 1024))
    channel.send(1)
    print(channel.receive())
''')
    assert lines[0].startswith('Unsendable: what is sent on the channel (of type ') and '67104768' in lines[0], lines
    assert lines[1] == '(1,)', lines


@ENDS
def test_a_time_that_is_none(told, python):
    """Here and there."""
    lines = told(python, '''
def waits(channel, seconds):
    return channel.receive(seconds)
with here('a') as tunnel:
    for seconds in float('inf'), float('nan'):
        channel = Channel()
        result = tunnel.call_async(waits, channel, seconds)
        if seconds > 1:
            channel.send('here')
        print(raised(result.get, seconds) if seconds > 1 else raised(result.get).split('\\n')[0])
        print(raised(channel.receive, seconds))
    print(raised(result.get, float('nan')))
''')
    assert lines == ['here', 'ChannelClosed: the channel is closed',
                     'RemoteException: a: ValueError: timeout: a number of seconds, and not nan',
                     'ValueError: timeout: a number of seconds, and not nan'] + ['ValueError: timeout: a number of seconds, and not nan'], lines


@ENDS
def test_a_channel_goes_to_one_call_and_not_before(told, python):
    assert told(python, '''
channel = Channel()
print(raised(channel.send, 1))
with here('a') as tunnel:
    tunnel.call_async(count, channel)
    print(raised(tunnel.call_async, count, channel))
    print(list(channel))
    channel = Channel()
    channel.close()
    print(raised(tunnel.call_async, count, channel))
''') == ['HopvineError: the channel has no other end yet: pass it to call_async() first',
         'Unsendable: a Channel goes to one call, once: make another, or a Receiver for all of them', '[0, 1, 2]',
         'Unsendable: a Channel goes to one call, once: make another, or a Receiver for all of them']


@ENDS
def test_between_both_majors(told, python):
    """Texts and bytes are what they were."""
    other = [each for each in oldest_and_newest() if each is not python][0]
    assert told(python, '''
def kinds(channel):
    for value in channel:
        channel.send([value, str(type(value).__name__)])
with Local('a', python=sys.argv[1]) as tunnel:
    channel = Channel()
    tunnel.call_async('kinds:tell', channel) if 0 else tunnel.call_async(kinds, channel)
    for value in (u'text', b'\\xff\\x00', {u'\\xe9': 1}):
        channel.send(value)
        print(channel.receive()[0] == value)
''', other.path) == ['True'] * 3


# Pace

@ENDS
def test_a_slow_consumer_stops_the_producer_and_nobody_piles_up(scripts, hop, tmp_path, python):
    live = scripts.start(python, CHANNELS + PRODUCER + '''
with here('a') as tunnel, here('b') as other:
    channel = Channel()
    result = tunnel.call_async(floods, channel, sys.argv[1], 16384, 8192)
    before = len(channel.receive())
    def sent():
        return os.path.exists(sys.argv[1]) and int(open(sys.argv[1]).read() or 0)
    last = -1
    while sent() != last:
        last = sent()
        time.sleep(.5)
    print('stalled', last)
    sys.stdout.flush()
    sys.stdin.readline()
    whole = before + sum([len(block) for block in channel])
    print(whole, result.get(), peak() >> 20)
''', tmp_path / 'counter', stdin=-1)
    live.until(b'stalled ')
    live.until(b'\n')
    stalled = int(live.outputs['out'].split()[1])
    # Both windows, and what waits to be sent.
    assert stalled * 16384 < 300000, stalled
    controllers = [pid for pid in map(int, filter(str.isdigit, (each.name for each in pathlib.Path('/proc').iterdir())))
                   if words_of(pid, hop.cwd) == [str(hop.path), 'api']]
    before = max(map(peak_bytes, controllers))
    live.feed(b'\n')
    result = live.finish()
    assert result.rc == 0, result
    whole, sent, peak = result.lines[-1].split()
    assert (int(whole), int(sent)) == (8192 * 16384, 8192), result
    assert int(peak) < 60, result
    assert controllers and before < 40 * MiB, controllers


def words_of(pid, cwd):
    """Of a process that was started there: other tests have controllers too."""
    try:
        if os.readlink(f'/proc/{pid}/cwd') != str(cwd):
            return []
        return pathlib.Path(f'/proc/{pid}/cmdline').read_text().split('\0')[:-1]
    except OSError:
        return []


@ENDS
def test_a_slow_function_stops_who_sends_to_it(told, fifo, python):
    gate = fifo('gate')
    assert told(python, '''
def reads(channel, gate):
    first = channel.receive()
    open(gate).readline()
    return len(first) + sum([len(block) for block in channel])
with here('a') as tunnel:
    channel = Channel()
    result = tunnel.call_async(reads, channel, sys.argv[1])
    sent = []
    def sends():
        for _ in range(400):
            channel.send(b'x' * 16384)
            sent.append(1)
        channel.close()
        return 'all'
    all = beside(sends)
    last = -1
    while len(sent) != last:
        last = len(sent)
        time.sleep(.5)
    print(1 < last < 30, last if last >= 30 else '')
    with open(sys.argv[1], 'w') as gate:
        gate.write('go\\n')
    print(all(), result.get() == 400 * 16384)
''', gate) == ['True ', 'all True']


@ENDS
def test_a_producer_that_waits_is_told_when_nobody_listens(told, tmp_path, python):
    assert told(python, PRODUCER + '''
with here('a') as tunnel:
    channel = Channel()
    result = tunnel.call_async(floods, channel, sys.argv[1], 16384, 8192)
    channel.receive()
    channel.close()
    print(result.get(20)[1])
    channel = Channel()
    result = tunnel.call_async(floods, channel, sys.argv[1], 16384, 8192)
    channel.receive()
    del channel
    print(result.get(20)[1])
''', tmp_path / 'counter') == ['ChannelClosed', 'ChannelClosed']


# Ends wake who waits

@ENDS
def test_closing_wakes_every_waiter(told, python):
    assert told(python, '''
def waits(channel):
    return raised(channel.receive)
with here('a') as tunnel:
    alone, joined = Channel(), Channel()
    result = tunnel.call_async(waits, joined)
    for channel in alone, joined:
        waiters = [beside(channel.receive), beside(list, channel), beside(Select([channel]).get)]
        channel.close()
        print([wait() for wait in waiters])
    print(result.get())
''') == [
        "['ChannelClosed: the channel is closed', [], 'ChannelClosed: the Select has nothing to wait for: add() a channel, "
        "a receiver or a result']"] * 2 + ['ChannelClosed: the channel is closed']


@ENDS
def test_a_lost_connection_wakes_every_waiter_and_says_so(told, python):
    lines = told(python, '''
def dies(channel):
    channel.send('last words')
    channel.receive()
    os._exit(7)
with here('a') as tunnel:
    channel = Channel()
    result = tunnel.call_async(dies, channel)
    receiver = Receiver()
    print(channel.receive())
    waiters = [beside(channel.receive) for _ in range(2)]
    channel.send('go')
    print([wait() for wait in waiters])
    print(raised(channel.send, 1))
    print(raised(result.get))
''')
    lost = 'ConnectionFailed: a: the link was lost: ended with status 7'
    assert lines[0] == 'last words' and lines[1].count('ConnectionFailed') == 2 and 'status 7' in lines[1], lines
    assert 'status 7' in lines[2] and 'status 7' in lines[3], (lines, lost)


@ENDS
def test_the_end_of_a_call_that_never_began_is_the_end_of_its_channel(told, fifo, python):
    gate = fifo('gate')
    assert told(python, '''
def waits(gate):
    open(gate).readline()
class Odd(object):
    def __reduce__(self):
        return int, ('no number',)
def tries(channel, odd):
    pass
with here('a') as tunnel:
    channel = Channel()
    result = tunnel.call_async(tries, channel, Odd())
    print(list(channel), raised(result.get).split(' with')[0][:41])
    before = tunnel.call_async(waits, sys.argv[1])
    channel = Channel()
    result = tunnel.call_async(count, channel)
    result.cancel()
    # Comes back behind the word to stop.
    os.unlink(tunnel.fetch(sys.argv[0])['local_path'])
    with open(sys.argv[1], 'w') as gate:
        gate.write('go\\n')
    before.get()
    print(list(channel), raised(result.get))
''', gate) == ["[] RemoteException: a: ValueError: invalid l", '[] Cancelled: a: cancelled']


@ENDS
def test_cancelling_a_call_closes_its_channel(told, python):
    assert told(python, '''
def hangs(channel):
    channel.send('hangs')
    while True:
        time.sleep(.1)
with here('a') as tunnel:
    channel = Channel()
    result = tunnel.call_async(hangs, channel)
    print(channel.receive())
    wait = beside(channel.receive)
    result.cancel()
    print(wait())
    print(tunnel.call(len, 'ab'))
''') == ['hangs', 'ChannelClosed: the channel is closed', '2']


@ENDS
def test_ctrl_c_interrupts_a_wait(scripts, python):
    live = scripts.start(python, CHANNELS + '''
with here('a') as tunnel:
    channel = Channel()
    result = tunnel.call_async(echo, channel)
    for wait in channel.receive, Select([channel]).get, lambda: list(channel):
        try:
            print('waits')
            sys.stdout.flush()
            wait()
        except KeyboardInterrupt:
            print('interrupted')
    channel.send(1)
    print(channel.receive())
''')
    for turn in range(3):
        live.until(b'waits\n' + b'interrupted\nwaits\n' * turn)
        live.signal(signal.SIGINT)
        live.until(b'interrupted\n' * 1 if not turn else b'waits\ninterrupted\n' * (turn + 1))
    result = live.finish()
    assert result.rc == 0 and result.lines[-1] == '(1,)', result
