"""A target may be a path of hops: what works at one hop works at the end of any chain, and hops are shared.

`far` cannot see the user's folders, so what works behind it works with what has been sent.
"""

import base64
import json
import os
import zlib

import pytest

from harness import counter, flights
from harness.binary import BINARY
from harness.pythons import discover, oldest_and_newest, starts_itself_again
from harness.tree import by, chain

DEPTHS = pytest.mark.parametrize('depth', [2, 3, 8])
TITLE = 'hopvine:tree'

LIB = {
    'app/__init__.py': '',
    'app/words.txt': 'words\n',
    'app/data/__init__.py': '',
    'app/data/deep.bin': bytes(range(256)),
    'app/names.py': 'import logging\nNAME = "app"\n\ndef log(what):\n    logging.getLogger("app").warning("%s", what)\n',
    'app/main.py': '''\
import os, sys
import app
from app.names import NAME
from app import names
from app.inner.deep import items

def everything():
    print("printed")
    sys.stderr.write("complained\\n")
    names.log("logged")
    data = app.__loader__.get_data(os.path.join(app.__path__[0], "words.txt")).decode()
    return [NAME, data, list(items(3)), list(sys.version_info[:2])]

def fails(key):
    return {}[key]
''',
    'app/inner/__init__.py': '',
    'app/inner/deep.py': 'from app import names\n\ndef items(stop):\n    for n in range(stop):\n        yield [names.NAME, n]\n',
    'app/resources.py': '''\
import importlib.resources as resources

def read():
    top = resources.files("app")
    return [(top / "words.txt").read_text(), list((top / "data" / "deep.bin").read_bytes()),
            sorted(each.name for each in (top / "data").iterdir())]
''',
}


@pytest.fixture
def lib(hop):
    return hop.write_all('lib', LIB)


def behind(far, depth):
    """So many hops, none of which sees the user's files."""
    return f'{far}/{chain(depth - 1)}'


# Chains

@DEPTHS
def test_a_command_has_its_input_and_its_status_at_the_end_of_a_chain(tree, depth):
    data = os.urandom(1_000_000)
    result = tree.run(chain(depth), 'cat; echo words >&2; exit 7', stdin=data)
    assert (result.rc, result.out == data, result.err) == (7, True, b'words\n'), result


@DEPTHS
def test_each_hop_is_a_process_below_the_one_before(agents, depth):
    result = agents.remote(chain(depth), 'branches:line', TITLE, '--name', TITLE)
    # an agent and its watchdog each
    assert result.rc == 0 and len(set(result.value)) == 2 * depth, result


@DEPTHS
def test_a_call_has_its_modules_its_data_its_output_and_its_log(tree, lib, far, depth):
    result = tree.call(behind(far, depth), 'app.main:everything', '--json')
    assert result.rc == 0, result
    told = result.only
    assert told['value'][:3] == ['app', 'words\n', [['app', n] for n in range(3)]], told
    assert (told['stdout'], told['stderr']) == ('printed\n', 'complained\n'), told
    assert told['log'] == [{'logger': 'app', 'level': 'WARNING', 'message': 'logged'}], told


@DEPTHS
def test_an_exception_comes_with_its_traceback_from_the_end_of_a_chain(tree, lib, far, depth):
    error = tree.call(behind(far, depth), 'app.main:fails', 'nothing', '--json').only['error']
    assert (error['kind'], error['type'], error['args']) == ('exception', 'KeyError', ['nothing']), error
    assert 'app/main.py' in error['traceback'] and 'return {}[key]' in error['traceback'], error


@DEPTHS
def test_a_generator_streams_from_the_end_of_a_chain(tree, lib, fifo, depth):
    gate = fifo('gate')
    live = tree.start('call', chain(depth), '--path', tree.hop.remote, 'yielding:gated', gate, '[1, 2]')
    live.until(b'1\n')
    assert b'2' not in live.outputs['out']
    gate.write(b'..')
    assert live.finish().out == b'1\n2\n'


@DEPTHS
def test_a_script_runs_at_the_end_of_a_chain(tree, lib, far, depth):
    script = tree.hop.write('job.py', 'import sys\nfrom app.names import NAME\n'
                                      'print(NAME, sys.argv[1:], sys.stdin.read())\nsys.exit(5)\n')
    result = tree('script', behind(far, depth), '--path', 'lib', script.name, 'a b', stdin=b'input')
    assert (result.rc, result.out, result.err) == (5, b"app ['a b'] input\n", b''), result


@DEPTHS
def test_facts_are_those_of_the_end_of_a_chain(tree, depth):
    *relays, leaf = chain(depth).split('/')
    oldest = discover()[0]
    facts = tree('facts', '/'.join([*relays, by(oldest, 'leaf')]), '--json').only
    assert facts['ok'] and facts['value']['python']['version'] == oldest.version, facts


