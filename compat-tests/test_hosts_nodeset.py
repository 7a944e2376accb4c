"""The algebra of names: against ClusterShell's own, and as `hopvine hosts` prints it."""

import json
import os
import random
import re
import resource

import pytest

from harness.binary import BINARY

SEED = 20240229
EXPRESSIONS = 4000


def some_range(pick):
    low = pick.randrange(0, 120)
    high = low + pick.randrange(0, 12)
    width = pick.choice([0, 0, 3, 4])
    step = pick.choice(['', '', f'/{pick.randrange(1, 4)}'])
    single = pick.random() < .3
    return f'{low:0{width}}' if single else f'{low:0{width}}-{high:0{width}}{step}'


def some_term(pick, mark):
    """A name that begins with `mark`, of up to four dimensions."""
    term = mark
    for _ in range(pick.choice([0, 1, 1, 1, 2, 2, 3, 4])):
        term += pick.choice(['', '', '-']) + pick.choice('nrc')
        if pick.random() < .2:
            term += str(pick.randrange(0, 30))
        else:
            blank = pick.choice(['', '', ' '])
            term += '[' + f',{blank}'.join(some_range(pick) for _ in range(pick.choice([1, 1, 2]))) + ']'
    return term + pick.choice(['', '', '-ib', '.lan'])


def some_expression(pick, mark):
    """Few bases, so that operators find something in common."""
    bases = [some_term(pick, mark) for _ in range(2)]

    def term():
        return pick.choice([*bases, some_term(pick, mark)])

    expression = term()
    for _ in range(pick.choice([0, 1, 1, 2, 3, 5])):
        blank = pick.choice(['', '', ' '])
        expression += blank + pick.choice(',,,!!&^') + blank + term()
    return expression


def marks():
    letters = 'abcdefghijklmnopqrstuvwxyz'
    return [a + b + c + '_' for a in letters for b in letters for c in letters][:EXPRESSIONS]


@pytest.fixture(scope='module')
def theirs():
    """Expressions, no two of which share a name, and what ClusterShell makes of them."""
    module = pytest.importorskip('ClusterShell.NodeSet', reason='compat-tests/provision.sh installs ClusterShell')
    pick = random.Random(SEED)
    made = {mark: some_expression(pick, mark) for mark in marks()}
    return made, {mark: module.NodeSet(expression) for mark, expression in made.items()}


def by_mark(names):
    found = {}
    for name in names:
        found.setdefault(name.partition('_')[0] + '_', []).append(name)
    return found


def split(folded):
    """At commas outside of brackets."""
    return re.findall(r'(?:[^,\[]|\[[^\]]*\])+', folded)


def test_thousands_of_expressions_stand_for_the_same_names_as_in_clustershell(hop, theirs):
    expressions, sets = theirs
    result = hop('hosts', stdin='\n'.join(expressions.values()).encode())
    assert result.rc == 0, result
    ours = by_mark(result.lines)
    assert sum(map(len, ours.values())) == len(set(result.lines))
    for mark, expression in expressions.items():
        assert sorted(ours.get(mark, [])) == sorted(sets[mark]), expression


def test_thousands_of_expressions_fold_as_in_clustershell(hop, theirs):
    """Names with one number to the same text; with several numbers, to no more terms."""
    expressions, sets = theirs
    result = hop('hosts', '--fold', stdin='\n'.join(expressions.values()).encode())
    ours = by_mark(split(result.text.strip()))
    terms = [0, 0]
    for mark, expression in expressions.items():
        folded = ','.join(ours.get(mark, []))
        assert sorted(sets[mark]) == sorted(type(sets[mark])(folded)), expression
        if all(len(re.findall(r'\d+', name)) < 2 for name in sets[mark]):
            assert folded == str(sets[mark]), expression
        terms[0] += len(split(folded))
        terms[1] += len(split(str(sets[mark])))
    assert terms[0] <= terms[1], terms


@pytest.mark.parametrize('expression', [
    'n[1-', 'n1]', 'n[1[2]]', 'n[]', 'n[1,,2]', 'n[a-c]', 'n[3-1]', 'n[1-5/0]', 'n[5/2]', 'n[01-100]', 'n[1-010]',
    'a,,b', 'a,', '!a', 'a&'])
def test_what_clustershell_refuses_is_refused_with_its_place(hop, expression):
    module = pytest.importorskip('ClusterShell.NodeSet')
    with pytest.raises(module.NodeSetException):
        module.NodeSet(expression, resolver=module.RESOLVER_NOGROUP)
    result = hop('hosts', expression)
    assert result.rc == 2 and result.out == b'' and f'"{expression}", column ' in result.said, result


@pytest.mark.parametrize('expression, names', [
    ('n1[8-10]', 'n18 n19 n110'), ('n[8-10]0', 'n80 n90 n100'), ('n[1-2][3-4]', 'n13 n14 n23 n24')])
