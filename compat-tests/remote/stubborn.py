"""What is hard to stop; each says so when it is at it. Runs on every Python from 2.4 on."""

import fcntl
import itertools
import os
import signal
import subprocess
import sys
import termios
import time

try:
    import thread
except ImportError:
    import _thread as thread


def at_it():
    sys.stdout.write('at it\n')
    sys.stdout.flush()


def sleeps():
    at_it()
    time.sleep(1000)


def computes():
    at_it()
    while True:
        pass


def waits_for_a_command():
    os.system('echo at it; sleep 1000')


def waits_for_a_deaf_child():
    subprocess.Popen([sys.executable, '-c', '''if 1:
        import os, signal
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.write(1, 'at it\\n'.encode())
        while True:
            signal.pause()'''], preexec_fn=os.setsid).wait()


def waits_for_a_lock():
    lock = thread.allocate_lock()
    lock.acquire()
    at_it()
    lock.acquire()


def holds_the_interpreter():
    """In C, without a look at signals, nor before; what it has said is on its way when it begins."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    at_it()
    while fcntl.ioctl(1, termios.FIONREAD, '1234') != '\0\0\0\0'.encode():
        time.sleep(.01)
    time.sleep(.2)
    1 in itertools.repeat(0)


def locks_can_be_interrupted():
    return sys.version_info >= (3, 2)


def is_deaf():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    at_it()
    while True:
        time.sleep(1000)


def children():
    """The names of what this agent and its watchdog have as other children that live."""
    left = []
    for pid in os.listdir('/proc'):
        try:
            name, rest = open('/proc/%d/stat' % int(pid)).read().split('(', 1)[1].rsplit(')', 1)
        except (EnvironmentError, ValueError):
            continue
        state, parent = rest.split()[:2]
        if int(parent) in (os.getpid(), os.getppid()) and int(pid) != os.getpid() and state != 'Z':
            left.append(name)
    return left
