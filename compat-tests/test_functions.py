"""Functions on their way to another interpreter: by name, or as source with what they use."""

import pytest

from harness.pair import START, Pair, each_pair
from harness.pythons import discover, oldest_and_newest

@pytest.fixture(params=each_pair(oldest_and_newest()))
def pair(request, tmp_path):
    return Pair(*request.param, tmp_path)


@pytest.fixture(params=[python for python in oldest_and_newest() if python.number >= (3,)], ids=repr)
def pair_3(request, tmp_path):
    return Pair(request.param, request.param, tmp_path)


EVERYTHING = '''# -*- coding: utf-8 -*-
import functools, os, random, sys, time
import os.path
import xml.dom.minidom
LIMIT = {'a': 1}

def double(x):
    return 2 * x

def uses(x, y=3):
    return double(x) + LIMIT['a'] + y

def tagged(function):
    @functools.wraps(function)
    def wrapper(*args):
        return ['tagged', function(*args)]
    return wrapper

@tagged
def decorated(x):
    return double(x)

class Point(object):
    def __init__(self, x):
        self.x = x

    def twice(self):
        return double(self.x)

    @staticmethod
    def one_more(x):
        return x + 1

    @classmethod
    def made(cls, x):
        return cls(x).twice()

ORIGIN = Point(5)

def even(n):
    return n == 0 or odd(n - 1)

def odd(n):
    return n != 0 and even(n - 1)

def items(n):
    for each in range(n):
        yield double(each)

def outer(n):
    def inner(x):
        return x + n + other()
    def other():
        return n * 100
    return inner

def parsed():
    return os.path.join('a', 'b'), xml.dom.minidom.Document.__name__

show(call(time.time) > 1, call(os.getpid) != os.getpid(), call(len, [1, 2]), call(random.random) < 1)
show(call(uses, 1), call(uses, 1, y=4), call(functools.partial(uses, 1), 2), call(decorated, 4))
show(call(lambda: ORIGIN.twice()), call(Point(7).twice), call(Point.one_more, 1), call(Point.made, 3))
show(call(even, 10), list(call(items, 3)), call(outer(10), 1), call(parsed))
show(call(lambda x: (x, u'\\xe9', LIMIT), u'\\u20ac'))
try:
    call(lambda x: 1 // x, 0)
except Failed:
    told, line = str(sys.exc_info()[1]), sys._getframe().f_lineno - 2
    show('line %d, in <lambda>' % line in told, 'call(lambda x: 1 // x, 0)' in told, 'hopvine' not in told.replace('hopvine-pair', ''))
'''


@pytest.mark.parametrize('both', each_pair(discover()))
def test_a_program_calls_its_functions_between_any_two_pythons(both, tmp_path):
    Pair(*both, tmp_path).says(EVERYTHING, 'true, true, 2, true', '6, 7, 5, ["tagged", 8]', '10, 14, 2, 6',
         'true, [0, 2, 4], 1011, ["a/b", "Document"]', r'["\u20ac", "\u00e9", {"a": 1}]', 'true, true, true')


# By name

def test_what_can_be_imported_goes_by_its_name(pair):
    pair.says('''
import base64, os, string, textwrap
from hopvine import functions
def name(function, *args):
    imports, message = functions.call(function, args, {}, far)
    return imports, b'source' not in message and len(message) < 99
show(*[name(function, 'x') for function in (os.listdir, textwrap.dedent, string.Template, base64.b64encode)])
show(call(textwrap.dedent, ' x'), call(string.Formatter().format, '{0}', 1), call('abc'.upper), call(str.upper, 'x'))
show(call(dict.fromkeys, [1]), call(sorted, [3, 1, 2], reverse=True), call(os.path.exists, '/'), call(os.environ.get, 'PAIR') == os.environ['PAIR'])
''', '["posix", true], ["textwrap", true], ["string", true], ["base64", true]', '"x", "1", "ABC", "X"',
         '{"1": null}, [3, 2, 1], true, true')


def test_standard_streams_and_loggers_are_those_of_the_other_side(pair):
    pair.says('''
import logging, sys
log = logging.getLogger('a.b')
out = sys.stderr

def kept(to=sys.stdout):
    return log is logging.getLogger('a.b'), out is sys.stderr, to is sys.stdout, sys.argv[0] == 'job.py'

show(*call(kept))
''', 'true, true, true, false')


# What a function uses

def test_globals_are_sent_as_they_are_at_each_call(pair):
    pair.says('''
limit = [1]

def used():
    return limit

show(call(used))
limit.append(2)
show(call(used))
limit = 'other'
show(call(used))
''', '[1]', '[1, 2]', '"other"')


