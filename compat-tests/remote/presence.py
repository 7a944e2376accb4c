"""A process that can be looked at, and one that stays until it is ended."""

import os
import signal
import sys
import time


def pid():
    return os.getpid()


def title():
    shown = os.popen('ps -o args= -p %d' % os.getpid())
    return [open('/proc/self/cmdline').read().split('\0')[0], shown.read().strip()]


def say(words):
    sys.stdout.write(words + '\n')
    sys.stdout.flush()


def stay():
    say('up %d' % os.getpid())
    while True:
        time.sleep(1000)


def stay_with_children():
    os.spawnvp(os.P_NOWAIT, 'sleep', ['sleep', '1000'])
    os.spawnvp(os.P_NOWAIT, 'setsid', ['setsid', 'sleep', '1000'])
    stay()


def stay_and_clean(path):
    """Needs some time for what it has to put in order, and is not to be disturbed."""
    try:
        stay()
    finally:
        began = time.time()
        time.sleep(.3)
        told = open(path, 'w')
        told.write(['disturbed', 'clean'][time.time() - began > .25] + '\n')
        told.close()


def stay_deaf():
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    say('up %d' % os.getpid())
    while True:
        try:
            time.sleep(1000)
        except (Exception, KeyboardInterrupt, SystemExit):
            pass


def stay_without_yielding():
    say('up %d' % os.getpid())
    while True:
        pass


def ring(bell, echo):
    """Wake whoever reads the fifo `bell`, and wait until it has written to the fifo `echo`."""
    sink = open(bell, 'w')
    sink.write('now\n')
    sink.close()
    open(echo).readline()
    return 42