def test_data_is_read_by_importlib_resources_behind_a_relay(tree, lib, far):
    newest = discover()[-1]
    result = tree.call(f'{far}/{by(newest)}', 'app.resources:read')
    assert result.value == ['words\n', list(range(256)), ['__init__.py', 'deep.bin']], result


def test_a_module_that_is_larger_than_any_frame_is_imported_behind_a_relay(tree, far):
    tree.hop.write('lib/large.py', large_module(3 << 20))
    result = tree.call(behind(far, 2), 'large:size')
    assert result.value == 4 << 20, result


def test_a_module_that_nobody_has_is_told_behind_a_relay(tree, lib, far):
    result = tree.call(behind(far, 3), 'app.nothing:f', '--json')
    assert result.rc == 1 and "No module named" in result.only['error']['message'], result


# Interpreters

ENDS = oldest_and_newest()
PAIRS = pytest.mark.parametrize('relay_python, leaf_python', [(a, b) for a in ENDS for b in ENDS], ids=repr)


@PAIRS
def test_any_interpreter_is_a_relay_for_any_other(tree, lib, far, relay_python, leaf_python):
    path = f'{far}/{by(relay_python, "relay")}/{by(leaf_python, "leaf")}'
    result = tree.call(path, 'app.main:everything')
    *rest, version = result.value
    assert (rest, version) == (['app', 'words\n', [['app', n] for n in range(3)]], list(leaf_python.number[:2])), result
    assert result.said == 'printed\ncomplained\nWARNING app: logged\n', result


@pytest.mark.parametrize('python', discover(), ids=repr)
def test_every_interpreter_relays_in_the_middle_of_a_chain(tree, lib, python):
    data = os.urandom(300_000)
    path = f'local:a/{by(python, "b")}/local:c'
    assert tree.run(path, 'cat', stdin=data).out == data
    assert tree.call(path, 'app.main:fails', 'x', '--json').only['error']['kind'] == 'exception'


# Limits

def test_ten_hops_are_allowed_to_who_asks_for_them(tree, lib):
    result = tree('call', chain(10), '--max-hops', '10', '--path', 'lib', 'app.main:everything')
    assert result.rc == 0 and result.value[0] == 'app', result


def test_a_ninth_hop_is_refused_and_its_path_is_shown(tree, far):
    path = f'{far}/{chain(8)}'
    result = tree.run(f'local:well,{path}', 'echo hi')
    assert result.rc == 4 and result.out == b'local:well: hi\n', result
    assert ' -> '.join(path.split('/')) in result.said and '--max-hops' in result.said, result
    told = tree('run', path, '--json', '--', 'echo hi')
    assert told.only['error']['kind'] == 'too_many_hops' and told.rc == 255, told


def test_nothing_is_started_for_a_target_that_is_too_deep(tree, fifo):
    bell = fifo('bell')
    way = tree.hop.way_through(f'echo started >{bell}; exec sh -c "$1"\n')
    assert tree('run', f'{way}/local:a', '--max-hops', '1', '--', 'true').rc != 0
    assert tree.run(way, 'true').rc == 0
    assert bell.read_lines(1) == ['started']
    with pytest.raises(AssertionError, match='awaited'):
        bell.read_lines(1, timeout=0)


@pytest.mark.parametrize('words', ['-1', 'many', '1.5'])
def test_a_limit_that_is_no_number_of_hops_is_wrong_usage(tree, words):
    assert tree('run', 'local:', f'--max-hops={words}', '--', 'true').rc == 2


# Sharing

def values(result):
    assert result.rc == 0, result
    return {line.partition(': ')[0]: json.loads(line.partition(': ')[2]) for line in result.lines}


def test_twenty_targets_behind_a_host_share_one_login(tree, ssh):
    result = tree('run', 'local:db[1-20]', '--via', 'ssh:h1', '--', 'echo "\\"$SSH_CONNECTION\\""')
    connections = values(result)
    assert set(connections) == {f'local:db{n}' for n in range(1, 21)}, result
    assert len(set(connections.values())) == 1 and '127.0.0.1' in connections['local:db1'], result


def test_each_target_behind_a_relay_is_a_context_of_its_own(agents):
    result = agents('call', 'local:c[1-20]', '--via', 'local:r', '--path', agents.hop.remote, 'branches:line', TITLE,
                  '--name', TITLE)
    lines = values(result).values()
    assert len({line[0] for line in lines}) == 20 and len({tuple(line[2:]) for line in lines}) == 1, result


def test_targets_share_what_their_paths_have_in_common(agents):
    paths = ['local:a/local:b/local:c', 'local:a/local:b', 'local:a', 'local:a/local:other/local:c', 'local:c']
    result = agents('call', ','.join(paths), '--path', agents.hop.remote, 'branches:line', TITLE, '--name', TITLE)
    at = values(result)
    abc, ab, a, aoc, c = (at[path][::-1] for path in paths)
    assert abc[:4] == ab and abc[:2] == a and aoc[:2] == a and len(aoc) == len(abc) == 6, at
    assert aoc[2:] != abc[2:] and len(c) == 2 and c != a, at