def test_what_has_been_sent_is_not_sent_again(pair):
    pair.says('''
text = 'x' * 5000

def used(x):
    return len(text) + x

def other(x):
    return used(x)

show(call(used, 1), len(far.message) > 5000)
show(call(used, 2), len(far.message) < 300)
show(call(other, 3), len(far.message) < 600)
def used(x):
    return x
show(call(other, 4), len(far.message) < 600)
''', '5001, true', '5002, true', '5003, true', '4, true')


def test_globals_live_on_where_they_are_changed(pair):
    pair.says('''
count = 5

def counted():
    global count
    count += 1
    return count

show(call(counted), call(counted), count, Far().call(counted))
''', '6, 7, 5, 6')


def test_what_a_cancelled_call_was_to_bring_is_missed_by_name(pair):
    pair.says('''
import sys
from hopvine import functions

def used():
    return 1

functions.call(used, (), {}, far)
try:
    call(used)
except Failed:
    show(str(sys.exc_info()[1]).strip())
far.definitions.clear()
show(call(used))
''', '"LookupError: what this call uses was to come with a call that has been cancelled: call again"', '1')


def test_imports_are_made_there_however_they_are_written(pair):
    pair.says('''
import logging.handlers, os.path as paths
import xml.dom.minidom
from os import environ, getpid as pid
from string import ascii_letters
import collections as c

def used():
    from textwrap import dedent
    import base64
    return [logging.handlers.DEFAULT_TCP_LOGGING_PORT, paths.basename('/a/b'), xml.dom.minidom.parseString('<a/>').toxml()[-4:],
            'PATH' in environ, pid(), len(ascii_letters), c.deque([1]), dedent(' x'), base64.__name__]

got = call(used)
show(*got[:4])
show(got[4] == far.process.pid, *got[5:])
''', '9020, "b", "<a/>", true', 'true, 52, [1], "x", "base64"')


def test_a_function_without_its_global_fails_as_it_would_here(pair):
    pair.says('''
import sys
try:
    call(lambda: nowhere)
except Failed:
    show('nowhere' in str(sys.exc_info()[1]))
''', 'true')


# Shapes of functions

def test_lambdas_are_found_on_their_line(pair):
    pair.says('''
two = [lambda x: x + 1, lambda x: x * 2]
table = {'a': lambda x, y=(1, 2): (x,
    [z for z in y],), 'b': lambda *a, **k: a or k}
show(*[call(each, 5) for each in two])
show(call(table['a'], 0), call(table['b'], 1), call(table['b'], b=2), call((lambda n: lambda x: x - n)(3), 4))
show(*[call(each, 1) for each in [(lambda i: lambda x: x + i)(i) for i in range(3)]])
show(call(lambda a, b=lambda: 7: b() + a, 1), call(sorted, [3, 1, 2], key=lambda x: -x))
''', '6, 10', '[0, [1, 2]], [1], {"b": 2}, 1', '1, 2, 3', '8, [3, 2, 1]')


def test_closures_bring_their_variables_and_each_other(pair):
    pair.says('''
def factorial():
    def f(n):
        if n < 2:
            return 1
        return n * f(n - 1)
    return f

def mutual(names):
    def even(n):
        return n == 0 or odd(n - 1)

    def odd(n, step=len(names)):
        return n != 0 and even(n - step)
    return even

def unset():
    def inner():
        return later
    if not inner:
        later = 1
    return inner

show(call(factorial(), 5), call(mutual('a'), 4), call(mutual('a'), 5))
try:
    call(unset())
except Failed:
    show('later')
''', '120, true, false', '"later"')


def test_decorated_functions_are_what_their_decorators_made_of_them(pair):
    pair.says('''
import contextlib, threading

def tagged(name):
    def decorator(function):
        def wrapper(*args):
            return [name, function(*args)]
        return wrapper
    return decorator

@tagged('x')
@tagged(
    'y'
)
def two(a):
    return a

@contextlib.contextmanager
def context(x):
    yield x + 1

class Task(object):
    def __init__(self, function):
        self.function = function
        self.lock = threading.Lock()

    def __call__(self, *args):
        return ['task', self.function(*args)]

@Task
def task(x):
    return x

registered = {}

def register(function):
    registered[function.__name__] = threading.Lock()
    return function

@register
def plain(x):
    return x

manual = tagged('m')(plain)

def using():
    with context(1) as got:
        return got, two(1), task(2), manual(3)

show(call(two, 1), call(task, 2), call(plain, 3), call(manual, 4))
show(*call(using))
''', '["x", ["y", 1]], ["task", 2], 3, ["m", 4]', '2, ["x", ["y", 1]], ["task", 2], ["m", 3]')


