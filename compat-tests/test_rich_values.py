"""Values beyond the plain ones, to a function and back; what cannot be sent; where the limits are."""

import json

import pytest

from harness.process import peak_bytes
from harness.pythons import discover, oldest_and_newest

EACH = pytest.mark.parametrize('python', oldest_and_newest(), ids=repr)
PYTHON_2 = pytest.mark.parametrize('python', [python for python in discover() if python.number < (3,)], ids=repr)
PYTHON_3 = pytest.mark.parametrize('python', [python for python in oldest_and_newest() if python.number >= (3,)],
                                   ids=repr)


@pytest.fixture
def made(hop):
    """`made(python, expression, statements)`: the call that returns this."""
    def made(python, expression, statements='', target='local:', **options):
        words = [json.dumps(statements), json.dumps(expression)]
        return hop.call(target, 'kinds:make', *words, '--json', '--python', python.path, **options)
    return made


def table(rows):
    """By interpreter and row, where a row may begin with the first version that it is for."""
    found = []
    for python in oldest_and_newest():
        for row in rows:
            since, *rest = row if isinstance(row[0], tuple) else ((2,), *row)
            if python.number >= since:
                found.append(pytest.param(python, *rest, id=f'{python}-{rest[0][:40]}'))
    return found


# From a function

ENUM = 'import enum\nclass Color(enum.Enum):\n    RED = 1\n    BLUE = (1, "b")\n    ODD = None\n' \
       'class Number(enum.IntEnum):\n    ONE = 1\nclass Bits(enum.IntFlag):\n    A = 1\n    B = 2\n' \
       'class Word(str, enum.Enum):\n    A = "a"\n'
CLASS = 'import dataclasses\n@dataclasses.dataclass\nclass Job:\n    name: str\n    at: object = None\n' \
        '    parts: list = dataclasses.field(default_factory=list)\n' \
        '    hidden: int = dataclasses.field(default=1, repr=False)\n'
RETURNED = [
    ('datetime.datetime(2026, 1, 2, 3, 4, 5)', {'$datetime': '2026-01-02T03:04:05'}),
    ('datetime.datetime(2026, 1, 2, 3, 4, 5, 60)', {'$datetime': '2026-01-02T03:04:05.000060'}),
    ('datetime.datetime(2026, 1, 2, tzinfo=Zone(330))', {'$datetime': '2026-01-02T00:00:00+05:30'}),
    ('datetime.datetime(1, 1, 1, tzinfo=Zone(-1))', {'$datetime': '0001-01-01T00:00:00-00:01'}),
    ('datetime.datetime.max', {'$datetime': '9999-12-31T23:59:59.999999'}),
    ((3,), 'datetime.datetime(2026, 1, 2, tzinfo=datetime.timezone.utc)', {'$datetime': '2026-01-02T00:00:00+00:00'}),
    ((3, 9), '__import__("zoneinfo").ZoneInfo("UTC") and datetime.datetime(2026, 7, 1, '
             'tzinfo=__import__("zoneinfo").ZoneInfo("UTC"))', {'$datetime': '2026-07-01T00:00:00+00:00'}),
    ('datetime.date(2026, 1, 2)', {'$date': '2026-01-02'}),
    ('datetime.time(3, 4)', {'$time': '03:04:00'}),
    ('datetime.time(3, 4, 5, 6, Zone(60))', {'$time': '03:04:05.000006+01:00'}),
    ('datetime.timedelta(1, 2, 3)', {'$timedelta': 86402.000003}), ('datetime.timedelta(0)', {'$timedelta': 0}),
    ('datetime.timedelta(-1, 0, 1)', {'$timedelta': -86399.999999}),
    ('-datetime.timedelta(0, 0, 500000)', {'$timedelta': -0.5}),
    ('decimal.Decimal("1.10")', {'$decimal': '1.10'}), ('decimal.Decimal("-0")', {'$decimal': '-0'}),
    ('decimal.Decimal("1E+999")', {'$decimal': '1E+999'}), ('decimal.Decimal("NaN")', {'$decimal': 'NaN'}),
    ('decimal.Decimal("-Infinity")', {'$decimal': '-Infinity'}),
    ('Point(1, [Point(2, 3)])', {'x': 1, 'y': [{'x': 2, 'y': 3}]}),
    ('collections.OrderedDict([("z", 1), ("a", 2), ("m", [])])', {'z': 1, 'a': 2, 'm': []}),
    ('collections.defaultdict(int, a=1)', {'a': 1}), ('collections.Counter("aab")', {'a': 2, 'b': 1}),
    ('collections.deque([1, 2], 2)', [1, 2]), ('bytearray(data("00ff"))', {'$bytes': 'AP8='}),
    ('memoryview(data("00ff"))', {'$bytes': 'AP8='}),
    ('Text("words")', 'words'), ('Int(7)', 7), ((3,), 'Int(3 ** 50)', 3 ** 50),
    ('Float(0.5)', 0.5), ('List([1, 2])', [1, 2]),
    ('Tuple([1, 2])', [1, 2]), ('Dict(a=Int(1))', {'a': 1}), ('Set([1])', {'$set': [1]}),
    ('{Text("k"): Text("v")}', {'k': 'v'}), ('{Int(1): 2}', {'$dict': [[1, 2]]}),
    ('{True: 1, None: 2}', None), ('[{}.keys(), {1: 2}.values(), {1: 2}.items()]', [[], [2], [[1, 2]]]),
    ('{datetime.date(2026, 1, 2): decimal.Decimal(1)}', {'$dict': [[{'$date': '2026-01-02'}, {'$decimal': '1'}]]}),
    ('set([datetime.date(2026, 1, 2)])', {'$set': [{'$date': '2026-01-02'}]}),
    ('frozenset([(1, 2)])', {'$set': [[1, 2]]}),
    ('[10 ** 4000, -10 ** 4000]', [10 ** 4000, -10 ** 4000]), ('10 ** 30000', {'$int': hex(10 ** 30000)}),
    ('[float("nan"), float("inf"), -float("inf"), -0.0]',
     [{'$float': 'nan'}, {'$float': 'inf'}, {'$float': '-inf'}, -0.0]),
    ((3,), '"\\ud800 \\udfff"', '\ud800 \udfff'), ('text("a\\\\x00b")', 'a\0b'),
    ((3, 6), '__import__("pathlib").PurePosixPath("/a/b")', '/a/b'), ((3, 6), '__import__("pathlib").Path(".")', '.'),
]


