"""What remote code says by `logging`: logger, level and message arrive as they were."""

import collections
import io

import pytest

from harness.process import peak_bytes
from harness.pythons import oldest_and_newest

EACH = pytest.mark.parametrize('python', oldest_and_newest(), ids=repr)
PYTHON_3 = pytest.mark.parametrize('python', [python for python in oldest_and_newest() if python.number >= (3,)],
                                   ids=repr)
BOTH = pytest.mark.parametrize('target', ['local:', 'h1'])
EARLY = 'WARNING early: at import'


@pytest.fixture
def call(hop):
    def call(python, function, *words, target='local:', **options):
        return hop.call(target, f'records:{function}', *words, '--python', python.path, **options)
    return call


def said(result):
    """The lines after the one that the import of the module logs."""
    lines = result.said.splitlines()
    assert lines[:1] == [EARLY], result
    return lines[1:]


def records(result):
    """(logger, level, message) of each, after the first."""
    log = [(each['logger'], each['level'], each['message']) for each in result.only['log']]
    assert log[:1] == [('early', 'WARNING', 'at import')], result
    assert all(set(each) == {'logger', 'level', 'message'} for each in result.only['log']), result
    return log[1:]


@EACH
@BOTH
def test_a_record_keeps_its_logger_its_level_and_its_message(call, ssh, python, target):
    result = call(python, 'several', target=target)
    assert said(result) == ['ERROR a.b: 1 and two', 'CRITICAL a: 3', 'WARNING root: plain'], result
    assert (result.rc, result.out) == (0, b'null\n'), result


@EACH
def test_json_has_the_records_in_a_field_of_their_own(call, python):
    result = call(python, 'several', '--json')
    assert records(result) == [('a.b', 'ERROR', '1 and two'), ('a', 'CRITICAL', '3'), ('root', 'WARNING', 'plain')]
    assert (result.only['stdout'], result.only['stderr'], result.err) == ('', '', b''), result


@EACH
def test_records_of_modules_that_are_imported_on_the_way_are_not_missed(hop, python):
    hop.write_all('lib', {'one.py': 'import two\nimport logging\nlogging.warning("one")\n\n'
                                    'def f():\n    import three\n',
                          'two.py': 'from logging import getLogger\ngetLogger("two").warning("two")\n',
                          'three/__init__.py': 'import logging.handlers\n'
                                               'logging.getLogger("three").warning("three")\n'})
    result = hop('call', '-w', 'local:', '--path', 'lib', '--python', python.path, 'one:f')
    assert result.said.splitlines() == ['WARNING two: two', 'WARNING root: one', 'WARNING three: three'], result


@EACH
def test_a_function_of_the_standard_library_that_logs_is_heard(hop, python):
    result = hop('call', '-w', 'local:', '--python', python.path, 'logging:warning', 'words %s', 'here')
    assert (result.rc, result.said) == (0, 'WARNING root: words here\n'), result


@EACH
def test_records_before_an_exception_and_between_items_are_kept(call, python):
    result = call(python, 'raising', '--json')
    assert records(result) == [('root', 'WARNING', 'before the end')] and result.only['error']['message'] == 'the end'
    result = call(python, 'yielding')
    assert said(result) == [f'WARNING root: before {n}' for n in range(3)] and result.out == b'0\n1\n2\n', result


def test_many_hosts_have_their_names_before_their_records(hop):
    result = hop.call('local:c[1-2]', 'records:several')
    lines = [EARLY, 'ERROR a.b: 1 and two', 'CRITICAL a: 3', 'WARNING root: plain']
    for name in ('local:c1', 'local:c2'):
        assert [line for line in result.said.splitlines() if line.startswith(name)] == [
            f'{name}: {line}' for line in lines], result


# Levels

ALL = [('x', 'DEBUG', 'debug'), ('x', 'INFO', 'info'), ('x', 'WARNING', 'warning'), ('x', 'ERROR', 'error'),
       ('x', 'CRITICAL', 'critical'), ('x', 'NOTICE', 'notice'), ('x', 'Level 5', 'five')]


