"""`hopvine run`: a command on another machine, as over ssh."""

import hashlib
from subprocess import PIPE

import pytest

BOTH = pytest.mark.parametrize('target', ['local:', 'h1'])


@BOTH
def test_the_bytes_of_one_host_pass_through_unchanged(hop, ssh, target):
    result = hop.run(target, r"printf 'a\377\000b'")
    assert (result.rc, result.out) == (0, b'a\xff\x00b'), result


@BOTH
def test_stdout_and_stderr_stay_apart(hop, ssh, target):
    result = hop.run(target, 'echo out; echo err >&2')
    assert (result.out, result.err) == (b'out\n', b'err\n'), result


def test_words_are_joined_and_given_to_the_remote_shell_as_ssh_does(hop):
    result = hop.run('local:', 'echo', '$((1+2))', '  two   spaces  ', '"kept  apart"')
    assert result.out == b'3 two spaces kept  apart\n', result


@BOTH
@pytest.mark.parametrize('command, status', [
    ('exit 7', 7), ('false', 1), ('exit 255', 255), ('no-such-command-here', 127),
    ('kill -TERM $$', 143), ('kill -KILL $$', 137)])
def test_the_status_of_the_command_is_ours(hop, ssh, target, command, status):
    assert hop.run(target, command).rc == status


@BOTH
def test_eight_mebibytes_come_through_whole(hop, ssh, target):
    result = hop.run(target, 'head -c 8388608 /dev/zero | tr "\\0" x')
    assert len(result.out) == 8 << 20, (result.rc, result.err)
    assert hashlib.sha1(result.out).digest() == hashlib.sha1(b'x' * (8 << 20)).digest()


def test_output_without_a_final_newline_is_complete(hop):
    assert hop.run('local:', 'printf partial').out == b'partial'


def test_output_comes_while_the_command_still_runs(hop):
    live = hop.start('run', '-w', 'local:', '--', 'echo first; read answer; echo "$answer"', stdin=PIPE)
    live.until(b'first\n')
    live.feed(b'second\n')
    live.until(b'second\n')
    live.end_input()
    assert live.finish().rc == 0


def test_a_command_starts_in_the_home_of_the_account(hop, site, ssh):
    home = str(site.accounts.home(site.accounts.user))
    assert hop.run('h1', 'pwd; echo "$HOME"').lines == [home, home]


def test_a_timeout_ends_the_command_and_says_so(hop):
    result = hop('run', '-w', 'local:', '-t', '1', '--json', '--', 'echo before; exec sleep 1000')
    assert result.rc == 124 and result.only['error']['kind'] == 'timed_out', result
    assert result.only['stdout'] == 'before\n', result


@pytest.mark.parametrize('unit', ['1', '1s'])
def test_a_timeout_may_have_a_unit(hop, unit):
    result = hop('run', '-w', 'local:', '-t', unit, '--', 'exec sleep 1000')
    assert result.rc == 124 and 1 <= result.seconds < 4, result


def test_options_may_stand_behind_the_positional_words_of_a_call(hop):
    assert hop('call', 'operator:add', '1', '2', '-w', 'local:').out == b'3\n'


def test_what_stands_behind_two_dashes_is_never_an_option(hop):
    assert hop.run('local:', 'echo', '--json', '-w').out == b'--json -w\n'


def test_verbose_says_what_is_done_and_leaves_stdout_alone(hop):
    quiet, loud = hop.run('local:', 'echo hi'), hop('run', '-v', '-w', 'local:', '--', 'echo hi')
    assert quiet.err == b'' and loud.err and quiet.out == loud.out == b'hi\n', loud
