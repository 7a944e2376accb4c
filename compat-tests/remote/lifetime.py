"""What a call may be in the middle of when its end comes. Runs on every Python from 2.4 on.

Each function writes a line to the fifo `bell` once it is there: its pid and those of what it has started. All of them
keep the fifo open, so that it ends with the last of them.
"""

import fcntl
import itertools
import os
import re
import signal
import time

try:
    import thread
except ImportError:
    import _thread as thread

bells = []


def hold(bell):
    """From here on also in what is started."""
    if not bells:
        bells.append(os.open(bell, os.O_WRONLY))
        fcntl.fcntl(bells[0], fcntl.F_SETFD, 0)
    return bells[0]


def ring(bell, *pids):
    line = ' '.join([str(pid) for pid in (os.getpid(),) + pids])
    os.write(hold(bell), (line + '\n').encode('ascii'))


def rest():
    while True:
        time.sleep(1000)


# What the main thread does.

def sleeping(bell):
    ring(bell)
    rest()


def looping(bell):
    ring(bell)
    while True:
        pass


def matching(bell):
    """In C, for ever; holds the interpreter's lock, and looks for signals where the version does."""
    pattern = re.compile('(a+)+$')
    ring(bell)
    pattern.match('a' * 60 + 'b')


def searching(bell):
    """In C, for ever; holds the interpreter's lock and never looks for signals."""
    ring(bell)
    1 in itertools.repeat(0)


def locked(bell):
    lock = thread.allocate_lock()
    lock.acquire()
    ring(bell)
    lock.acquire()


def deaf(bell):
    for number in range(1, signal.NSIG):
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError, RuntimeError):
            pass
    ring(bell)
    while True:
        try:
            rest()
        except (Exception, KeyboardInterrupt, SystemExit):
            pass


def stopped(bell):
    ring(bell)
    os.kill(os.getpid(), signal.SIGSTOP)
    rest()


def in_a_shell(bell):
    hold(bell)
    os.system('sleep 1000 & echo %d $$ $! >&%d; wait' % (os.getpid(), bells[0]))


# What it has started: each of these returns a pid.

def child(prepare=int):
    """A child that prepares itself and becomes another program."""
    told, tell = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            prepare()
            fcntl.fcntl(tell, fcntl.F_SETFD, fcntl.FD_CLOEXEC)
            os.execvp('sleep', ['sleep', '1000'])
        finally:
            os._exit(1)
    os.close(tell)
    os.read(told, 1)  # ends with the exec
    os.close(told)
    return pid


def fork(prepare=int):
    """As multiprocessing does: no exec, so all that was open stays open."""
    pid = os.fork()
    if not pid:
        try:
            prepare()
            rest()
        finally:
            os._exit(0)
    return pid


def orphan(start=child, prepare=int):
    """Its parent prepares itself, starts it and ends."""
    told, tell = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            prepare()
            os.write(tell, str(start()).encode('ascii'))
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    grandchild = int(os.read(told, 20))
    os.close(tell)
    os.close(told)
    return grandchild


def bomb(each=int):
    """Forks and ends, for ever: none of its processes lives longer than a moment."""
    told, tell = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            generation = 0
            while not os.fork():
                each()
                generation += 1
                if generation == 20:
                    os.write(tell, '.'.encode('ascii'))
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    os.read(told, 1)
    os.close(tell)
    os.close(told)
    return os.getpid()


def turn_deaf():
    for number in signal.SIGINT, signal.SIGTERM, signal.SIGHUP:
        signal.signal(number, signal.SIG_IGN)


def stop(pid):
    os.kill(pid, signal.SIGSTOP)
    return pid


STARTED = {
    'a child': child,
    'a child in a group of its own': lambda: child(os.setpgrp),
    'a child in a session of its own': lambda: child(os.setsid),
    'a deaf child': lambda: child(turn_deaf),
    'a stopped child': lambda: stop(child()),
    'a fork that keeps all descriptors': fork,
    'an orphan': orphan,
    'a stopped orphan in a group of its own': lambda: stop(orphan(lambda: child(os.setpgrp))),
    'a daemon': lambda: orphan(child, os.setsid),
    'a deaf daemon that keeps all descriptors': lambda: orphan(fork, lambda: (os.setsid(), turn_deaf())),
    'a fork bomb': bomb,
    'a fork bomb of sessions': lambda: bomb(os.setsid),
}


def start(bell, kinds):
    hold(bell)
    ring(bell, *[STARTED[kind]() for kind in kinds])


def having(bell, *kinds):
    start(bell, kinds)
    rest()


def returning(bell, gate, *kinds):
    """Once the gate opens."""
    start(bell, kinds)
    open(gate).readline()


# How a process ends by itself.

def dump_core():
    import resource
    resource.setrlimit(resource.RLIMIT_CORE, (1 << 20, 1 << 20))
    os.kill(os.getpid(), signal.SIGSEGV)


ENDS = {
    'os._exit': lambda: os._exit(3),
    'SIGSEGV': lambda: os.kill(os.getpid(), signal.SIGSEGV),
    'SIGSEGV with a core': dump_core,
    'SIGKILL': lambda: os.kill(os.getpid(), signal.SIGKILL),
}


def one_ending(bell, gate, how, *kinds):
    """Of those that call this together, the first ends so and the others return, once the gate opens for them."""
    folder = os.path.dirname(bell)
    try:
        os.mkdir(gate + '.taken')
    except OSError:
        how, kinds = None, ()
    start(bell, kinds)
    open(gate + str(how)).readline()
    if how:
        os.chdir(folder)  # where a core may be written
        ENDS[how]()
    return 'well'


def quiet(seconds):
    time.sleep(seconds)
    return 'well'
