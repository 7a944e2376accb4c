"""What nobody should type or send, and what must not happen when it comes: no panic, no hang, no raw control bytes."""

import os
import shlex
import shutil

import pytest

from harness.process import Process


def polite(result):
    assert 'panicked' not in result.said and result.rc in (0, 1, 2, 255), result
    return result


@pytest.mark.parametrize('words', [
    ['run', '-w', b'local:\xff', '--', 'true'], ['run', '-w', 'local:', '--', b'printf \xff'],
    ['call', '-w', 'local:', 'time:time', b'\xff'], ['call', '-w', 'local:', b'\xff:f'],
    ['call', '-w', 'local:', '--path', b'\xff', 'time:time'], ['run', '-w', 'local:', '--name', b'\xff', '--', 'true']],
    ids=repr)
def test_words_that_are_not_utf8_are_answered(hop, words):
    polite(hop(*[os.fsdecode(word) for word in words]))


@pytest.mark.parametrize('spec', ['c[1-99999999999]', 'c[1-99999999999999999999999]', 'c[0000000000000000000000001-2]',
                                  'a[1-9999]b[1-9999]c[1-9999]', '[' * 10000, 'c[' + '1,' * 5000 + '1]', ',' * 10000])
def test_an_absurd_list_of_hosts_is_answered_at_once(hop, spec):
    assert polite(hop('run', '-w', f'local:{spec}', '-f', '1', '--', 'true', timeout=20)).seconds < 15


@pytest.mark.parametrize('argument', ['[' * 100_000, '{"a":' * 20_000 + '1', '1e999', '-0', '"\\ud800"', '9' * 5000,
                                      '\x1b]0;t\x07', 'x' * 120_000], ids=lambda text: text[:8])
def test_an_absurd_argument_arrives_or_is_refused(hop, argument):
    polite(hop.call('local:', 'answers:type_name', argument))


@pytest.mark.parametrize('text', ['[exec', '[exec]\nway = 1\n', '[exec]\nway = "sh \'unclosed {}"\n', 'exec = []\n',
                                  '[exec]\nway = ""\n', '\x00', '[' * 100_000])
def test_a_broken_inventory_is_a_mistake_that_names_the_place(hop, text):
    hop.write('hopvine.toml', text)
    result = hop.run('exec:way', 'true')
    assert result.rc == 2 and ('hopvine.toml' in result.said or 'exec:way' in result.said), result


def test_a_broken_inventory_that_nobody_asked_for_is_told_too(hop):
    hop.write('broken.toml', '[exec')
    result = hop('run', '-i', 'broken.toml', '-w', 'local:', '--', 'true')
    assert result.rc == 2 and 'broken.toml' in result.said, result


@pytest.fixture
def on_a_terminal(hop):
    """What a terminal is shown, by util-linux's `script`, which gives the program one."""
    script = shutil.which('script') or pytest.skip('script is not installed')

    def show(*words):
        command = shlex.join([str(hop.path), *map(str, words)])
        argv = [script, '-q', '-e', '-c', command, '/dev/null']
        return Process(argv, {**hop.env, 'TERM': 'xterm'}, hop.cwd).finish().out
    return show


def test_control_characters_of_a_remote_error_never_reach_the_terminal(on_a_terminal, hop):
    shown = on_a_terminal('call', '-w', 'local:', '--path', hop.remote, 'failing:with_control_characters')
    assert b'owned' in shown and b'\x1b]0;' not in shown and b'\x1b[2J' not in shown and b'\x07' not in shown, shown


def test_control_characters_of_prefixed_output_never_reach_the_terminal_raw(on_a_terminal):
    shown = on_a_terminal('run', '-w', 'local:c[1-2]', '--', r"printf 'a\033]0;owned\007b\n'")
    assert b'owned' in shown and b'\x1b]0;' not in shown, shown


def test_a_login_that_prints_control_characters_is_quoted_harmlessly(on_a_terminal, hop):
    target = hop.way_through(r"printf '\033]0;owned\007 words\n' >&2; exit 3")
    shown = on_a_terminal('call', '-w', target, 'time:time')
    assert b'words' in shown and b'\x1b]0;' not in shown, shown


def test_the_bare_program_prints_its_help(hop):
    result = hop()
    assert result.rc == 2 and result.out == b'' and 'Usage: hopvine' in result.said, result
    assert result.err == hop('-h').out, result