def test_a_hop_for_all_and_a_hop_behind_all(agents):
    result = agents('call', 'local:c[1-2]', '--via', 'local:a/local:b', '--become', 'local:z',
                  '--path', agents.hop.remote, 'branches:line', TITLE, '--name', TITLE)
    first, second = values(result).values()
    assert len(first) == len(second) == 8 and first[4:] == second[4:] and not set(first[:4]) & set(second[:4]), result


def test_children_of_a_relay_are_started_together_and_work_together(tree, fifo):
    """None is let through before all of them have been started, and none ends before all of them work."""
    bell, gate, last = fifo('bell'), fifo('gate'), fifo('last')
    for n in range(64):
        tree.hop.way_through(f'echo here >{bell}; read x <{gate}; exec sh -c "$1"\n', f'w{n}')
    live = tree.start('run', 'exec:w[0-63]', '--via', 'local:', '--', f'echo there >{bell}; read x <{last}; echo hi')
    for step, open_now in ('here', gate), ('there', last):
        assert bell.read_lines(64, timeout=60) == [step] * 64
        open_now.write(b'go\n' * 64)
    assert live.finish().text.count(': hi') == 64


@pytest.mark.alone
def test_a_long_way_to_a_relay_counts_once_for_all_its_children(tree):
    """What 64 take longer than one, processor time aside, shows between a long link and a short one: the children are the same."""
    long, near = tree.way_by(flights, tree.hop.scratch / 'flights', name='long'), tree.hop.way_in('env', 'near')

    def seconds(way, count):
        result = tree('run', f'{way}/local:c[1-{count}]', '--', 'echo hi', timeout=120)
        assert result.rc == 0 and result.text.count('hi') == count, result
        return result.seconds

    one = seconds(long, 1) - seconds(near, 1)
    all_of_them = min(seconds(long, 64) - seconds(near, 64) for _ in range(2))
    one_after_another = 63 * 2 * flights.ONE_WAY_SECONDS
    assert all_of_them < one + one_after_another / 3, (one, all_of_them)


def test_a_fan_out_holds_behind_a_relay(tree, fifo):
    held = tree.hop.scratch / 'held'
    result = tree('run', 'local:c[1-6]', '--via', 'local:', '-f', '1', '--', f'mkdir {held} && echo alone; rmdir {held}')
    assert result.rc == 0 and result.text.count('alone') == 6, result


def test_a_relay_is_also_a_target(tree):
    result = tree.run('local:a,local:a/local:b', 'echo hi')
    assert sorted(result.lines) == ['local:a/local:b: hi', 'local:a: hi'], result


# What the first link carries

def large_module(size):
    """Incompressible, that much of it."""
    return f'V = """{base64.b64encode(os.urandom(size)).decode()}"""\n\ndef size():\n    return len(V)\n'


@pytest.fixture
def carried(tree):
    """`carried(children, function)`: how many bytes the first link has carried, down and up, for so many children."""
    counted = tree.hop.scratch / 'counted'
    first = tree.way_by(counter, counted)

    def carried(children, function, via=first):
        result = tree('call', f'local:c[1-{children}]', '--via', via, '--path', 'lib', function)
        assert result.rc == 0 and len(set(line.partition(': ')[2] for line in result.lines)) == 1, result
        return int(counted.read_text().split()[0])
    carried.first = first
    return carried


# What each child costs beside what they share: its order, the names of what it is given, its call.
CHILD_BYTES = 3000


@pytest.mark.parametrize('size', [40_000, 200_000, 1_000_000])
def test_a_module_crosses_the_first_link_once(hop, carried, size):
    hop.write('lib/large.py', large_module(size))
    once, ten = carried(1, 'large:size'), carried(10, 'large:size')
    assert once > size and ten - once < 9 * CHILD_BYTES, (once, ten)


def test_a_package_and_its_parts_cross_the_first_link_once_at_any_depth(hop, carried):
    hop.write_all('lib', {'pack/__init__.py': '', **{f'pack/m{n}.py': large_module(20_000) for n in range(10)}})
    hop.write('lib/pack/main.py', 'from pack import ' + ', '.join(f'm{n}' for n in range(10)) +
              '\n\ndef size():\n    return m1.size()\n')
    via = f'{carried.first}/local:b/local:c'
    once, ten = carried(1, 'pack.main:size', via), carried(10, 'pack.main:size', via)
    assert once > 200_000 and ten - once < 9 * CHILD_BYTES, (once, ten)


