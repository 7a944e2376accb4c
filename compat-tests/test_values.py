"""What a call can return, and how it looks in JSON."""

import base64
import json

import pytest

from harness.pythons import oldest_and_newest

NESTED = "{text('a'): [1, (2, [3]), {text('b'): None}]}"
VALUES = [
    ('None', None), ('True', True), ('0', 0), ('-1', -1), ('2**31', 2**31), ('-2**63', -2**63), ('2**64', 2**64),
    ('3**300', 3**300), ('-3**300', -3**300),
    ('1.0', 1.0), ('-0.0', -0.0), ('0.1', 0.1), ('1e300', 1e300), ('5e-324', 5e-324),
    ("text('')", ''), (r"text('\\u20ac \\U0001f600 \\x00 \\x1b')", '\u20ac \U0001f600 \0 \x1b'),
    (r"text('\\xff\\x00').encode('latin-1')", {'$bytes': '/wA='}),
    ('[]', []), ('()', []), ('{}', {}), ('(1, (2,))', [1, [2]]), (NESTED, {'a': [1, [2, [3]], {'b': None}]}),
    ('set([1])', {'$set': [1]}), ('frozenset([1])', {'$set': [1]}), ('set()', {'$set': []}),
    ('{1: 2}', {'$dict': [[1, 2]]}), ('{(1, 2): 3}', {'$dict': [[[1, 2], 3]]}), ('{None: 1}', {'$dict': [[None, 1]]}),
    ("float('nan')", {'$float': 'nan'}), ("float('inf')", {'$float': 'inf'}), ("-float('inf')", {'$float': '-inf'}),
]


@pytest.mark.parametrize('expression, expected', VALUES, ids=[expression for expression, _ in VALUES])
@pytest.mark.parametrize('python', oldest_and_newest(), ids=repr)
def test_a_value_comes_back_as_it_was(hop, python, expression, expected):
    result = hop.call('local:', 'answers:evaluate', json.dumps(expression), '--python', python.path)
    # as text, since 1 == 1.0 == True and -0.0 == 0.0 hide what JSON shows
    assert repr(result.value) == repr(expected), result
    assert len(result.lines) == 1, result


def test_a_set_of_several_is_complete_in_any_order(hop):
    result = hop.call('local:', 'answers:evaluate', 'set([1, 2, 3])')
    assert sorted(result.value['$set']) == [1, 2, 3], result


def test_a_shared_value_appears_at_each_of_its_places(hop):
    result = hop.call('local:', 'answers:evaluate', '(lambda a: [a, a])([1])')
    assert result.value == [[1], [1]], result


def test_four_mebibytes_come_back_whole(hop, ssh):
    result = hop.call('h1', 'answers:evaluate', "text('ab').encode('ascii') * (2 << 20)")
    assert base64.b64decode(result.value['$bytes']) == b'ab' * (2 << 20)


def test_a_long_argument_arrives_whole(hop, ssh):
    words = 'x\u20ac' * 20000
    assert hop.call('h1', 'answers:echo', words).value['args'] == [words]


def test_bytes_and_sets_printed_by_one_call_can_be_given_to_the_next(hop):
    for printed, name in (('{"$bytes": "AAH/"}', ('bytes', 'str')), ('{"$set": [1]}', ('set',))):
        shown = hop.call('local:', 'answers:type_name', printed, '--json').only['value']
        assert shown in [*name, *({'$bytes': base64.b64encode(each.encode()).decode()} for each in name)], shown


@pytest.mark.parametrize('function, words', [('answers:unsendable', []), ('answers:nested', ['100000'])])
def test_a_value_that_cannot_be_sent_fails_its_call_only(hop, function, words):
    result = hop.call('local:', function, *words, '--json')
    assert result.rc == 1 and result.only['error']['kind'] == 'bad_value', result


def test_a_value_that_holds_itself_ends_somewhere(hop):
    result = hop.call('local:', 'answers:ring', '--json')
    assert result.rc in (0, 1) and result.only['target'] == 'local', result


def test_the_bytes_of_python_3_stay_bytes_also_when_they_are_ascii(hop):
    assert hop.call('local:', 'answers:evaluate', "text('x').encode('ascii')").value == {'$bytes': 'eA=='}


def test_a_value_nested_fifty_deep_comes_back(hop):
    value = hop.call('local:', 'answers:nested', '50').value
    for _ in range(50):
        (value,) = value
    assert value == []


def test_half_a_surrogate_pair_breaks_neither_json_nor_the_program(hop):
    result = hop.call('local:', 'answers:evaluate', r"text('\\ud800')", '--json')
    assert result.only['ok'] in (True, False) and 'panicked' not in result.said, result
