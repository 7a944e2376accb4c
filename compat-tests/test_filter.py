"""`hopvine filter`: the hosts where a predicate holds, folded, for $(...)."""

import pytest

CHECKS = '''
import os

def named(*names):
    return os.environ.get("NAME") in names

def size(n):
    return "x" * int(n)

def broken():
    raise ValueError("no idea")

def value(what):
    return what

def loud():
    print("shown")
    return True
'''


@pytest.fixture
def filtered(hop):
    """`filtered(*words)` over hosts that each have a name of their own."""
    hop.write('checks.py', CHECKS)
    for name in ('a1', 'a2', 'a3', 'b'):
        hop.way_through(f'NAME={name} exec sh -c "$1"', name)

    def filtered(*words, hosts='exec:a[1-3],exec:b'):
        return hop('filter', '-w', hosts, *words)
    return filtered


def test_the_hosts_where_it_is_true_are_folded(filtered):
    result = filtered('./checks.py:named', 'a1', 'a2', 'b')
    assert (result.rc, result.text, result.err) == (0, 'exec:a[1-2],exec:b\n', b''), result
    result = filtered('--exclude', './checks.py:named', 'a1', 'a2', 'b')
    assert (result.rc, result.text) == (0, 'exec:a3\n'), result


def test_none_is_nothing_which_is_no_expression(hop, filtered):
    result = filtered('./checks.py:named', 'nobody')
    assert (result.rc, result.out) == (0, b''), result
    assert hop('run', '-w', result.text.strip(), '--', 'true').rc == 2


@pytest.mark.parametrize('argument, holds', [
    ('0', False), ('1', True), ('""', False), ('x', True), ('[]', False), ('[0]', True), ('{}', False), ('null', False),
    ('false', False), ('true', True), ('0.0', False), ('123456789012345678901234567890', True),
])
def test_true_is_what_python_takes_for_true(filtered, argument, holds):
    result = filtered('./checks.py:value', argument, hosts='local:')
    assert result.text == ('local:\n' if holds else ''), result


def test_one_that_fails_is_an_error_and_in_neither_list(hop, filtered):
    hop.way_in('false {}', 'gone')
    for words in ([], ['--exclude']):
        result = filtered(*words, './checks.py:broken', hosts='exec:b,local:')
        assert (result.rc, result.out) == (5, b'') and 'ValueError: no idea' in result.said, result
        result = filtered(*words, './checks.py:value', '0' if words else '1', hosts='exec:gone,exec:b')
        assert (result.rc, result.text) == (4, 'exec:b\n'), result


def test_what_it_prints_is_beside_the_result(filtered):
    result = filtered('./checks.py:loud', hosts='exec:a[1-2]')
    assert result.text == 'exec:a[1-2]\n' and result.said.count('shown') == 2, result


def test_what_was_typed_is_what_leads_there_again(filtered):
    result = filtered('./checks.py:value', 'true', hosts='local:x?python=python3,local:c[01-03]')
    assert result.rc == 0 and sorted(result.text.strip().split(',')) == ['local:c[01-03]', 'local:x?python=python3'], result


def test_json_has_what_it_returned(filtered):
    result = filtered('--json', './checks.py:value', '[1]', hosts='local:c[1-2]')
    assert [each['value'] for each in result.json.values()] == [[1], [1]] and len(result.lines) == 2, result
