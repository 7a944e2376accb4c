"""Leads on to contexts below its own, by the package that scripts use. Runs on every Python from 2.4 on."""

import os
import sys
import time


def below(target, function, *args, **named):
    """What a function of this module, by its name, returns at the end of that path from here."""
    from hopvine import Target
    tunnel = Target(target)
    try:
        return tunnel.call(globals()[function], *args, **named)
    finally:
        tunnel.close()


def descend(*targets):
    """The process of each context from here down."""
    here = [os.getpid()]
    if targets:
        here += below(targets[0], 'descend', *targets[1:])
    return here


def user():
    return os.geteuid()


def version():
    return list(sys.version_info[:2])


def versions(python):
    from hopvine import Local
    return version(), Local('a', python=python).call(version)


def says(words):
    import logging
    sys.stdout.write(words + '\n')
    sys.stderr.write('error ' + words + '\n')
    logging.getLogger('below').warning('logged %s', words)
    return words


def raises(words):
    error = LookupError(words)
    error.mark = 7
    raise error


def hears(target, words):
    from hopvine import RemoteException
    try:
        return below(target, 'raises', words)
    except RemoteException:
        error = sys.exc_info()[1]
        return error.type, error.message, error.attributes, 'in raises' in error.traceback, str(error).split('\n')[0]


def hangs(bell=None):
    if bell:
        ring(bell, str(os.getpid()))
    while True:
        time.sleep(.1)


def ring(bell, words):
    out = open(bell, 'w')
    out.write(words + '\n')
    out.close()


def too_long():
    """A call that takes too long is stopped, and its context goes on."""
    from hopvine import Local, TimedOut
    tunnel = Local('a')
    pid = tunnel.call(os.getpid)
    started = time.time()
    try:
        tunnel.call(hangs, timeout=.3)
    except TimedOut:
        said = str(sys.exc_info()[1])
    return said, tunnel.call(os.getpid) == pid, time.time() - started < 10


def cleans(path):
    try:
        hangs()
    finally:
        began = time.time()
        time.sleep(.3)
        ring(path, ['disturbed', 'clean'][time.time() - began > .25])


def cuts_short(path):
    """Closes a tunnel right behind a call that took too long."""
    from hopvine import Local, TimedOut
    tunnel = Local('a')
    try:
        try:
            tunnel.call(cleans, path, timeout=1)
        except TimedOut:
            return str(sys.exc_info()[1])
    finally:
        tunnel.close()


def together(count, bell, gate):
    """All of them run at the same time."""
    from hopvine import Group, Local
    group = Group([Local('g%d' % number) for number in range(count)])
    results = group.call(waits, bell, gate)
    group.close()
    return len(set([pid for host, pid in results.successful()])), len(list(results.failures()))


def waits(bell, gate):
    passes = os.open(gate, os.O_RDONLY)
    ring(bell, 'there')
    os.read(passes, 1)
    return os.getpid()


def runs(command, input):
    from hopvine import Local
    result = Local('a').run(command, input=input)
    return result.status, result.stdout.decode('ascii'), result.stderr.decode('ascii')


def moves(folder):
    """Files there and back, and why some are not moved."""
    from hopvine import FileError, Local
    tunnel = Local('a')
    told = []
    source = os.path.join(folder, 'source')
    for size in 0, 1, 70000, 5000000:
        out = open(source, 'wb')
        out.write(os.urandom(size))
        out.close()
        put = tunnel.put(source, os.path.join(folder, 'there'), mode=448)
        fetched = tunnel.fetch(os.path.join(folder, 'there'), os.path.join(folder, 'back'))
        same = open(source, 'rb').read() == open(os.path.join(folder, 'back'), 'rb').read()
        told.append((put['size'], fetched['size'], put['sha1sum'] == fetched['sha1sum'], same))
    for move, args in ((tunnel.put, ['/nowhere/x', folder + '/y']), (tunnel.put, [source, '/nowhere/y']),
                       (tunnel.fetch, ['/nowhere/z', folder + '/y'])):
        try:
            told.append(move(*args))
        except FileError:
            told.append(str(sys.exc_info()[1]))
    os.mkdir(folder + '/tree')
    os.mkdir(folder + '/tree/inner')
    os.symlink('nowhere', folder + '/tree/link')
    open(folder + '/tree/inner/file', 'w').write('x' * 40000)
    tunnel.put(folder + '/tree', folder + '/tree2', recursive=True)
    tunnel.fetch(folder + '/tree2', folder + '/tree3', recursive=True, compress=True)
    told.append([os.readlink(folder + '/tree3/link'), len(open(folder + '/tree3/inner/file').read())])
    return told