def test_brackets_beside_digits_or_brackets_are_just_text(hop, expression, names):
    """ClusterShell reads the first as n[18-110] and refuses the last."""
    assert hop('hosts', expression).lines == names.split()


@pytest.mark.parametrize('words, out', [
    (['web[2-1,1]'], None), (['web[3,1-2]', 'db'], 'web3\nweb1\nweb2\ndb\n'), (['-f', 'web[3,1-2]', 'db'], 'db,web[1-3]\n'),
    (['-c', 'web[1-20]', 'web[11-30]'], '30\n'), (['-c', 'a!a'], '0\n'), (['--json', 'b,a'], '["b","a"]\n'),
    (['-f', 'web[1-9]', '-x', 'web[2-3]', '-x', 'web9'], 'web[1,4-8]\n'), (['a', '-x', ''], 'a\n'),
    (['-f', 'local:c[1-3]?python=%2Fpy/sudo:root'], 'local:c[1-3]?python=%2Fpy/sudo:root\n'),
    (['ssh:h?user=a&port=2'], 'ssh:h?user=a&port=2\n')], ids=str)
def test_names_are_printed_one_a_line_folded_counted_or_as_json(hop, words, out):
    result = hop('hosts', *words)
    assert (result.rc, result.text) == ((2, '') if out is None else (0, out)), result


@pytest.mark.parametrize('words', [['-f'], ['-f', '-'], ['-f', '^list'], ['-f', '^list', '-']], ids=str)
def test_names_come_from_standard_input_and_files(hop, words):
    text = '# the fleet\nn[1-3] n5, n7\n\nn9!n9,n8   # spare\n'
    hop.write('list', text)
    assert hop('hosts', *words, stdin=text.encode()).text == 'n[1-3,5,7-8]\n'


@pytest.mark.parametrize('words', [[], [''], ['a!a'], ['db*'], ['-f', 'a&b'], ['--json', 'a', '-x', 'a']], ids=str)
def test_no_name_at_all_is_a_mistake(hop, words):
    result = hop('hosts', *words)
    assert result.rc == 2 and result.out == b'' and result.err, result


def test_an_error_in_a_file_names_its_line(hop):
    hop.write('list', 'n1\nn2,n[3-\n')
    result = hop('hosts', '^list')
    assert result.rc == 2 and 'list:2: "n2,n[3-", column 5: ' in result.said, result
    missing = hop('hosts', 'a,^missing')
    assert missing.rc == 2 and 'column 3: missing: ' in missing.said, missing


def test_a_reader_that_has_seen_enough_is_no_error(hop):
    """More names than a pipe holds, to one that nobody reads."""
    read, write = os.pipe()
    os.close(read)
    live = hop.start('hosts', 'n[1-100000]', stdout=write)
    os.close(write)
    result = live.finish()
    assert (result.rc, result.err) == (0, b''), result


def scattered(dimensions, size):
    def names(count, pick):
        found = set()
        while len(found) < count:
            found.add(''.join(f'{letter}{pick.randrange(size)}' for letter in 'abcd'[:dimensions]))
        return found
    return names


MANY = {
    'scattered': scattered(1, 10**6), 'scattered, 2': scattered(2, 1000), 'scattered, 3': scattered(3, 100), 'scattered, 4': scattered(4, 32),
    'dense, padded': lambda count, pick: {f'n{n:06}' for n in range(count)},
    'dense, 2': lambda count, pick: {f'r{n // 100}n{n % 100}' for n in range(count)},
    'dense, 4': lambda count, pick: {f'a{n // 1000}b{n // 100 % 10}c{n // 10 % 10}d{n % 10}' for n in range(count)},
    'each with a number of its own': lambda count, pick: {f'a{n}b{pick.randrange(10**6)}' for n in range(count)},
    'each with a word of its own': lambda count, pick: {'h' + ''.join('abcdefghij'[int(digit)] for digit in str(n)) for n in range(count)},
    'each with a word and a number': lambda count, pick: {'h' + ''.join('abcdefghij'[int(digit)] for digit in str(n)) + f'x{n}' for n in range(count)},
}
FOLDED_SECONDS = 4  # of processor time, for folding and expanding: a loaded machine takes more by the clock
# A build that is not optimized takes five times as long; one that is fits into 3 MiB.
PATIENCE = 5 if BINARY.exists() and BINARY.stat().st_size > 4 << 20 else 1


@pytest.mark.alone
@pytest.mark.parametrize('kind', MANY)
def test_a_hundred_thousand_names_fold_and_expand_in_seconds(hop, kind):
    """Four times as many take four times as long, not sixteen times: the least of some runs, as others run beside it."""
    def seconds(count):
        names = MANY[kind](count, random.Random(SEED))
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        folded = hop('hosts', '-f', stdin='\n'.join(names).encode(), timeout=120)
        again = hop('hosts', stdin=folded.out, timeout=120)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert set(again.lines) == names
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    few, many = min(seconds(25_000) for _ in range(2)), seconds(100_000)
    if many > 7 * few:
        many = min(many, seconds(100_000))
    assert many < FOLDED_SECONDS * PATIENCE and many < 7 * few, (few, many)