@EACH
@pytest.mark.parametrize('options, number, names', [
    ([], 30, ['WARNING', 'ERROR', 'CRITICAL', 'NOTICE']),
    (['--log-level', 'debug'], 10, ['DEBUG', 'INFO', 'WARNING', 'ERROR', 'CRITICAL', 'NOTICE']),
    (['--log-level', 'info'], 20, ['INFO', 'WARNING', 'ERROR', 'CRITICAL', 'NOTICE']),
    (['--log-level', 'error'], 40, ['ERROR', 'CRITICAL']), (['--log-level', '33'], 33, ['ERROR', 'CRITICAL', 'NOTICE']),
    (['--log-level', 'critical'], 50, ['CRITICAL']),
    (['--log-level', '1'], 1, ['DEBUG', 'INFO', 'WARNING', 'ERROR', 'CRITICAL', 'NOTICE', 'Level 5'])])
def test_the_level_that_is_named_holds_there(call, python, options, number, names):
    result = call(python, 'at_all_levels', '--json', *options)
    shown = [(each['logger'], each['level'], each['message']) for each in result.only.get('log', [])]
    early = [('early', 'WARNING', 'at import')] if number <= 30 else []
    assert shown == early + [each for each in ALL if each[1] in names], result
    assert result.only['value'] == number, result


@pytest.mark.parametrize('level', ['loud', '0', '256', '-1', '', 'WARNIN'])
def test_a_level_that_there_is_not_is_refused_before_anything_starts(hop, level):
    result = hop('call', '-w', 'local:', f'--log-level={level}', 'os:getpid')
    assert result.rc == 2 and '--log-level' in result.said and result.out == b'', result


def test_what_is_below_the_level_does_not_travel(hop, slow):
    """A hundred thousand records of 100 bytes, seen from a proxy."""
    before = slow.down_bytes
    result = hop.call('slow', 'records:many', '100000', '10', '100', '--log-level', 'info', timeout=60)
    assert result.rc == 0 and result.said.splitlines() == [EARLY], result
    assert slow.down_bytes - before < 20_000, slow.down_bytes - before


# Records that are odd

@EACH
def test_an_exception_is_logged_with_its_traceback(call, python):
    (logger, level, message), = records(call(python, 'failing', '--json'))
    first, *lines, last = message.splitlines()
    assert (logger, level, first, lines[0]) == ('root', 'ERROR', 'it failed', 'Traceback (most recent call last):')
    assert "    {}['missing']" in lines and last.startswith("KeyError: 'missing'"), message
    shown = said(call(python, 'failing'))
    assert shown[0] == 'ERROR root: it failed' and all(line.startswith('ERROR root: ') for line in shown), shown


@EACH
def test_a_message_that_does_not_fit_its_arguments_harms_nothing(call, python):
    result = call(python, 'wrongly', '--json')
    messages = [message for _, _, message in records(result)]
    assert result.only['value'] == 'went on' and len(messages) == 6, result
    assert '%d items' in messages[0] and 'many' in messages[0] and 'too %s %s' in messages[1], messages
    assert 'too many' in messages[2] and messages[3:] == ['5', 'None', 'percent %'], messages


@EACH
def test_a_message_that_has_no_words_harms_nothing(call, python):
    result = call(python, 'without_words', 'Odd', '--json')
    messages = [message for _, _, message in records(result)]
    assert result.only['value'] == 'went on' and len(messages) == 2, result
    assert all('Odd object' in message and 'no words' in message for message in messages), messages


@PYTHON_3
def test_names_and_messages_may_hold_any_character_and_none_reaches_the_terminal_raw(call, python):
    assert records(call(python, 'with_odd_names', '--json')) == [
        ('h\xe9', 'WARNING', 'caf\xe9'), ('x\ny', 'WARNING', 'two\nlines'),
        ('e', 'WARNING', '\033[31mred\033[0m \007 \r over'), ('e', 'WARNING', '')]
    result = call(python, 'with_odd_names')
    assert not {b'\033', b'\007', b'\r'} & {bytes([byte]) for byte in result.err}, result
    shown = said(result)
    assert shown[0] == 'WARNING h\xe9: caf\xe9' and all(line.startswith('WARNING ') for line in shown), shown


@PYTHON_3
def test_a_factory_for_records_is_used(call, python):
    assert records(call(python, 'with_factory', '--json')) == [('root', 'WARNING', 'made by hand: x 1')]


@EACH
def test_classes_and_filters_of_its_own_are_used(call, python):
    assert records(call(python, 'with_logger_class', '--json')) == [('other.kind', 'WARNING', 'traced it')]
    assert records(call(python, 'with_filter', '--json')) == [('filtered', 'WARNING', 'filtered seen')]


