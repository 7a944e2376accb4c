"""The watchdog: the process that was started stays behind as the parent of the agent, so that nothing outlives it.

It takes its orders from the agent, as Python text, and watches the link for its end only. Once the part `adopt`
has made it a subreaper, it can tell a daemon of a call that still runs from one whose call has returned.
"""
import time
try:
    import _signal as signal
except ImportError:
    import signal


interrupts = interrupting = 0
spared = {}
# When what is just being killed has begun: a signal may come in the middle of that.
ending = [9e9]
orders, order, starts, start = map(private, os.pipe() + os.pipe())


def tell(text, *values):
    """An order to the watchdog."""
    try:
        os.write(order, utf8(text % values + '\n'))
    except OSError:
        # It has been killed, or has long been stopped: what it would have done.
        purge([agent], 9e9)
        os._exit(1)


def begin(stream):
    """The work of a stream starts; returns whether it is still wanted."""
    stream.begun = time.time()
    stream.caught = -1
    stream.cancel = lambda: cancel(stream)
    os.write(start, pack('d', stream.begun))
    return not stream.gone


def cancel(stream):
    """What the main thread does for that stream is to end."""
    stream.caught = interrupts
    tell('interrupting = 40; purge([agent], %r)', stream.begun)


def astray():
    """Ends a fork that user code has made and that has come back to us."""
    if os.getpid() != agent:
        os._exit(1)


def finish(stream):
    """The work has ended."""
    astray()
    stream.cancel = stream.over
    os.read(starts, 8)


def settle(stream):
    """A call has ended; after one that was cancelled, the watchdog must be through with it before the next."""
    finish(stream)
    while stream.caught == interrupts:
        readable([], .01)
    if stream.gone:
        tell('interrupting = 0')


def interrupt():
    """Ends a call that has been cancelled; where the lock is held, the next signal will. `adopt` has a better one."""
    global interrupts
    interrupts += 1
    if inside and inside.gone and not lock.locked():
        raise KeyboardInterrupt


def kill(pid, number=9):
    """Returns whether that was possible: another user's process is beyond our signals."""
    try:
        os.kill(pid, number)
        return 1
    except OSError:
        pass


def purge(roots, since, session=0, known=()):
    """Kills all that descends from roots, and what has been adopted that started since then or in that session;
    nothing that is spared or known. Returns the pids of all children of this process; None without /proc."""
    for again in range(99):
        try:
            oldest = float(open('/proc/uptime').read().split()[0]) + since - time.time()
            found = os.listdir('/proc')
        except Exception:
            return
        children = {}
        for pid in found:
            try:
                fields = open('/proc/%d/stat' % int(pid)).read().split(')')[-1].split()
                if fields[0] not in 'ZX':
                    children.setdefault(int(fields[1]), []).append((int(pid), int(fields[3]), int(fields[19])))
            except Exception:
                pass
        adopted = [child for child in children.get(os.getpid(), []) if child[0] not in known]
        doomed = roots + [pid for pid, its, ticks in adopted if pid != agent and its not in spared
                  and (its == session or ticks >= oldest * os.sysconf('SC_CLK_TCK') - 1)]
        for pid in doomed:
            doomed += [child for child, its, ticks in children.get(pid, []) if child not in spared]
        if not [pid for pid in doomed[len(roots):] if kill(pid)]:
            return [child[0] for child in adopted]
        readable([], .002)


def end(status, session=0):
    """Ends the agent and all that is still part of it, and leaves no zombie to whoever comes next."""
    try:
        signal.signal(15, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        # Not stopped: should somebody kill this process now, the agent sees the end of the link by itself.
        spared.clear()
        try:
            ending.append(unpack('d', os.read(starts, 8))[0])
        except OSError:
            pass
        known = purge([agent], min(ending), session)
        if not known:
            # Without /proc at least its own group.
            kill(-agent)
        try:
            # It may have forked since then, and `adopt` may still be among the orders.
            exec(os.read(orders, WINDOW), {})
        finally:
            kill(agent)
            purge([agent], 0, 0, known)
            os.waitpid(agent, 0)
    finally:
        os._exit(status)


def mourn(*signal):
    """Something has ended; perhaps the agent, by itself."""
    try:
        pid = 1
        while pid:
            # WNOHANG.
            pid, status = os.waitpid(-1, 1)
            if pid == agent:
                # As a shell has it: 128 and the signal.
                end(status & 127 and 128 + (status & 127) or status >> 8, agent)
    except OSError:
        pass


agent = os.fork()
if agent:
    try:
        os.close(order)
        for fd in range(3):
            os.dup2(null, fd)
            signal.signal(fd + 1, signal.SIG_IGN)
        signal.signal(15, lambda *signal: end(1))
        signal.signal(signal.SIGCHLD, mourn)
        heard = os.times()[4]
        poller = select.poll()
        poller.register(orders, 1)
        # POLLRDHUP; POLLERR and POLLHUP come unasked.
        for fd in link, link_out:
            poller.register(fd, 8192)
        while 1:
            wait = heard + keepalive * 4.5 - os.times()[4]
            if interrupting:
                interrupting -= 1
                # Above that it rests.
                kill(agent, interrupting < 40 and 2)
                wait = .05
            try:
                # A longer wait ends early, which does no harm.
                ready = dict(poller.poll(max(wait, 0) % 1e6 * 1000))
            except select.error:
                continue
            if orders in ready:
                exec(os.read(orders, WINDOW) or 'poller.unregister(orders)')
            elif ready or wait <= 0:
                break
    finally:
        end(1)
agent = os.getpid()
os.setsid()
os.close(orders)
signal.signal(2, lambda *signal: interrupt())
