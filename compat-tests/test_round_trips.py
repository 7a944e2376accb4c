"""Flights and bytes, seen from a proxy that delays.

ssh itself, asked to run Python and to bring it a line, is the measure: for the first line of an answer it sends as often
as we do. What is sent while the answer is already on its way is not waited for, and does not count.
"""

import json
import pathlib
import shlex
import sys

import pytest

from harness.process import Process

pytestmark = pytest.mark.alone
# what encryption and packet headers add to the bytes of `bootstrap sizes`
WRAPPING_BYTES = 600
FLIGHTS = pathlib.Path(__file__).with_name('harness') / 'flights.py'


class FirstLine:
    """How many turns the link had taken for the first line of a program, and how many bytes had gone up for it."""

    def __init__(self, proxy, process):
        came = process.started + process.until(b'\n')
        self.turns, self.up_bytes = proxy.waited_for(process.started, came)
        self.result = process.finish()


@pytest.fixture(scope='module')
def measured():
    return []


@pytest.fixture
def plain(site, slow, measured):
    """ssh running Python as a user would by hand, once for all."""
    if not measured:
        env = site.client.environment(site.run_id, site.dir)
        words = ['ssh', 'slow', 'python3 -S -E -c "import sys; print(sys.stdin.readline())"']
        measured.append(FirstLine(slow, Process(words, env=env, stdin=b'hi\n')))
    return measured[0]


def least(hop, slow, plain, *words):
    """The first run that takes no more turns than ssh itself did. ssh has now and then one more of its own."""
    for _ in range(5):
        ours = FirstLine(slow, hop.start(*words))
        assert ours.result.rc == 0, ours.result
        if ours.turns <= plain.turns:
            return ours
    raise AssertionError((ours.turns, plain.turns, ours.result))


def test_a_standard_function_costs_no_more_round_trips_than_ssh_itself(hop, slow, plain):
    ours = least(hop, slow, plain, 'call', '-w', 'slow', 'time:time')
    sizes = hop.sizes()
    assert ours.up_bytes - plain.up_bytes <= sizes['first_result'] + WRAPPING_BYTES, (ours.up_bytes, plain.up_bytes)


def test_a_command_costs_no_more_round_trips_than_ssh_itself(hop, slow, plain):
    least(hop, slow, plain, 'run', '-w', 'slow', '--', 'echo hi')


def test_a_module_of_the_user_costs_no_more(hop, slow, plain):
    hop.write('lib/single.py', 'def f():\n    return 1\n')
    least(hop, slow, plain, 'call', '-w', 'slow', '--path', 'lib', 'single:f')


def test_several_hosts_wait_for_their_links_together(hop, ssh, slow, plain):
    for number in range(4):
        ssh.alias(f'slow{number}', Port=slow.port)
    result = hop.run('slow[0-3]', 'echo hi')
    assert result.rc == 0 and result.seconds < 2 * plain.result.seconds, result


@pytest.fixture
def flights(hop):
    """`flights(function, *words)`: in how many flights the program sent all of a call and of its end; and its last line."""
    counted = hop.scratch / 'flights'
    target = hop.way_in(shlex.join([sys.executable, str(FLIGHTS), str(counted)]), 'long')

    def flights(function, *words, verb='call'):
        result = hop(verb, '-w', target, '--path', 'lib', function, *words)
        assert result.rc == 0, result
        return int(counted.read_text()), json.loads(result.lines[-1])
    return flights


@pytest.fixture
def of_a_standard_function(hop, flights):
    hop.write('lib/nothing.py', '')
    return flights('operator:neg', '1')[0]


def package(folders, modules):
    """Packages in packages, each with modules that import one another by relative and by absolute names."""
    files, name = {}, 'app'
    for depth in range(folders):
        folder = name.replace('.', '/')
        files[f'{folder}/__init__.py'] = ''.join(f'from . import m{n}\n' for n in range(0, modules, 2))
        for n in range(modules):
            files[f'{folder}/m{n}.py'] = f'import {name}.m{(n + 1) % modules}\nV = {n}\n'
        name += '.sub'
        deeper = f'from . import sub\nimport {name}\n' if depth + 1 < folders else ''
        files[f'{folder}/m0.py'] = 'from .m1 import V\n' + deeper
    files['app/main.py'] = ('import sys, app.m1\n\ndef f():\n'
                            '    return len([name for name in sys.modules if name[:3] == "app"])\n')
    return files


def test_a_package_of_sixty_one_modules_goes_out_with_its_call(hop, flights, of_a_standard_function):
    files = package(6, 9)
    assert len(files) == 61
    hop.write_all('lib', files)
    assert flights('app.main:f') == (of_a_standard_function, 61)


def test_a_namespace_package_goes_out_with_its_call(hop, flights, of_a_standard_function):
    hop.write_all('lib', {'space/inner/leaf.py': 'from space.other import V\n\ndef f():\n    return V\n',
                          'space/other.py': 'V = 1\n'})
    assert flights('space.inner.leaf:f') == (of_a_standard_function, 1)


@pytest.mark.parametrize('body', ['channel.send(beside.V)', 'yield beside.V'])
def test_what_is_watched_goes_out_with_all_that_it_needs(hop, flights, of_a_standard_function, body):
    hop.write_all('lib', {'app.py': f'import beside\n\ndef f(channel):\n    {body}\n', 'beside.py': 'V = 1\n'})
    count, end = flights('app:f', verb='watch')
    assert (count, end['items']) == (of_a_standard_function, 1), end


def test_a_module_that_is_not_there_costs_nothing(hop, flights, of_a_standard_function):
    hop.write('lib/app.py', 'try:\n    import nowhere\nexcept ImportError:\n    pass\n\ndef f():\n    return 1\n')
    assert flights('app:f') == (of_a_standard_function, 1)


def test_a_module_that_only_the_run_names_costs_one_round_trip(hop, flights, of_a_standard_function):
    hop.write_all('lib', {'late.py': 'def f(name):\n    return __import__(name).V\n',
                          'hidden.py': 'import behind\nV = 1\n', 'behind.py': ''})
    assert flights('late:f', 'hidden') == (of_a_standard_function + 1, 1)
