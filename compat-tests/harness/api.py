"""Scripts that import hopvine, run by any Python of this machine: with the package that the program brings."""

import subprocess
import textwrap

import pytest

HEAD = '''\
# coding: utf-8
from __future__ import print_function
import os, sys, time
import hopvine
from hopvine import *
PYTHON = os.environ['PYTHON']
def here(name, **options):
    return Local(name, python=PYTHON, **options)
'''
# For scripts with channels.
CHANNELS = '''
import threading
from hopvine.channel import ChannelClosed
def echo(channel, *words):
    for value in channel:
        channel.send((value,) + words)
    return 'the end'
def count(channel, stop=3):
    for number in range(stop):
        channel.send(number)
def raised(action, *args, **named):
    try:
        return action(*args, **named)
    except Exception:
        return '%s: %s' % (type(sys.exc_info()[1]).__name__, sys.exc_info()[1])
def beside(action, *args):
    """Returns what waits for what the action returns or raises, in a thread."""
    found = []
    thread = threading.Thread(target=lambda: found.append(raised(action, *args)))
    thread.start()
    def wait():
        while thread.is_alive():
            thread.join(.2)
        return found[0]
    return wait
'''
# One that sends as long as it may, and writes down how far it is.
PRODUCER = '''
def floods(channel, counter, size, stop):
    sent = 0
    try:
        while sent < stop:
            channel.send(b'x' * size)
            sent += 1
            with open(counter, 'w') as told:
                told.write('%d' % sent)
    except Exception:
        return [sent, type(sys.exc_info()[1]).__name__]
    return sent
def peak():
    for line in open('/proc/self/status'):
        if line.startswith('VmHWM'):
            return int(line.split()[1]) << 10
'''


def need_scripts(python):
    """Skips where it is too old for scripts (docs/PYTHON.md)."""
    if not python.runs_scripts:
        pytest.skip(f'scripts need Python 2.7, or 3.6 or newer: this is {python}')


class Scripts:
    """`scripts(python, text, *words)` runs it to its end, `.start(...)` leaves it running. Before the text stands HEAD:
    `here(name)` is a tunnel to the script's own interpreter, PYTHON; sys.executable is not what starts each of them."""

    def __init__(self, hop):
        self.hop = hop
        self.package = hop.scratch / 'hopvine.zip'
        with open(self.package, 'wb') as file:
            subprocess.run([hop.path, 'api', '--package'], stdout=file, check=True)
        self.env = {'PYTHONPATH': str(self.package), 'HOPVINE': str(hop.path), 'PYTHONDONTWRITEBYTECODE': '1',
                    'PYTHONIOENCODING': 'utf-8'}

    def __call__(self, python, text, *words, timeout=60, **options):
        return self.start(python, text, *words, **options).finish(timeout)

    def start(self, python, text, *words, env=None, name='script.py', **options):
        need_scripts(python)
        script = self.hop.write(name, HEAD + textwrap.dedent(text))
        return self.hop.program(python.path, script, *words, env={**self.env, 'PYTHON': python.path, **(env or {})}, **options)

    def told(self, python, text, *words, **options):
        """What it printed; anything on stderr, or another status than 0, fails the test."""
        result = self(python, text, *words, **options)
        assert (result.rc, result.err) == (0, b''), result
        return result.lines
