"""Functions that raise, each in its own way. Runs on every Python from 2.4 on."""

import os
import signal
import sys


class Detailed(Exception):
    """With attributes of every kind, some of which cannot be sent."""

    def __init__(self, code, reason):
        Exception.__init__(self, code, reason)
        self.code = code
        self.reason = reason
        self.nested = {'a': [1, (2,)]}
        self.handle = sys.stdout
        self._private = 'seen'


class Inner:
    class Error(ValueError):
        pass


class NoStr(Exception):
    def __str__(self):
        raise RuntimeError('no words')


class NoRepr(Exception):
    def __repr__(self):
        raise RuntimeError('no words')


class NoWords(NoStr, NoRepr):
    pass


class StrIsNoText(Exception):
    def __str__(self):
        return 5


class StrExits(Exception):
    def __str__(self):
        sys.exit(3)


class Mute(object):
    def __repr__(self):
        raise KeyError('no words')


class ArgsRaise(Exception):
    args = property(lambda self: 1 / 0)


class DictLies(Exception):
    __dict__ = property(lambda self: 1 / 0)


def detailed():
    raise Detailed(7, 'why')


def inner():
    raise Inner.Error('x')


def plain(message='why'):
    raise ValueError(message)


def with_args(*args):
    raise ValueError(*args)


def with_unsendable_args():
    raise ValueError('first', Mute, [open], Mute(), 5)


def odd(name):
    raise globals()[name]('x')


def without_words():
    raise ValueError()


def of_the_system():
    open('/nonexistent/file')


def of_a_command():
    import subprocess
    raise subprocess.CalledProcessError(3, ['false', 'x'])


def in_unicode(message):
    raise ValueError(message)


def in_bytes():
    raise ValueError('caf\xe9 \xff')


def long(size):
    raise ValueError('x' * size + 'END')


def with_lines():
    raise ValueError('first\nsecond\n\033[31mred\033[0m')


CAUSES = '''
def explicit():
    try:
        {}['missing']
    except KeyError as error:
        raise ValueError('explicit') from error

def implicit():
    try:
        {}['missing']
    except KeyError:
        raise ValueError('implicit')

def suppressed():
    try:
        {}['missing']
    except KeyError:
        raise ValueError('suppressed') from None

def twice():
    try:
        implicit()
    except ValueError as error:
        raise OSError(2, 'twice') from error

def circular():
    one, two = ValueError('one'), ValueError('two')
    one.__cause__, two.__cause__ = two, one
    raise one

def itself():
    one = ValueError('one')
    one.__context__ = one
    raise one

def deep(count):
    error = None
    for number in range(count):
        try:
            raise ValueError(str(number)) from error
        except ValueError as raised:
            error = raised
    raise error

def of_odd():
    try:
        raise NoWords('x')
    except NoWords as error:
        raise ValueError('of odd') from error
'''


def caused(name, *args):
    space = dict(globals())
    exec(compile(CAUSES, '<causes>', 'exec'), space)
    space[name](*args)


GROUP = '''
def group():
    raise ExceptionGroup('several', [ValueError('one'), KeyError('two')])

def noted():
    error = ValueError('why')
    error.add_note('a note')
    raise error
'''


def newer(name):
    space = {}
    exec(GROUP, space)
    space[name]()


def ending(how, *args):
    {'exit': sys.exit, 'os._exit': os._exit, 'kill': lambda name: os.kill(os.getpid(), getattr(signal, name)),
     'abort': os.abort, 'interrupt': interrupt, 'generator exit': generator_exit, 'string': string,
     'memory': memory}[how](*args)


def interrupt():
    raise KeyboardInterrupt('typed')


def generator_exit():
    raise getattr(__builtins__, 'GeneratorExit', None) or __builtins__['GeneratorExit']('x')


def string():
    raise 'a string'


def memory():
    raise MemoryError('no more')


def recursive():
    return recursive()


def in_a_thread():
    """Raised where nobody waits: the call itself goes well."""
    import threading
    thread = threading.Thread(target=plain)
    thread.start()
    thread.join()
    return 'well'


class Callable(object):
    def __call__(self, x):
        return x

    def method(self):
        return 'bound'


called = Callable()
number = 5
