"""Standard input goes to the command, as over ssh; to each of them, when there are several."""

import hashlib
import random
import shlex
import sys
from subprocess import PIPE

import pytest

from harness import filter as delivery
from harness.pythons import discover, oldest_and_newest


def noise(size):
    return random.Random(size).randbytes(size)


BOTH = pytest.mark.parametrize('target', ['local:', 'h1'])


@BOTH
def test_what_is_piped_in_reaches_the_command(hop, ssh, target):
    data = bytes(range(256)) * 20_000
    result = hop.run(target, 'cat', stdin=data)
    assert result.rc == 0 and hashlib.sha1(result.out).digest() == hashlib.sha1(data).digest()


@pytest.mark.parametrize('python', discover(), ids=repr)
def test_much_of_it_comes_back_as_it_was(hop, ssh, python):
    """The agent is sent another way to read and to write meanwhile."""
    data = random.Random(5).randbytes(12_000_000)
    result = hop('run', '-w', 'h1', '--python', python.path, '--', 'cat', stdin=data)
    assert result.rc == 0 and hashlib.sha1(result.out).digest() == hashlib.sha1(data).digest(), result.err


@pytest.mark.parametrize('python', oldest_and_newest(), ids=repr)
def test_a_byte_that_is_another_on_a_way_without_sums_of_its_own_is_noticed(hop, python):
    way = hop.way_through(f'exec {shlex.join([sys.executable, delivery.__file__, "spoil-later"])} sh -c "$1"')
    result = hop('run', '-w', way, '--python', python.path, '--', 'cat', stdin=random.Random(6).randbytes(12_000_000))
    assert result.rc == 255 and 'broken frame' in result.said, result.err


@BOTH
def test_an_empty_input_is_an_end_of_file(hop, ssh, target):
    assert hop.run(target, 'cat; echo end', stdin=b'').out == b'end\n'


def test_every_host_gets_the_whole_of_it(hop, ssh):
    data = b'x' * 3_000_000
    result = hop.run('local:c[1-3],h[1-2]', 'wc -c', stdin=data)
    assert sorted(line.split()[-1] for line in result.lines) == ['3000000'] * 5, result


def test_with_n_it_is_not_read(hop):
    result = hop('run', '-n', '-w', 'local:', '--', 'cat; echo end', stdin=b'words\n')
    assert result.out == b'end\n', result


def test_with_n_an_input_that_never_ends_holds_nothing_up(hop):
    live = hop.start('run', '-n', '-w', 'local:', '--', 'cat; echo end', stdin=PIPE)
    live.until(b'end')
    assert live.finish(5).rc == 0


@BOTH
def test_an_answer_can_follow_a_question(hop, ssh, target):
    live = hop.start('run', '-w', target, '--', 'cat', stdin=PIPE)
    for words in (b'one\n', b'two\n', b'three\n'):
        live.feed(words)
        live.until(words)
    live.end_input()
    assert live.finish().rc == 0


@BOTH
def test_a_command_that_does_not_read_its_input_is_not_held_up(hop, ssh, target):
    result = hop.run(target, 'echo done', stdin=b'x' * 10_000_000)
    assert (result.rc, result.out, result.err) == (0, b'done\n', b''), result


def test_a_command_that_ends_while_input_is_open_ends_the_program(hop):
    live = hop.start('run', '-w', 'local:', '--', 'exit 7', stdin=PIPE)
    assert live.finish(5).rc == 7


@pytest.mark.parametrize('options', [[], ['-f', '2']], ids=['at once', 'in turns'])
def test_one_host_that_does_not_read_does_not_starve_the_others(hop, fifo, options):
    gate, size = fifo('gate'), 8_000_000
    lazy = hop.way_in(f'env GATE={gate} sh -c {{}}')
    live = hop.start('run', *options, '-w', f'{lazy},local:eager[1-2]', '--', '[ -z "$GATE" ] || read x <$GATE; sha1sum',
                     stdin=noise(size))
    told = hashlib.sha1(noise(size)).hexdigest()
    for eager in 'local:eager1', 'local:eager2':
        live.until(f'{eager}: {told}'.encode())
    gate.write(b'go\n')
    assert sorted(live.finish().lines) == sorted(f'{name}: {told}  -' for name in (lazy, 'local:eager1', 'local:eager2'))


def test_who_is_started_after_others_have_read_gets_the_whole_of_it_too(hop):
    """Not all are started in one turn, however many may work at once."""
    (hop.scratch / 'input').write_bytes(noise(400_000))
    with open(hop.scratch / 'input') as file:
        result = hop('run', '-b', '-w', 'local:c[1-40]', '--', 'wc -c', stdin=file, timeout=60)
    assert (result.lines[1:], result.rc) == (['local:c[1-40]', '-' * 16, '400000'], 0), result


# What not all have read yet.

NOWHERE = {'TMPDIR': '/proc/none'}


def test_what_all_can_read_at_once_or_is_little_needs_no_place_on_a_disk(hop):
    assert hop('run', '-w', 'local:', '--', 'wc -c', stdin=noise(8_000_000), env=NOWHERE).out == b'8000000\n'
    result = hop('run', '-f', '1', '-w', 'local:c[1-3]', '--', 'wc -c', stdin=noise(500_000), env=NOWHERE)
    assert (sorted(result.lines), result.err) == ([f'local:c{n}: 500000' for n in (1, 2, 3)], b''), result


@pytest.mark.parametrize('verb', ['run', 'put'])
@pytest.mark.parametrize('full', [False, True], ids=['missing', 'full'])
def test_no_place_for_it_is_told_with_what_to_do_and_each_host_has_its_result(hop, verb, full):
    target = hop.scratch / 'there'
    words = {'run': ['--', f'cat >{target}'], 'put': ['-', target]}[verb]
    options = {'prefix': ['sh', '-c', 'ulimit -S -f 4; exec "$@"', 'sh']} if full else {'env': NOWHERE}
    place = hop.env['TMPDIR'] if full else '/proc/none'
    way = hop.way_through('ulimit -S -f unlimited; exec sh -c "$1"\n')
    live = hop.start(verb, '--json', '-f', '1', '-w', f'{way}/local:a,{way}/local:b', *words, stdin=noise(8_000_000), **options)
    result = live.finish(20)
    kinds = {name: each['error']['kind'] for name, each in result.json.items()}
    assert result.rc == 1 and sorted(kinds.values()) == ['interrupted', 'not_started'], result
    assert f'hopvine: standard input cannot be kept in {place} for the hosts that have not read it yet: ' in result.said, result
    assert ('File too large' if full else 'No such file') in result.said and 'set TMPDIR to a folder' in result.said, result
    assert verb == 'run' or not target.exists(), 'half of it looks like the whole'