READING = '''\
import os, pack, zlib

def read(name="blob.bin"):
    return zlib.crc32(pack.__loader__.get_data(os.path.join(pack.__path__[0], name))) & 0xffffffff

def listed():
    import importlib.resources as resources
    return [len(each.read_bytes()) for each in resources.files("pack").iterdir() if each.name == "blob.bin"]

def by_threads():
    import concurrent.futures as futures
    return sorted(set(futures.ThreadPoolExecutor(8).map(read, ["blob.bin"] * 16)))
'''


@pytest.fixture
def blob(hop):
    """A data file of so many bytes, beside what reads it; returns what that says of it."""
    def blob(size):
        data = os.urandom(size)
        hop.write_all('lib', {'pack/__init__.py': '', 'pack/blob.bin': data, 'pack/main.py': READING})
        return zlib.crc32(data)
    return blob


@pytest.mark.parametrize('size', [40_000, 1_000_000])
@pytest.mark.parametrize('deeper', ['', '/local:b/local:c'])
def test_a_data_file_crosses_the_first_link_once(blob, carried, size, deeper):
    blob(size)
    via = carried.first + deeper
    once, ten = carried(1, 'pack.main:read', via), carried(10, 'pack.main:read', via)
    assert once > size and ten - once < 9 * CHILD_BYTES, (once, ten)


def test_the_files_of_a_package_cross_the_first_link_once(blob, carried):
    blob(300_000)
    once, ten = carried(1, 'pack.main:listed'), carried(10, 'pack.main:listed')
    assert once > 300_000 and ten - once < 9 * CHILD_BYTES, (once, ten)


@pytest.mark.parametrize('python', ENDS, ids=repr)
def test_a_data_file_behind_a_relay_is_whole_and_one_that_is_not_there_is_missed(tree, blob, python):
    expected, target = blob(70_000), f'local:r/{by(python)}'
    assert tree.call(target, 'pack.main:read').value == expected
    error = tree.call(target, 'pack.main:read', '"no.bin"', '--json').only['error']
    assert error['kind'] == 'exception' and 'no.bin' in error['message'], error


@pytest.mark.parametrize('python', [python for python in ENDS if starts_itself_again(python)], ids=repr)
def test_a_data_file_behind_a_relay_is_read_in_a_process_of_its_own(tree, blob, python):
    expected = blob(70_000)
    assert tree.call(f'local:r/{by(python)}', 'pack.main:read', '--own', 'process').value == expected


@pytest.mark.parametrize('python', [python for python in ENDS if starts_itself_again(python)], ids=repr)
def test_a_process_of_its_own_behind_a_relay_tells_what_it_raised(tree, lib, python):
    error = tree.call(f'local:r/{by(python)}', 'app.main:fails', 'nothing', '--own', 'process', '--json').only['error']
    assert (error['type'], error['args']) == ('KeyError', ['nothing']) and 'return {}[key]' in error['traceback'], error


def test_threads_behind_a_relay_read_one_data_file_at_once(tree, blob):
    expected = blob(70_000)
    assert tree.call(f'local:r/{by(ENDS[-1])}', 'pack.main:by_threads').value == [expected]


def test_what_the_agent_is_made_of_crosses_the_first_link_once(hop, carried):
    hop.write('lib/small.py', 'import datetime, logging\n\ndef f():\n    logging.warning("x")\n'
                              '    print("y")\n    return datetime.date(2026, 1, 2)\n')
    once, ten = carried(1, 'small:f'), carried(10, 'small:f')
    assert once > hop.sizes()['core'] and ten - once < 9 * CHILD_BYTES, (once, ten)


def test_calls_in_a_process_of_their_own_beside_children(tree):
    tree.hop.write_all('lib', LIB)
    for function in ('os:getpid', 'app.names:log'):
        words = ['x'] if 'log' in function else []
        result = tree('call', 'local:r,local:r/local:a', '--own', 'process', '--path', 'lib', function, *words)
        assert result.rc == 0 and len(result.lines) == 2, result


def test_a_python_relay_has_more_children_than_select_takes(hop):
    """Descriptors beyond 1023, where the user may have them; the children are this program, which starts quickly."""
    path = f'{BINARY.parent}:{hop.env["PATH"]}'
    result = hop.start('run', '-n', '-w', 'local:c[1-600]', '--via', 'local:r', '--relay', 'python', '--agent', 'native',
                       '--', 'echo well', env={'PATH': path}, prefix=['prlimit', '--nofile=1024:8192']).finish(60)
    assert result.rc == 0 and result.out.count(b': well\n') == 600, result


def test_a_child_of_a_relay_has_the_limits_of_its_user(hop):
    result = hop.start('run', '-n', '-w', 'local:r/local:c', '--relay', 'python', '--', 'ulimit -n',
                       prefix=['prlimit', '--nofile=1024:8192']).finish()
    assert result.out == b'1024\n', result