@pytest.mark.parametrize('python, expression, expected', table(RETURNED))
def test_a_value_that_is_returned_looks_like_this(made, python, expression, expected):
    result = made(python, expression)
    assert result.rc == 0, result
    if expected is None:
        assert sorted(map(str, result.only['value']['$dict'])) == ['[None, 2]', '[True, 1]'], result
    else:
        # as text: 1 == 1.0 == True, and the order of keys counts
        assert json.dumps(result.only['value']) == json.dumps(expected), result


@pytest.mark.parametrize('python, expression, expected', table([
    ((3, 6), 'Color.RED', 1), ((3, 6), 'Color.BLUE', [1, 'b']), ((3, 6), 'Color.ODD', None), ((3, 6), 'Number.ONE', 1),
    ((3, 6), 'Bits.A | Bits.B', 3), ((3, 6), 'Word.A', 'a'), ((3, 6), '{Word.A: [Number.ONE]}', {'a': [1]}),
    ((3, 6), '{Color.RED: 2}', {'$dict': [[1, 2]]})]))
def test_a_member_of_an_enum_is_its_value(made, python, expression, expected):
    result = made(python, expression, ENUM)
    assert result.rc == 0 and json.dumps(result.only['value']) == json.dumps(expected), result


@pytest.mark.parametrize('python', [python for python in discover() if python.number >= (3, 7)], ids=repr)
def test_a_dataclass_is_a_dict_of_its_fields_in_their_order(made, python):
    shown = made(python, '[Job("a", datetime.date(2026, 1, 2)), Job("b", Job("c"), [1])]', CLASS).only['value']
    assert json.dumps(shown) == json.dumps([
        {'name': 'a', 'at': {'$date': '2026-01-02'}, 'parts': [], 'hidden': 1},
        {'name': 'b', 'at': {'name': 'c', 'at': None, 'parts': [], 'hidden': 1}, 'parts': [1], 'hidden': 1}])


