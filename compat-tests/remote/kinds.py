"""Values of every type that may be sent, and some that may not. Runs on every Python from 2.4 on."""

import collections
import datetime
import decimal
import sys
import threading


def text(ascii_escapes):
    return ascii_escapes.encode('ascii').decode('unicode-escape')


def data(digits):
    import binascii
    return binascii.unhexlify(digits.encode('ascii'))


class Zone(datetime.tzinfo):
    """Python 2 has no class for a fixed offset."""

    def __init__(self, minutes):
        self.minutes = minutes

    def utcoffset(self, moment):
        return datetime.timedelta(0, self.minutes * 60)

    def dst(self, moment):
        return datetime.timedelta(0)

    def tzname(self, moment):
        return 'ZZ'


class Text(type(text(''))):
    pass


class Int(int):
    def __repr__(self):
        return 'never read'


class Float(float):
    pass


class List(list):
    pass


class Dict(dict):
    pass


class Tuple(tuple):
    pass


class Set(set):
    pass


class Wrong(dict):
    """Says that it has more than it has."""

    def __len__(self):
        return 7


class Plain(object):
    pass


class Loud(object):
    def __repr__(self):
        raise RuntimeError('no words')


Point = getattr(collections, 'namedtuple', lambda *words: None)('Point', 'x y')
NAMES = {'text': text, 'data': data, 'collections': collections, 'datetime': datetime, 'decimal': decimal, 'sys': sys,
         'threading': threading, 'Zone': Zone, 'Text': Text, 'Int': Int, 'Float': Float, 'List': List, 'Dict': Dict,
         'Tuple': Tuple, 'Set': Set, 'Wrong': Wrong, 'Plain': Plain, 'Loud': Loud, 'Point': Point}


def make(statements, expression):
    """The value of the expression, after statements that may define names for it."""
    names = dict(NAMES)
    exec(statements, names)
    return eval(expression, names)


def told(*values, **named):
    """What arrived: of each, its type and how it shows itself."""
    if named:
        values += tuple([named[name] for name in sorted(named)])
    return [[type(value).__name__, repr(value)] for value in values]


def compared(value, statements, expression):
    """Whether what arrived is what the expression makes, and of the same type."""
    other = make(statements, expression)
    return [value == other, type(value) is type(other), repr(value)]


def deep(depth):
    value = []
    for _ in range(depth - 1):
        value = [value]
    return value


def depth_of(value):
    depth = 1
    while value:
        (value,), depth = value, depth + 1
    return depth


def beyond(gate, kind, count):
    """Where BAD is set, a value of that size; elsewhere, once the gate is open, a small one."""
    import os
    if os.environ.get('BAD'):
        return {'parts': lambda: [None] * count, 'bytes': lambda: 'x' * count}[kind]()
    open(gate).readline()
    return 'well'


def long(size):
    return 'x' * size
