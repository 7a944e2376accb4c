"""Standard input goes to the command, as over ssh; to each of them, when there are several."""

import hashlib
import random
import shlex
import sys
from subprocess import PIPE

import pytest

from harness import filter as delivery
from harness.pythons import discover, oldest_and_newest

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


def test_one_host_that_does_not_read_does_not_starve_the_others(hop, fifo):
    gate = fifo('gate')
    lazy = hop.way_in(f'env GATE={gate} sh -c {{}}')
    live = hop.start('run', '-w', f'local:eager,{lazy}', '--', '[ -z "$GATE" ] || read x <$GATE; wc -c',
                     stdin=b'x' * 200_000)
    live.until(b'local:eager: 200000')
    gate.write(b'go\n')
    assert sorted(live.finish().lines) == [f'{lazy}: 200000', 'local:eager: 200000']