@EACH
def test_an_integer_of_thousands_of_digits_is_printed_digit_by_digit(hop, python):
    shown = hop.call('local:', 'kinds:make', '', '[10 ** 5000, -10 ** 5000]', '--python', python.path)
    assert shown.text == f'[1{"0" * 5000},-1{"0" * 5000}]\n', shown


@EACH
def test_the_order_of_an_ordered_dict_is_kept_at_any_size(made, python):
    keys = [f'k{(n * 7919) % 1000}' for n in range(1000)]
    result = made(python, 'collections.OrderedDict([("k%d" % (n * 7919 % 1000), n) for n in range(1000)])')
    assert list(result.only['value']) == keys, result


@EACH
def test_what_is_shared_is_shown_at_each_place_and_a_circle_once(made, python):
    statements = 'a = [1]\nd = {"a": a}\nl = [d, d, a]\nring = []\nring.append(ring)\n' \
                 'tied = {}\ntied["t"] = (tied,)\nleft, right = [], []\nleft.append(right)\nright.append(left)\n'
    circular = {'$circular': True}
    assert made(python, 'l', statements).only['value'] == [{'a': [1]}, {'a': [1]}, [1]]
    assert made(python, '[ring, tied, left]', statements).only['value'] == [
        [circular], {'t': [circular]}, [[circular]]]


@EACH
def test_a_value_a_hundred_deep_comes_and_one_deeper_is_refused(hop, python):
    result = hop.call('local:', 'kinds:deep', '100', '--python', python.path)
    assert result.text == '[' * 100 + ']' * 100 + '\n', result
    result = hop.call('local:', 'kinds:deep', '101', '--json', '--python', python.path)
    assert refused(result).endswith('nested more than 100 deep'), result


def refused(result):
    error = result.only['error']
    assert (result.rc, error['kind'], result.only['ok']) == (1, 'bad_value', False), result
    return error['message']


UNSENDABLE = [
    ('object()', 'object'), ('Plain()', 'Plain'), ('[1, {"a": (Plain(),)}]', 'Plain'), ('{Plain(): 1}', 'Plain'),
    ('1j', 'complex'), ('open', 'builtin_function_or_method'), ('sys', 'module'), ('Plain', 'type'), ('Loud()', 'Loud'),
    ('threading.Lock()', 'lock'), ('[item for item in [(n for n in [])]]', 'generator'), ('lambda: 1', 'function'),
    ('Wrong(a=1)', ''), ('set([Zone(1)])', 'Zone'), ('ValueError("x")', 'ValueError'),
]


@pytest.mark.parametrize('python, expression, name', table(UNSENDABLE))
def test_a_value_that_cannot_be_sent_fails_its_call_and_names_its_type(made, python, expression, name):
    assert name in refused(made(python, expression))


@EACH
def test_a_value_that_fails_to_describe_itself_fails_its_call_only(made, python):
    statements = 'class Bad(dict):\n    def __iter__(self):\n        raise KeyError("inside")\n' \
                 'class Worse(list):\n    def __iter__(self):\n        import os\n        raise SystemExit(3)\n' \
                 'class Liar(object):\n    __class__ = property(lambda self: list)\n' \
                 '    __fspath__ = property(lambda self: 1 / 0)\n'
    for expression in ('Bad(a=1)', '[Worse([1])]', 'Liar()'):
        result = made(python, expression, statements)
        error = result.only['error']
        assert result.rc == 1 and error['kind'] in ('bad_value', 'exception') and error['message'], result


# To a function

