"""Calls that end badly, each in its own way."""

import os
import signal
import sys


def with_value_error(message='the reason given'):
    raise ValueError(message)


def with_control_characters():
    raise ValueError('\033]0;owned\007 and \033[2J')


class Unprintable(Exception):
    def __str__(self):
        raise RuntimeError('no words')


def with_unprintable_error():
    raise Unprintable()


def with_long_message():
    raise ValueError('x' * 20000 + 'END')


def with_cause():
    exec('try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    raise KeyError("outer") from e\n', {})


def by_exit(status=3):
    sys.exit(status)


def by_hard_exit():
    os._exit(4)


def by_signal(name='SIGSEGV'):
    os.kill(os.getpid(), getattr(signal, name))


def by_recursion():
    return by_recursion()
