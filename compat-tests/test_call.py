"""`hopvine call`: a Python function on another machine."""

import os

import pytest

from harness.pythons import discover

BOTH = pytest.mark.parametrize('target', ['local:', 'h1'])
MODERN = [python for python in discover() if python.number >= (3, 7)][-1:]


@BOTH
def test_the_value_is_one_line_on_stdout_and_nothing_else_is(hop, ssh, target):
    result = hop.call(target, 'output:both_ways')
    assert (result.rc, result.out) == (0, b'1\n'), result
    assert 'printed\n' in result.said and 'from a shell\n' in result.said, result


def test_text_prints_as_json_and_none_as_null(hop):
    assert hop.call('local:', 'answers:text', 'plain "quoted"').out == b'"plain \\"quoted\\""\n'
    assert hop.call('local:', 'presence:say', 'x').out == b'null\n'


def test_arguments_are_json_or_else_text(hop):
    words = ['1', '1.5', 'true', 'null', '[1]', '{"a": 1}', '"quoted"', 'plain', '01', 'nan', '', '{broken', ' 2 ']
    shown = hop.call('local:', 'answers:echo', *words).value['args']
    assert shown == [1, 1.5, True, None, [1], {'a': 1}, 'quoted', 'plain', '01', 'nan', '', '{broken', 2]


def test_keyword_values_are_json_or_else_text_and_may_hold_an_equals_sign(hop):
    shown = hop.call('local:', 'answers:echo', '--kw', 'n=1', '--kw', 't=a=b', '--kw', 'empty=')
    assert shown.value['kw'] == {'n': 1, 't': 'a=b', 'empty': ''}, shown


def test_a_negative_number_can_be_an_argument(hop):
    assert hop('call', '-w', 'local:', 'operator:neg', '--', '-5').out == b'5\n'


def test_standard_input_of_a_call_is_empty(hop):
    result = hop.call('local:', 'output:read_stdin', '--json', stdin=b'for the controller')
    assert result.only['value'] in ('', {'$bytes': ''}), result


@BOTH
def test_a_call_runs_in_another_process_each_time(hop, ssh, target):
    first, second = (int(hop.call(target, 'presence:pid').text) for _ in range(2))
    assert len({first, second, os.getpid()}) == 3


@BOTH
def test_an_exception_shows_type_message_and_the_remote_source_line(hop, ssh, target):
    result = hop.call(target, 'failing:with_value_error')
    assert (result.rc, result.out) == (1, b''), result
    for words in ('ValueError', 'the reason given', 'in with_value_error', 'raise ValueError(message)', 'failing.py'):
        assert words in result.said, (words, result)


@pytest.mark.parametrize('function, kind, words', [
    ('failing:by_exit', 'exception', 'SystemExit'),
    ('failing:by_recursion', 'exception', 'recursion'),
    ('failing:with_unprintable_error', 'exception', 'Unprintable'),
    ('failing:by_hard_exit', 'link_lost', '4'),
    ('failing:by_signal', 'link_lost', '11'),
    ('no_such_module_here:f', 'exception', 'no_such_module_here'),
    ('answers:no_such_function', 'exception', 'no_such_function'),
])
def test_each_bad_end_of_a_call_has_its_own_error(hop, function, kind, words):
    result = hop.call('local:', function, '--json')
    error = result.only['error']
    assert (result.only['ok'], error['kind']) == (False, kind) and result.rc != 0, result
    assert words in error['message'] + (error.get('traceback') or '') + result.said, result


def test_a_long_message_arrives_whole(hop):
    message = hop.call('local:', 'failing:with_long_message', '--json').only['error']['message']
    assert message.endswith('x' * 20000 + 'END')


@pytest.mark.parametrize('python', MODERN, ids=repr)
def test_the_cause_of_an_exception_is_shown(hop, python):
    traceback = hop.call('local:', 'failing:with_cause', '--json', '--python', python.path).only['error']['traceback']
    assert 'ZeroDivisionError' in traceback and 'direct cause' in traceback and 'KeyError' in traceback


def test_a_call_that_is_late_is_timed_out_and_gone(hop):
    result = hop.call('local:', 'presence:stay_with_children', '-t', '1', '--json')
    assert result.rc == 124 and result.only['error']['kind'] == 'timed_out', result


@BOTH
def test_a_function_of_a_file_and_of_the_modules_beside_it(hop, ssh, target):
    hop.write('beside.py', 'NUMBER = 41\n')
    hop.write('job.py', 'import beside\n\ndef answer(n=1):\n    return beside.NUMBER + n\n')
    assert hop('call', '-w', target, './job.py:answer').out == b'42\n'
    assert hop('call', '-w', target, './job.py:answer', '2').out == b'43\n'


def test_a_package_brings_its_subpackages_and_relative_imports(hop, ssh):
    hop.write('lib/tree/__init__.py', '')
    hop.write('lib/tree/leaf.py', 'VALUE = 5\n')
    hop.write('lib/tree/deep/__init__.py', 'from ..leaf import VALUE\n')
    hop.write('lib/tree/deep/down.py', 'from . import VALUE\nfrom ..leaf import VALUE as same\n'
                                       'def total():\n    return VALUE + same\n')
    assert hop('call', '-w', 'h1', '--path', 'lib', 'tree.deep.down:total').out == b'10\n'


def test_a_function_may_import_a_module_that_nothing_named_before(hop, ssh):
    hop.write('lib/late.py', 'def f(name):\n    return __import__(name).VALUE\n')
    hop.write('lib/hidden.py', 'VALUE = 6\n')
    assert hop('call', '-w', 'h1', '--path', 'lib', 'late:f', 'hidden').out == b'6\n'


def test_a_users_module_wins_over_an_installed_one_but_never_over_the_standard_library(hop):
    hop.write('lib/pip/__init__.py', 'def f():\n    return "mine"\n')
    hop.write('lib/string.py', 'raise SystemExit("not for you")\n')
    assert hop('call', '-w', 'local:', '--path', 'lib', 'pip:f').out in (b'"mine"\n', b'{"$bytes":"bWluZQ=="}\n')
    result = hop('call', '-w', 'local:', '--path', 'lib', 'string:capwords', 'a b')
    assert result.out == b'"A B"\n', result


def test_a_module_that_fails_to_import_shows_where(hop):
    hop.write('lib/broken.py', 'def f(:\n')
    result = hop('call', '-w', 'local:', '--path', 'lib', 'broken:f')
    assert result.rc == 1 and 'SyntaxError' in result.said and 'broken.py' in result.said, result