SENT = [
    ('{"$datetime": "2026-01-02T03:04:05.000060+05:30"}', 'datetime.datetime(2026, 1, 2, 3, 4, 5, 60, Zone(330))'),
    ('{"$datetime": "2026-01-02T03:04:05"}', 'datetime.datetime(2026, 1, 2, 3, 4, 5)'),
    ('{"$datetime": "2026-01-02 03:04:05Z"}', 'datetime.datetime(2026, 1, 2, 3, 4, 5, 0, Zone(0))'),
    ('{"$datetime": "2026-01-02T03:04:05-08:00"}', 'datetime.datetime(2026, 1, 2, 3, 4, 5, 0, Zone(-480))'),
    ('{"$datetime": "2026-01-02T03:04:05.5"}', 'datetime.datetime(2026, 1, 2, 3, 4, 5, 500000)'),
    ('{"$date": "2026-01-02"}', 'datetime.date(2026, 1, 2)'), ('{"$time": "03:04"}', 'datetime.time(3, 4)'),
    ('{"$time": "03:04:05.000006"}', 'datetime.time(3, 4, 5, 6)'),
    ('{"$timedelta": 86402.000003}', 'datetime.timedelta(1, 2, 3)'), ('{"$timedelta": 0}', 'datetime.timedelta(0)'),
    ('{"$timedelta": -0.5}', '-datetime.timedelta(0, 0, 500000)'),
    ('{"$timedelta": -86399.999999}', 'datetime.timedelta(-1, 0, 1)'),
    ('{"$decimal": "1.10"}', 'decimal.Decimal("1.10")'), ('{"$decimal": "-Infinity"}', 'decimal.Decimal("-Infinity")'),
    ('{"$bytes": "AP8="}', 'data("00ff")'), ('{"$set": [1, "a"]}', 'set([1, "a"])'), ('{"$set": []}', 'set()'),
    ('{"$dict": [[1, 2], [[3], 4]]}', None), ('{"$dict": [[1, {"$set": [2]}]]}', '{1: set([2])}'),
    ('{"$dict": []}', '{}'), ('{"$float": "inf"}', 'float("inf")'), ('{"$float": "-inf"}', '-float("inf")'),
    ('{"$int": "0xff"}', '255'), (str(10 ** 4000), '10 ** 4000'),
    ('-0.0', '-0.0'), ('1e400', 'float("inf")'), ('[[], {}, null, true, 1, 2.5]', '[[], {}, None, True, 1, 2.5]'),
    ('"\\u20ac"', 'text("\\\\u20ac")'), ('"a\\u0000b"', '"a\\x00b"'), ('{"a": {"$date": "2026-01-02"}}',
                                                                    '{"a": datetime.date(2026, 1, 2)}'),
]


@pytest.mark.parametrize('python, typed, expression', table(SENT))
def test_a_value_that_is_typed_arrives_as_its_type(hop, python, typed, expression):
    if expression is None:
        # A list is no key: the call fails and says so.
        result = hop.call('local:', 'kinds:told', typed, '--json', '--python', python.path)
        assert result.rc == 1 and 'unhashable' in result.only['error']['message'], result
        return
    result = hop.call('local:', 'kinds:compared', '--python', python.path, '--', typed, '', json.dumps(expression))
    assert result.rc == 0 and result.value[:2] == [True, True], result


@EACH
def test_not_a_number_arrives_as_that(hop, python):
    result = hop.call('local:', 'kinds:told', '{"$float": "nan"}', '{"$decimal": "NaN"}', '--python', python.path)
    assert result.value == [['float', 'nan'], ['Decimal', "Decimal('NaN')"]], result


@pytest.mark.parametrize('typed', ['{"$datetime": "yesterday"}', '{"$date": "2026-13-40"}', '{"$time": "25:00"}',
                                   '{"$decimal": "many"}'])
@EACH
def test_a_value_that_is_typed_wrongly_fails_its_call_and_says_so(hop, python, typed):
    result = hop.call('local:', 'kinds:told', typed, '--json', '--python', python.path)
    assert result.rc in (1, 2) and 'panicked' not in result.said, result
    if result.rc == 1:
        assert result.only['error']['message'], result


@EACH
def test_what_looks_like_a_special_form_and_is_none_is_a_dict(hop, python):
    words = ['{"$bytes": 1}', '{"$bytes": "AA==", "more": 1}', '{"$nothing": 1}', '{"$set": 1}']
    shown = hop.call('local:', 'kinds:told', *words, '--python', python.path).value
    assert [name for name, _ in shown] == ['dict'] * 4, shown


@EACH
def test_every_form_that_is_printed_can_be_typed_again(made, hop, python):
    expression = '[datetime.datetime(2026, 1, 2, 3, 4, 5, 6, Zone(90)), datetime.date(2026, 1, 2), ' \
                 'datetime.time(1, 2, 3, 4), datetime.timedelta(-3, 4, 5), decimal.Decimal("1.50"), set([1]), ' \
                 '{1: 2}, float("-inf"), data("ff00"), 3 ** 99999]'
    printed = made(python, expression).only['value']
    again = hop.call('local:', 'operator:getitem', json.dumps([printed]), '0', '--python', python.path).value
    assert again == printed


