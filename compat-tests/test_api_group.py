"""Groups: the same on many hosts at once; results by name, failures apart, sets."""

import signal
import textwrap
import time

import pytest

from harness.pythons import discover, oldest_and_newest

EVERY = pytest.mark.parametrize('python', discover(), ids=repr)
ENDS = pytest.mark.parametrize('python', oldest_and_newest(), ids=repr)
THREE = '''
group = Group([here('c'), here('a'), here('b')])
class Refused(SubprocessTunnel):
    def cmd_args(self):
        open(os.path.join(sys.argv[1], 'tried'), 'a').write('x')
        return ['sh', '-c', 'exit 7']
def tries():
    return len(open(os.path.join(sys.argv[1], 'tried')).read())
'''


@pytest.fixture
def told(scripts):
    def told(python, text, **options):
        return scripts.told(python, THREE + textwrap.dedent(text), scripts.hop.scratch, **options)
    return told


# Results

@EVERY
def test_results_are_by_host_in_the_groups_order(told, python):
    lines = told(python, '''
        result = group.call(os.getpid)
        print(list(result), list(result.keys()), [host for host, value in result.items()], len(result))
        print(len(set(result.values())), result['a'] == dict(result.successful())['a'], list(result.failures()))
        print(result.raise_failures() is result, isinstance(result, dict), group.call(len, 'ab'))
    ''')
    assert lines == ["['c', 'a', 'b'] ['c', 'a', 'b'] ['c', 'a', 'b'] 3", '3 True []', "True True {'c': 2, 'a': 2, 'b': 2}"]


@ENDS
def test_all_work_at_once(told, python):
    """Each waits for the others to have come."""
    assert told(python, '''
        os.mkfifo(sys.argv[1] + '/in')
        os.mkfifo(sys.argv[1] + '/out')
        def meets(folder):
            came, gate = os.open(folder + '/in', os.O_RDWR), os.open(folder + '/out', os.O_RDWR)
            os.write(came, b'.')
            return os.read(gate, 1) == b'.'
        def opens(folder):
            came, gate = os.open(folder + '/in', os.O_RDWR), os.open(folder + '/out', os.O_RDWR)
            for _ in range(3):
                os.read(came, 1)
            os.write(gate, b'...')
        keeper = here('keeper')
        done = keeper.call_async(opens, sys.argv[1])
        print(list(group.call(meets, sys.argv[1], timeout=20).values()))
        done.get()
    ''') == ['[True, True, True]']


@EVERY
def test_one_that_fails_harms_no_other(told, python):
    lines = told(python, '''
        def fails():
            if os.environ.get('FAIL'):
                raise ValueError('not here')
        def marks():
            os.environ['FAIL'] = '1'
        (group & Local('a')).call(marks)
        result = group.call(fails)
        print([host for host, value in result.successful()], [host for host, error in result.failures()])
        error = result['a']
        print(error.msg, error.tb.count('raise ValueError'), error.kind, type(error.exception).__name__, error)
        try:
            result.raise_failures()
        except RemoteException:
            print(str(sys.exc_info()[1]))
    ''')
    assert lines == ["['c', 'b'] ['a']", "ValueError: not here 1 exception RemoteException ErrorResult('ValueError: not here')",
                     '1/3 hosts had failures', 'a: ValueError: not here'], lines


@ENDS
def test_a_host_that_cannot_be_reached_stays_out_until_connect(told, python):
    lines = told(python, '''
        mixed = group + Refused('bad')
        first = mixed.call(os.getpid)
        print([type(value).__name__ for value in first.values()], first['bad'].kind, 'status 7' in first['bad'].msg)
        second = mixed.call(os.getpid)
        print(second['bad'] is first['bad'], second['a'] == first['a'], tries())
        third = mixed.connect()
        print(third['bad'] is first['bad'], tries(), third['a'])
        print(mixed.run('true')['bad'] is third['bad'], mixed.put('/etc/hosts', sys.argv[1] + '/x')['bad'] is third['bad'], tries())
        print(str((mixed - group).call(os.getpid)['bad']) == str(third['bad']), tries())
        try:
            mixed.filter(os.getpid)
        except RemoteException:
            print(str(sys.exc_info()[1]).splitlines()[0])
    ''')
    assert lines == ["['int', 'int', 'int', 'ErrorResult'] start_failed True", 'True True 1', 'False 2 None', 'True True 2',
                     'True 2', '1/4 hosts had failures'], lines


@ENDS
def test_large_arguments_of_many_wait_for_each_other(told, python):
    """A link has no more than 64 MiB of unfinished messages."""
    assert told(python, '''
        group = Group([here('h%d' % number) for number in range(5)])
        group.connect()
        print(group.call(len, b'x' * 20000000).raise_failures().values())
    ''') == [str([20000000] * 5)]


@ENDS
def test_many_failures_are_counted(told, python):
    lines = told(python, '''
        def fails():
            raise KeyError('k')
        try:
            (group + here('d')).call(fails).raise_failures()
        except RemoteException:
            error = sys.exc_info()[1]
        print(str(error))
        print(sorted(error.results))
    ''')
    assert lines == ['4/4 hosts had failures', "c: KeyError: 'k'", "a: KeyError: 'k'", "b: KeyError: 'k'", 'and 1 more',
                     "['a', 'b', 'c', 'd']"], lines


