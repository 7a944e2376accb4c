"""Arguments on their way to another interpreter; and what is refused, functions as well, with what to do instead."""

import pytest

from harness.pair import Pair, each_pair
from harness.pythons import oldest_and_newest

@pytest.fixture(params=each_pair(oldest_and_newest()))
def pair(request, tmp_path):
    return Pair(*request.param, tmp_path)


# Arguments

def test_arguments_keep_their_identities_and_their_cycles(pair):
    pair.says('''
import datetime, decimal
one = [1]
ring = [2]
ring.append(ring)
odd = ([],)
odd[0].append(odd)

class Point(object):
    pass

point = Point()
point.x = one

show(call(lambda a, b: a is b, one, one), call(lambda a: a[1] is a, ring), call(lambda a: a[0][0] is a, odd))
show(call(lambda p, a: p.x is a, point, one), call(lambda d: d.year, datetime.datetime(2026, 1, 2)),
     call(lambda d: str(d + 1), decimal.Decimal('1.5')))
show(call(lambda *many: [len(each) for each in many], list(range(100000)), {'a': set([1])}, frozenset([2]), (1, None, True, 0.5, 10 ** 40)))
''', 'true, true, true', 'true, 2026, "2.5"', '[100000, 1, 1, 5]')


def test_text_and_bytes_stay_what_they_are(pair):
    pair.says('''# -*- coding: utf-8 -*-
class Box(object):
    pass
box = Box()

def kinds(*values):
    return [isinstance(value, type(u'')) or str is not type(u'') and isinstance(value, str) for value in values]

show(call(lambda *a: [each == u'\\u20ac' or each == 'x' for each in a], u'\\u20ac', u'x', 'x'))
show(call(lambda *a: [bytes(each) == each for each in a], b'\\xff\\x00', bytes(bytearray([255]))))
box.text, box.data = u'\\u20ac', b'\\xff'
show(call(lambda b: [b.text == u'\\u20ac', b.data == b'\\xff'], box))
''', '[true, true, true]', '[true, true]', '[true, true]')


def test_a_str_of_python_2_that_is_not_ascii_comes_back_as_it_was(tmp_path):
    two, newest = oldest_and_newest()[0], oldest_and_newest()[-1]
    script = '''# -*- coding: utf-8 -*-
class Box(object):
    pass
box = Box()
box.x = ['\\xc3\\xa4', '\\xff']
show(call(lambda *a: [type(each).__name__ for each in a], '\\xc3\\xa4', u'\\xe4', '\\xff'))
show(call(lambda b: [type(each).__name__ for each in b.x], box))
'''
    Pair(two, two, tmp_path).says(script, '["str", "unicode", "str"]', '["str", "str"]')
    Pair(two, newest, tmp_path).says(script, '["str", "str", "bytes"]', '["str", "bytes"]')


# What is refused

def test_an_argument_that_cannot_be_pickled_is_named_with_its_type(pair):
    pair.refuses('''
import threading
lock = threading.Lock()
for args, named in ((1, lock), {}), ((), {'size': 1, 'lock': lock}), (([1, [lock]],), {}), ((open('job.py'),), {}):
    try:
        call(len, *args, **named)
    except Unsendable as error:
        print(error)
show(far.definitions, call(len, 'ab'))
''', 'argument 2 of len (of type lock) cannot be sent', 'argument lock of len (of type lock)',
            'argument 1 of len (of type list)', 'make it in the function', 'open it in the function', '{}, 2')


GLOBALS = {
    'threading.Lock()': ('which cannot be sent', 'make it in the function'),
    'open("job.py")': ('which cannot be sent', 'open it in the function'),
    '__import__("socket").socket()': ('which cannot be sent', 'open it in the function'),
    'types.ModuleType("made")': ('the module made', 'made by the program'),
    'Grant()': ('holds a grant', 'pass it as an argument, or connect from the function'),
    'local_class()()': ('the class', 'define it at the top'),
    '(x for x in [1])': ('of type generator', 'make it in the function'),
}


@pytest.mark.parametrize('value', GLOBALS)
def test_a_global_that_cannot_travel_is_named_with_who_uses_it(pair, value):
    pair.refuses(f'''
import threading, types
from hopvine import functions
def local_class():
    class Local(object):
        pass
    return Local
class Grant(functions.Travelling):
    def __repr__(self):
        return 'a grant'
odd = {value}
def direct():
    return odd
def indirect():
    return direct()
for function in direct, indirect:
    try:
        call(function)
    except Unsendable as error:
        print(error)
show('refused', far.definitions)
''', *GLOBALS[value], '"refused", {}', *['odd'] * ('class' not in value))


def test_what_has_no_source_is_refused_with_what_to_do(pair):
    pair.refuses('''
exec('def made(): return 1')
exec('made_too = lambda: 1')
for function in made, made_too:
    try:
        call(function)
    except Unsendable as error:
        print(error)
''', 'the function made cannot be sent: it has no source', 'the function <lambda> cannot be sent', 'hopvine py')


def test_a_file_that_has_changed_since_is_not_taken_for_what_runs(pair):
    pair.refuses('''
def works(): return 1
with open('job.py') as file:
    text = file.read()
with open('job.py', 'w') as file:
    file.write(text.replace('return 1', 'return 22'))
try:
    call(works)
except Unsendable as error:
    print(error)
''', 'the function works cannot be sent', 'line 4, is no longer what it was made from')


def test_an_instance_of_a_class_that_has_been_defined_anew_is_refused(pair):
    pair.refuses('''
class Point(object):
    pass
point = Point()
class Point(object):
    x = 1
try:
    call(lambda: point)
except Unsendable as error:
    print(error)
''', 'the class Point of __main__ is not found there', 'make its instances after that')