def test_functions_of_python_3_keep_what_only_it_has(pair_3):
    pair_3.says('''
import functools

class Never:
    pass

def only_named(a, *, b=2, c: Never = 3) -> Never:
    return a + b + c

@functools.lru_cache(None)
def cached(n):
    return n if n < 2 else cached(n - 1) + cached(n - 2)

@functools.singledispatch
def kind(x):
    return 'any'

def counter(n):
    def count():
        nonlocal n
        n += 1
        return n
    return count

async def later():
    return 5

def run():
    try:
        later().send(None)
    except StopIteration as end:
        return f'{end.value!r} {[cached(n) for n in range(9)][-1]}'

show(call(only_named, 1), call(only_named, 1, b=5, c=1), call(cached, 20), call(kind, 1), call(counter(3)), call(run))
''', '6, 7, 6765, "any", 4, "5 21"')


def test_classes_travel_with_what_they_are_made_of(pair):
    pair.says('''
import collections

Pair = collections.namedtuple('Pair', 'a b')

class Base(object):
    size = 4

    class Inner(object):
        size = 5

class Shape(Base):
    made = [Base()]
    double = size = Base.size * 2

    def area(self):
        return helper(self.size), Shape.made[0].size, super(Shape, self).__init__ is not None

    def name(self):
        return self._name
    name = property(name)

class Old:
    def said(self):
        return 'old'

def helper(x):
    return Pair(x, Shape.__name__)

shape = Shape()
shape._name = 'it'
shape.me = shape
show(call(shape.area), call(lambda s: s.me is s and isinstance(s, Shape) and s.name, shape))
show(call(Old().said), call(lambda kind: kind.size, Base.Inner), call(lambda p: p.a + p.b, Pair(1, 2)))
show(call(lambda kind: (kind.__module__, kind().size), Shape))
''', '[{"a": 8, "b": "Shape"}, 4, true], "it"', '"old", 5, 3', '["__main__", 8]')


def test_generators_are_taken_item_by_item(pair):
    pair.says('''
def count(n):
    for each in range(n):
        yield each

def handed_on():
    return count(2)

show(list(call(count, 3)), list(call(handed_on)), list(call(lambda: (x for x in 'ab'))))
''', '[0, 1, 2], [0, 1], ["a", "b"]')


def test_a_function_of_a_program_without_a_guard_or_with_one_is_the_same(pair):
    pair.says('''
def works():
    return __name__

if __name__ == '__main__':
    show(call(works))
show(call(works))
''', '"__main__"', '"__main__"')


def test_what_was_imported_from_the_future_holds_there_too(pair):
    result = pair(f'from __future__ import division, print_function\n{START}'
                  'def half(x):\n    print(1, end="")\n    return x / 2\nshow(call(half, 1), call(lambda x: x / 4, 1))\n')
    assert result.text == '0.5, 0.25\n', result


def test_sources_of_any_encoding_and_form_are_read(pair):
    source = ('# -*- coding: latin-1 -*-\r\n' + START.replace('\n', '\r\n') + 'def said(x=u"\xe4"):\r\n'
              '\treturn u"\xf6" + x\r\nif 1:\r\n  def inner(): return said()\r\nshow(call(said), call(inner))\r\n').encode('latin-1')
    assert pair(source).text == r'"\u00f6\u00e4", "\u00f6\u00e4"' + '\n'


# What is shown when they fail

def test_tracebacks_show_the_lines_of_the_program(pair):
    result = pair(START + '''

def inner(x):
    return 1 // x  # down there


class Runs(object):
    def run(self):
        return inner(0)  # in a class


def outer():
    def nested():
        return Runs().run()  # nested
    return nested

try:
    call(outer())
except Failed as error:
    print(error)
''')
    places = [line.strip() for line in result.text.splitlines() if set(line) - set(' ^~')]
    assert [place[place.index('job.py'):] for place in places[1:7:2]] == [
        'job.py", line 15, in nested', 'job.py", line 10, in run', 'job.py", line 5, in inner'], result
    assert places[2:8:2] == ['return Runs().run()  # nested', 'return inner(0)  # in a class',
                             'return 1 // x  # down there'], result
    assert places[-1].startswith('ZeroDivisionError:') and len(places) == 8, result


def test_inspect_finds_the_source_there(pair):
    pair.says('''
import inspect

def twice(x):
    # doubled
    return 2 * x

show(call(lambda: inspect.getsource(twice)))
''', r'"def twice(x):\n    # doubled\n    return 2 * x\n"')


def test_what_the_other_python_cannot_compile_is_shown_with_its_version(tmp_path):
    old, new = oldest_and_newest()[0], oldest_and_newest()[-1]
    result = Pair(new, old, tmp_path)(START + '\ndef f(x):\n    y = f"{x}"\n    return y\ntry:\n    call(f, 1)\n'
                                      'except Failed as error:\n    print(error)\n')
    assert 'job.py", line 4' in result.text and 'y = f"{x}"' in result.text, result
    assert f'SyntaxError: invalid syntax; this is Python {old.version}' in result.text, result