@pytest.mark.parametrize('more, left', [
    (lambda n: f'^n{3 * n}', 80_002), (lambda n: f'!n{n},x{n}', 100_001), (lambda n: f'^n{n}!n{n}', 80_001)])
def test_long_chains_of_operators_take_what_their_operands_take(hop, more, left):
    hop.write('chain', 'n[1-100000]' + ''.join(more(n) for n in range(20_000)))
    result = hop('hosts', '-c', '^chain')
    assert (result.text, result.seconds < 10) == (f'{left}\n', True), result


@pytest.mark.parametrize('words, names', [
    (['-w', 'local:c[1-4]!local:c2'], '1 3 4'), (['-w', 'local:c[1-4]', '-x', 'local:c[2-3]'], '1 4'),
    (['-w', '^list'], '1 2'), (['-w', '-'], '5 6'), (['-w', 'local:c[1-3]&local:c[3-9]', '-w', '^list'], '3 1 2'),
    (['-w', 'local:c[1-2]?python=python3', '-x', 'local:c1'], '2')], ids=str)
def test_every_verb_takes_the_whole_algebra(hop, words, names):
    hop.write('list', 'local:c1\nlocal:c2\n')
    result = hop('run', *words, '--json', '-f', '1', '--', 'cat; echo hi', stdin=b'local:c[5-6]\n')
    assert [json.loads(line)['target'] for line in result.lines] == [f'local:c{n}' for n in names.split()], result
    came = {each['stdout'] for each in result.json.values()}
    assert came == {'hi\n' if '-' in words else 'local:c[5-6]\nhi\n'}, result


@pytest.mark.parametrize('words', [
    ['run', '-w', 'a!a', '--', 'true'], ['run', '-w', 'local:', '-w', 'local:a!local:a', '--', 'true'],
    ['run', '-w', 'local:', '-x', 'local:', '--', 'true'], ['run', '-w', '-', '--', 'true'],
    ['run', '-w', '^empty', '--', 'true'], ['run', '-w', 'nobody*', '--', 'true']], ids=' '.join)
def test_a_list_that_comes_out_empty_is_never_all_hosts(hop, words):
    hop.write('empty', '# nobody\n')
    result = hop(*words, stdin=b'')
    assert result.rc == 2 and 'no host' in result.said, result


def test_hosts_tells_apart_what_names_nobody_and_what_is_left_out(hop):
    assert '-x leaves no host' in hop('hosts', 'web1', '-x', 'web1').said
    assert '"a!a" is no name at all' in hop('hosts', 'a!a', '-x', 'web1').said


def test_a_control_character_is_told_without_advice_that_does_not_help(hop):
    result = hop('hosts', 'a\x01b')
    assert result.rc == 2 and 'cannot hold' in result.said and '%' not in result.said, result


@pytest.mark.parametrize('words', [
    ['script', '-w', '-', '-'], ['put', '-w', 'local:', '-x', '-', '-', '/tmp/x'], ['script', '-w', '^dash', '-'],
    ['put', '-w', '^dash', '-', '/tmp/x'], ['put', '-w', '@piped', '-', '/tmp/x'], ['put', '-w', '^/dev/stdin', '-', '/tmp/x'],
    ['run', '-w', '^dash', '--', 'cat'], ['run', '-w', 'local:', '-x', '@piped', '--', 'cat']], ids=' '.join)
def test_standard_input_is_read_for_one_thing_only(hop, words):
    hop.write('dash', '-\n')
    hop.write('hopvine.toml', '[groups]\npiped = "-"\n')
    result = hop(*words, stdin=b'local:\n')
    assert result.rc == 2 and 'standard input' in result.said, result


def test_standard_input_that_is_not_sent_may_be_named_by_a_file(hop):
    hop.write('dash', '-\n')
    assert hop('run', '-n', '-w', '^dash', '--', 'cat; echo hi', stdin=b'local:\n').out == b'hi\n'
    assert hop('run', '-w', '^/dev/stdin', '--', 'cat; echo hi', stdin=b'local:\n').out == b'hi\n'


def test_a_byte_order_mark_is_no_part_of_a_name(hop):
    hop.write('list', '\ufeffweb1\nweb2\n')
    assert hop('hosts', '^list').lines == ['web1', 'web2']
    assert hop('hosts', '-', stdin='\ufeffweb1\n'.encode()).lines == ['web1']


def test_names_that_cannot_be_written_are_told_as_other_output_is(hop):
    result = hop.program('sh', '-c', '"$@" >/dev/full', 'sh', hop.path, 'hosts', 'web[1-3]').finish()
    assert result.rc == 1 and result.said.startswith('hopvine: standard output cannot be written: '), result