@EVERY
def test_an_empty_group_has_empty_results(told, python):
    assert told(python, '''
        empty = Group([])
        print(empty.call(os.getpid), empty.connect(), empty.run('x'), empty.put('/etc/hosts'), empty.fetch('/x'), empty.filter(len))
        empty.close()
        print(len(empty), empty.call(os.getpid).raise_failures())
    ''') == ['{} {} {} {} {} Group([])', '0 {}']


@ENDS
def test_commands_of_all(told, python):
    assert told(python, '''
        result = group.run('echo $((1 + 1))')
        print([value.stdout == b'2\\n' for value in result.values()], result['b'].status)
    ''') == ['[True, True, True] 0']


@ENDS
def test_a_group_connects_closes_and_is_a_context(told, python):
    assert told(python, '''
        with group:
            print([tunnel.connected for tunnel in group])
            pids = group.call(os.getpid)
        print([tunnel.connected for tunnel in group], [os.path.exists('/proc/%d' % pid) for pid in pids.values()])
        print(group.call(os.getpid)['a'] != pids['a'])
    ''') == ['[True, True, True]', '[False, False, False] [False, False, False]', 'True']


@ENDS
def test_an_interrupt_stops_all(scripts, python):
    live = scripts.start(python, THREE + '''
def stays():
    sys.stderr.write('up\\n')
    time.sleep(1000)
try:
    group.call(stays)
except KeyboardInterrupt:
    print('interrupted')
print(sorted(group.call(len, 'abc').values()))
''')
    for host in (b'a: up', b'b: up', b'c: up'):
        live.until(host, 'err')
    sent = time.monotonic()
    live.signal(signal.SIGINT)
    live.until(b'interrupted')
    assert time.monotonic() - sent < 1
    assert live.finish().lines == ['interrupted', '[3, 3, 3]']


# Files

@EVERY
def test_put_and_fetch(told, python):
    lines = told(python, r'''
        source = os.path.join(sys.argv[1], 'source')
        open(source, 'wb').write(b'x' * 100000)
        result = group.put(source).raise_failures()
        print([value['size'] for value in result.values()], len(set([value['remote_path'] for value in result.values()])))
        for value in result.values():
            os.remove(value['remote_path'])
        result = group.fetch(source, os.path.join(sys.argv[1], 'of-{host}')).raise_failures()
        print([os.path.basename(value['local_path']) for value in result.values()], open(result['b']['local_path']).read() == 'x' * 100000)
        result = group.fetch(source)
        print(len(set([value['local_path'] for value in result.values()])))
        for value in result.values():
            os.remove(value['local_path'])
        print([(error.kind, 'none' in error.msg) for host, error in group.fetch('/none').failures()][:1])
    ''')
    assert lines == ['[100000, 100000, 100000] 3', "['of-c', 'of-a', 'of-b'] True", '3', "[('file', True)]"], lines


@ENDS
def test_a_template_that_is_the_same_for_two_is_refused_before_anything_is_started(told, python):
    assert told(python, '''
        for template in ('all', '{hosts}'):
            try:
                group.fetch('/etc/hosts', os.path.join(sys.argv[1], template))
            except ValueError:
                print(str(sys.exc_info()[1]).split(':')[0], [tunnel.connected for tunnel in group], os.listdir(sys.argv[1]) == ['hopvine.zip'])
        print(Group([here('only')]).fetch('/etc/hostname', os.path.join(sys.argv[1], 'all'))['only']['size'] > 0)
    ''') == ['local_path [False, False, False] True'] * 2 + ['True']


# Sets and filters

@EVERY
def test_groups_are_sets_of_names(told, python):
    lines = told(python, '''
        ab, bc, d = Group(['a', 'b']), Group([Local('b'), 'c']), Local('d')
        for each in (ab + bc, ab | bc, ab & bc, ab - bc, ab ^ bc, ab + d, d + ab, ab - Local('a'), ab & d, d ^ d, d - ab):
            print(each.hosts())
        print(ab + bc, len(ab), 'a' in ab, d in ab, [tunnel.host for tunnel in ab])
        for wrong in ('a', None):
            try:
                ab + wrong
            except TypeError:
                print('refused')
    ''')
    assert lines == [
        "['a', 'b', 'c']", "['a', 'b', 'c']", "['b']", "['a']", "['a', 'c']", "['a', 'b', 'd']", "['d', 'a', 'b']", "['b']",
        '[]', '[]', "['d']", "Group([SSHTunnel('a'), SSHTunnel('b'), SSHTunnel('c')]) 2 True False ['a', 'b']",
        'refused', 'refused'], lines


@EVERY
def test_a_filter_keeps_those_where_it_is_true(told, python):
    lines = told(python, '''
        def put(value):
            os.environ['WANTED'] = value
        for tunnel, value in zip(group, ('1', '', '1')):
            tunnel.call(put, value)
        def wanted():
            return os.environ['WANTED']
        print(group.filter(wanted), group.filter(wanted, exclude=True))
        def fails():
            raise ValueError('cannot tell')
        try:
            group.filter(fails)
        except RemoteException:
            print(str(sys.exc_info()[1]).splitlines()[0])
    ''')
    assert lines == ["Group([Local('c'), Local('b')]) Group([Local('a')])", '3/3 hosts had failures']