def yields(stop):
    for number in range(stop):
        yield number


def iterates(target, stop):
    """A generator of a generator."""
    from hopvine import Target
    tunnel = Target(target)
    for number in tunnel.call(yields, stop):
        yield number * 2
    tunnel.close()


def echoes(channel):
    for value in channel:
        channel.send([value])
    return 'the end'


def talks(values):
    from hopvine import Channel, Local
    tunnel, channel = Local('a'), Channel()
    result = tunnel.call_async(echoes, channel)
    said = []
    for value in values:
        channel.send(value)
        said.append(channel.receive(timeout=30))
    channel.close()
    return said, result.get()


def talks_at_once(value):
    """Sends while the thread that begins the conversation gets no turn."""
    import hopvine_core as core
    from hopvine import Channel, Local
    core.part('child')
    put, sent = core.Led.put, []

    def late(led, message, end=0):
        ends = time.time() + 2
        while message[:1] == core.pack('B', 37) and not sent and time.time() < ends:
            core.readable([], .001)
        put(led, message, end)
        if message[:1] == core.pack('B', 38):
            sent.append(message)
    core.Led.put = late
    channel = Channel()
    result = Local('a').call_async(echoes, channel)
    while channel._passage.exchange.led is None:
        core.readable([], .001)
    channel.send(value)
    said = channel.receive(timeout=10)
    channel.close()
    return said, result.get(10)


def floods(channel, size):
    sent = 0
    try:
        while True:
            channel.send('x' * size)
            sent += 1
    except Exception:
        return sent, sys.exc_info()[0].__name__


def reads_little():
    """How much a function has sent of which nothing was read but the first."""
    from hopvine import Channel, Local
    tunnel, channel = Local('a'), Channel()
    result = tunnel.call_async(floods, channel, 10000)
    channel.receive()
    last, now = -1, 0
    while last != now:
        last, now = now, len(channel._inbox.items)
        time.sleep(.3)
    channel.close()
    return result.get(30)


def selects():
    from hopvine import Local, Receiver, Select
    tunnels = [Local('s%d' % number) for number in range(3)]
    receiver, select = Receiver(), Select()
    select.add(receiver)
    for tunnel in tunnels:
        select.add(tunnel.call_async(tells, receiver, tunnel.host))
    return sorted([str(value) for source, value in select])


def tells(channel, words):
    channel.send(words)
    return words.upper()


def dies(status):
    os._exit(status)


def loses():
    """What is said of a context that ends, and another that goes on."""
    from hopvine import ConnectionFailed, Local
    tunnel, other = Local('a'), Local('b')
    pid, other_pid = tunnel.call(os.getpid), other.call(os.getpid)
    try:
        tunnel.call(dies, 7)
    except ConnectionFailed:
        said = str(sys.exc_info()[1])
    return said, tunnel.call(os.getpid) != pid, other.call(os.getpid) == other_pid


def closes(target):
    """Whether the processes that led to a context are gone, some time after it was closed."""
    from hopvine import Target
    tunnel = Target(target)
    pid, parents = tunnel.call(os.getpid), []
    at = tunnel.call(os.getppid)
    while at != os.getpid():
        parents.append(at)
        at = int(open('/proc/%d/stat' % at).read().split(')')[-1].split()[1])
    tunnel.close()
    for again in range(500):
        left = [each for each in [pid] + parents if os.path.exists('/proc/%d' % each)]
        if not left:
            break
        time.sleep(.01)
    return len(parents), left
