"""What once went wrong, each as the user met it."""

import contextlib
import os
import pathlib
import resource
import signal
import time

import pytest

from harness.places import install
from harness.process import Process, exits


def test_targets_that_wait_are_started_after_one_that_cannot_be(hop):
    result = hop('run', '-f', '1', '-w', 'a,b', '-n', '--', 'true', env={**hop.env, 'PATH': '/nonexistent'}, timeout=10)
    assert result.rc == 4 and result.said.count('cannot run ssh') == 2, result


def test_a_module_larger_than_a_window_is_found(hop):
    hop.write('lib/big.py', 'def f():\n    return 5\n' + '# filler\n' * 30_000)
    assert hop('call', '-w', 'local:', '--path', 'lib', 'big:f').out == b'5\n'


def test_a_function_of_the_standard_library_may_import_from_the_users_roots(hop):
    hop.write('lib/mine.py', 'V = 3\n')
    assert hop('call', '-w', 'local:', '--path', 'lib', 'builtins:eval', '__import__("mine").V').out == b'3\n'


def test_an_endless_file_does_not_starve_hosts_that_run_one_after_the_other(hop):
    with open('/dev/zero', 'rb') as zeros:
        result = hop('run', '-f', '1', '-w', 'local:c[1-2]', '--', 'head -c 1 | wc -c', stdin=zeros, timeout=30)
    assert result.rc == 0 and result.lines == ['local:c1: 1', 'local:c2: 1'], result


def test_a_full_disk_under_standard_output_is_told(hop):
    words = ['sh', '-c', '"$@" >/dev/full', 'sh', hop.path, 'run', '-w', 'local:', '-n', '--', 'echo hi']
    result = Process(words, env=hop.env, cwd=hop.cwd).finish(10)
    assert result.rc == 1 and 'cannot be written' in result.said, result


def test_a_folder_as_standard_input_is_refused_before_anything_starts(hop):
    folder = os.open('/', os.O_RDONLY)
    try:
        result = hop('run', '-w', 'local:', '--', 'cat', stdin=folder)
    finally:
        os.close(folder)
    assert result.rc == 2 and 'folder' in result.said, result


def test_an_exception_that_cannot_show_its_arguments_is_still_shown(hop):
    hop.write('lib/odd.py', 'class Odd(object):\n    def __repr__(self):\n        raise KeyError(1)\n\n\n'
                            'def f():\n    raise ValueError(Odd())\n')
    result = hop('call', '-w', 'local:', '--path', 'lib', 'odd:f', '--json')
    assert result.only['error']['kind'] == 'exception' and result.only['error']['type'] == 'ValueError', result


def test_a_child_has_the_limit_of_open_files_that_we_were_given(hop):
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert hop('call', '-w', 'local:', 'resource:getrlimit', str(resource.RLIMIT_NOFILE)).value[0] == soft


def test_hosts_that_were_never_started_are_told_of_at_an_interrupt(hop, fifo):
    here = fifo('here')
    live = hop.start('run', '-w', 'local:c[1-3]', '-f', '1', '--json', '--', f'echo here >{here}; exec sleep 1000')
    here.read_lines(1)
    live.signal(signal.SIGINT)
    result = live.finish(10)
    kinds = [each['error']['kind'] for each in result.json.values()]
    assert result.rc == 130 and sorted(kinds) == ['interrupted', 'not_started', 'not_started'], result


@pytest.mark.parametrize('value', ['x' * 70_000, 'a\x07b', ''])
def test_a_title_that_cannot_be_shown_is_refused(hop, value):
    result = hop('call', '-w', 'local:', '--name', value, 'os:getpid')
    assert result.rc == 2 and '--name' in result.said, result


def running(words):
    """The processes with that command line."""
    for path in pathlib.Path('/proc').glob('[0-9]*/cmdline'):
        with contextlib.suppress(OSError):
            if path.read_bytes() == words:
                yield int(path.parent.name)


@pytest.mark.parametrize('agent', ['python', 'native'])
def test_an_interrupt_while_hundreds_are_being_started_is_heard(site, hop, agent):
    install(site, hop)
    live = hop.start('run', '-w', 'local:c[1-200]', '-f', '200', '-n', '--agent', agent, '--', 'echo up; exec sleep 1000.25')
    live.until(b'up')
    sent = time.monotonic()
    live.signal(signal.SIGINT)
    result = live.finish(10)
    assert result.rc == 130 and time.monotonic() - sent < 2, result
    left = [pid for pid in running(b'sleep\x001000.25\x00') if not exits(pid, sent + 5)]
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert not left