@EACH
def test_an_argument_a_hundred_deep_arrives_and_one_deeper_is_refused_at_once(hop, python):
    # The arguments are in a tuple, in a pair.
    for depth in (90, 98):
        typed = '[' * depth + ']' * depth
        assert hop.call('local:', 'kinds:depth_of', typed, '--python', python.path).value == depth
    for depth in (101, 500, 50_000):
        result = hop.call('local:', 'kinds:depth_of', '[' * depth + ']' * depth, '--python', python.path)
        assert result.rc in (1, 2) and result.out == b'' and 'panicked' not in result.said, result


# Python 2

@PYTHON_2
@pytest.mark.parametrize('expression, expected', [
    ('"ascii"', 'ascii'), ('u"ascii"', 'ascii'), ('u"\\u20ac"', '\u20ac'), ('u"\\u20ac".encode("utf-8")', '\u20ac'),
    ('u"\\xe9".encode("latin-1")', {'$bytes': '6Q=='}), ('""', ''), ('"\\x00"', '\0'), ('bytearray("a")', 'a'),
    ('{"a": 1, u"\\xe9": 2}', {'a': 1, '\xe9': 2}), ('5L', 5), ('2L ** 70', 2 ** 70), ('xrange', None),
    ('u"\\U0001f600"', '\U0001f600'), ('buffer("ab")', None)])
def test_what_python_2_returns(made, python, expression, expected):
    result = made(python, expression)
    if expected is None:
        assert refused(result), result
    else:
        assert json.dumps(result.only['value'], sort_keys=True) == json.dumps(expected, sort_keys=True), result


@PYTHON_2
def test_what_python_2_receives(hop, python):
    words = ['"ascii"', '"\u20ac"', '{"$bytes": "6Q=="}', '{"$bytes": "YQ=="}', '1', str(2 ** 70), '{"k": "v"}', '""']
    shown = hop.call('local:', 'kinds:told', *words, '--python', python.path).value
    assert shown == [['str', "'ascii'"], ['unicode', "u'\\u20ac'"], ['str', "'\\xe9'"], ['str', "'a'"], ['int', '1'],
                     ['long', f'{2 ** 70}L'], ['dict', "{'k': 'v'}"], ['str', "''"]]


@PYTHON_3
def test_what_python_3_receives(hop, python):
    words = ['"ascii"', '"\u20ac"', '{"$bytes": "YQ=="}', '1', str(2 ** 70), '{"k": "v"}']
    shown = hop.call('local:', 'kinds:told', *words, '--python', python.path).value
    assert shown == [['str', "'ascii'"], ['str', "'\u20ac'"], ['bytes', "b'a'"], ['int', '1'], ['int', f'{2 ** 70}'],
                     ['dict', "{'k': 'v'}"]]


@PYTHON_2
def test_keyword_arguments_of_python_2_may_be_named_by_any_text(hop, python):
    shown = hop.call('local:', 'kinds:told', '--kw', 'plain=1', '--python', python.path)
    assert shown.value == [['int', '1']], shown


# Limits

@pytest.mark.parametrize('kind, count, said', [('bytes', 70 << 20, 'too large')])
def test_a_value_beyond_the_limit_is_refused_in_words_and_harms_no_other(hop, fifo, kind, count, said):
    gate = fifo('gate')
    bad = hop.way_in('env BAD=1 sh -c {}', 'bad')
    live = hop.start('call', '-w', f'{bad},local:', '--json', '--path', hop.remote, 'kinds:beyond', gate, kind, count)
    live.until(b'"exec:bad"')
    peak = peak_bytes(live.pid)
    gate.write(b'on\n')
    result = live.finish()
    error = result.json['exec:bad']['error']
    assert error['kind'] == 'bad_value' and said in error['message'], result
    assert result.json['local']['value'] == 'well' and result.rc == 5 and peak < 200 << 20, (peak, result)


@EACH
def test_sixty_mebibytes_come_back(hop, python):
    result = hop.call('local:', 'kinds:long', str(60 << 20), '--python', python.path, timeout=60)
    assert result.rc == 0 and len(result.out) == (60 << 20) + 3 and result.out[:2] == b'"x', len(result.out)