@EACH
def test_a_handler_of_its_own_writes_beside_ours(call, python):
    result = call(python, 'with_handler_of_its_own', '--json')
    assert result.only['stderr'] == 'own: to its own only\nown: to both\n', result
    assert records(result) == [('own', 'WARNING', 'to both')], result


@EACH
def test_a_configuration_of_its_own_shows_nothing_twice(call, python):
    result = call(python, 'configured', '--kw', 'level=10', '--json')
    assert records(result) == [('root', 'WARNING', 'after it')] and result.only['stderr'] == '', result


@pytest.mark.parametrize('python', [python for python in oldest_and_newest() if python.number >= (3, 8)], ids=repr)
def test_a_configuration_that_is_forced_takes_the_place_of_ours(call, python):
    result = call(python, 'configured', '--kw', 'force=true', '--kw', 'format=mine: %(message)s', '--json')
    assert records(result) == [] and result.only['stderr'] == 'mine: after it\n', result


@PYTHON_3
def test_warnings_are_records_where_that_is_asked_for(call, python):
    (logger, level, message), = records(call(python, 'captured', '--json'))
    assert (logger, level) == ('py.warnings', 'WARNING') and 'UserWarning: deprecated' in message, message


# Order, number, pace

@EACH
def test_what_is_printed_and_what_is_logged_keep_their_order(call, python):
    lines = said(call(python, 'and_printed', '30'))
    assert [line.replace('WARNING root: ', '') for line in lines] == [str(n) for n in range(90)], lines


@EACH
def test_threads_log_at_once_and_nothing_is_lost(call, python):
    lines = said(call(python, 'from_threads', '8', '500'))
    by_thread = collections.defaultdict(list)
    for line in lines:
        level, logger, number = line.split()
        by_thread[logger].append(int(number))
    assert dict(by_thread) == {f't{n}:': list(range(500)) for n in range(8)}, collections.Counter(
        {name: len(numbers) for name, numbers in by_thread.items()})


@EACH
def test_what_a_thread_logs_after_its_call_harms_nothing(hop, fifo, python):
    bell, gate = fifo('bell'), fifo('gate')
    result = hop.call('local:', 'records:after_the_call', bell, gate, '--python', python.path)
    assert (result.rc, result.out) == (0, b'null\n') and said(result) == [], result


def test_a_flood_of_records_arrives_whole_in_little_memory(hop):
    total = 200_000
    live = hop.start('call', '-w', 'local:', '--python', oldest_and_newest()[-1].path, '--path', hop.remote,
                     'records:many', str(total))
    lines = io.BufferedReader(live.popen.stderr, 65536)
    assert lines.readline().decode().strip() == EARLY
    for number in range(total - 1):
        assert lines.readline() == b'WARNING root: %d \n' % number
    controller = peak_bytes(live.pid)
    lines.readline()
    assert lines.read() == b''
    agent = int(live.popen.stdout.read())
    lines.detach()
    assert live.finish().rc == 0
    assert agent < 40 << 20 and controller < 32 << 20, (agent >> 20, controller >> 20)


@EACH
def test_a_reader_that_is_slow_stops_who_logs(hop, fifo, python):
    consumed, size, total = fifo('consumed'), 1000, 10_000
    live = hop.start('call', '-w', 'local:', '--python', python.path, '--path', hop.remote,
                     'records:ahead', consumed, str(total), str(size))
    lines = io.BufferedReader(live.popen.stderr, 65536)
    assert lines.readline().decode().strip() == EARLY
    leads = []
    for _ in range(total):
        leads.append(int(lines.readline().split()[2]))
        consumed.write(b'.')
    assert lines.read() == b''
    lines.detach()
    assert int(live.popen.stdout.read()) < 40 << 20 and live.finish().rc == 0
    assert max(leads) * size < 2 << 20, max(leads)


def test_a_flood_in_json_is_bounded_and_says_so(hop):
    result = hop.call('local:', 'records:many', '20000', '30', '1000', '--json', timeout=60)
    each = result.only
    kept = sum(len(record['message']) for record in each['log'])
    assert kept <= 16 << 20 and each['dropped_bytes'] > 1 << 20, (kept, each['dropped_bytes'])
    assert [record['message'].split()[0] for record in each['log'][1:100]] == [str(n) for n in range(99)]
