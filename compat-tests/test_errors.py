"""What remote code raises arrives with its type, arguments, attributes, causes and lines; each end has its own kind."""

import pytest

from harness.pythons import discover, oldest_and_newest

EACH = pytest.mark.parametrize('python', oldest_and_newest(), ids=repr)
PYTHON_2 = pytest.mark.parametrize('python', [python for python in discover() if python.number < (3,)], ids=repr)
PYTHON_3 = pytest.mark.parametrize('python', [python for python in oldest_and_newest() if python.number >= (3,)],
                                   ids=repr)
SINCE_3_11 = pytest.mark.parametrize('python', [python for python in discover() if python.number >= (3, 11)], ids=repr)
BOTH = pytest.mark.parametrize('target', ['local:', 'h1'])


@pytest.fixture
def error(hop):
    """The error of that call, in JSON."""
    def error(python, function, *words, target='local:', rc=1):
        result = hop.call(target, f'raising:{function}', *words, '--json', '--python', python.path)
        each = result.only
        assert result.rc == rc and each['ok'] is False and 'value' not in each and result.err == b'', result
        return each['error']
    return error


FIELDS = {'type', 'message', 'args', 'attributes', 'cause', 'traceback'}


@EACH
@BOTH
def test_an_exception_has_all_that_it_was_made_of(error, ssh, python, target):
    shown = error(python, 'detailed', target=target)
    assert set(shown) == FIELDS | {'kind'} and shown['kind'] == 'exception', shown
    assert (shown['type'], shown['message'], shown['args']) == ('raising.Detailed', "(7, 'why')", [7, 'why']), shown
    assert shown['attributes'] == {'code': 7, 'reason': 'why', 'nested': {'a': [1, [2]]}, '_private': 'seen'}, shown
    assert shown['cause'] is None, shown
    lines = shown['traceback'].splitlines()
    assert lines[0] == 'Traceback (most recent call last):' and lines[-1] == f"raising.Detailed: {shown['message']}" or \
        python.number < (3,) and lines[-1] == f"Detailed: {shown['message']}", shown
    assert "    raise Detailed(7, 'why')" in lines and lines[1].endswith(', in detailed'), shown


@EACH
def test_its_type_is_named_with_its_module_unless_it_is_built_in(error, python):
    assert error(python, 'plain')['type'] == 'ValueError'
    assert error(python, 'inner')['type'] in ('raising.Inner.Error', 'raising.Error')
    if python.number < (2, 5):
        return
    shown = error(python, 'of_a_command')
    assert shown['type'] == 'subprocess.CalledProcessError', shown
    assert (shown['attributes']['returncode'], shown['attributes']['cmd']) == (3, ['false', 'x']), shown


@EACH
def test_an_error_of_the_system_keeps_its_number(error, python):
    shown = error(python, 'of_the_system')
    assert shown['type'] == ('FileNotFoundError' if python.number >= (3,) else 'IOError'), shown
    assert shown['args'][:2] == [2, 'No such file or directory'] and '/nonexistent/file' in shown['message'], shown


@EACH
def test_its_arguments_keep_their_types(error, python):
    shown = error(python, 'with_args', '1', '"two"', '[3, null]', '{"$bytes": "/w=="}', '{"$date": "2026-01-02"}')
    assert shown['args'] == [1, 'two', [3, None], {'$bytes': '/w=='}, {'$date': '2026-01-02'}], shown
    assert error(python, 'without_words')['args'] == [] and error(python, 'without_words')['message'] == ''


@EACH
def test_arguments_that_cannot_be_sent_are_shown_as_they_describe_themselves(error, python):
    first, kind, listed, mute, last = error(python, 'with_unsendable_args')['args']
    # In Python 2.4 it is a type.
    opener = 'open' if python.number >= (2, 5) else 'file'
    assert (first, last) == ('first', 5) and 'Mute' in kind and opener in listed and 'Mute' in mute


@EACH
@pytest.mark.parametrize('name', ['NoStr', 'NoRepr', 'NoWords', 'StrIsNoText', 'ArgsRaise', 'DictLies', 'StrExits'])
def test_one_that_fails_to_describe_itself_is_still_named(error, python, name):
    shown = error(python, 'odd', name)
    assert (shown['kind'], shown['type']) == ('exception', f'raising.{name}'), shown
    assert 'in odd' in shown['traceback'] or name in shown['traceback'], shown


@EACH
def test_a_message_of_any_length_arrives_whole_and_once_a_line(error, hop, python):
    assert error(python, 'long', '20000')['message'] == 'x' * 20000 + 'END'
    assert error(python, 'long', '3000000')['message'] == 'x' * 3000000 + 'END'
    result = hop.call('local:', 'raising:long', '20000', '--python', python.path)
    assert result.said.splitlines()[0] == 'hopvine: local: ValueError: ' + 'x' * 20000 + 'END'


@EACH
def test_a_message_of_any_characters_arrives(error, hop, python):
    assert error(python, 'plain', 'h\xe9 \u20ac \U0001f600')['args'] == ['h\xe9 \u20ac \U0001f600']
    assert error(python, 'with_lines')['message'] == 'first\nsecond\n\033[31mred\033[0m'
    result = hop.call('local:', 'raising:with_lines', '--python', python.path)
    assert b'\033' not in result.err and 'first' in result.said and 'second' in result.said, result


@PYTHON_3
def test_the_message_of_text_that_is_not_ascii_is_that_text(error, python):
    assert error(python, 'plain', 'h\xe9 \u20ac')['message'] == 'h\xe9 \u20ac'


@PYTHON_2
def test_a_message_of_bytes_arrives_from_python_2(error, python):
    shown = error(python, 'in_bytes')
    assert shown['args'] == [{'$bytes': 'Y2Fm6SD/'}] and shown['type'] == 'ValueError', shown


# Causes

def chain(shown):
    """(type, message) of an error and of its causes."""
    found = []
    while shown:
        assert set(shown) - {'kind'} == FIELDS, shown
        found.append((shown['type'], shown['message']))
        shown = shown['cause']
    return found


@PYTHON_3
@pytest.mark.parametrize('name, causes, words', [
    ('explicit', [('ValueError', 'explicit'), ('KeyError', "'missing'")], 'direct cause of'),
    ('implicit', [('ValueError', 'implicit'), ('KeyError', "'missing'")], 'During handling of'),
    ('suppressed', [('ValueError', 'suppressed')], None),
    ('twice', [('FileNotFoundError', '[Errno 2] twice'), ('ValueError', 'implicit'), ('KeyError', "'missing'")],
     'direct cause of'),
    ('of_odd', [('ValueError', 'of odd'), ('raising.NoWords', None)], 'direct cause of')])
def test_the_causes_of_an_exception_come_with_it(error, python, name, causes, words):
    shown = error(python, 'caused', name)
    found = chain(shown)
    assert [kind for kind, _ in found] == [kind for kind, _ in causes], shown
    assert all(expected in (None, message) for (_, message), (_, expected) in zip(found, causes)), shown
    assert words in shown['traceback'] if words else 'KeyError' not in shown['traceback'], shown
    if len(causes) > 1 and name != 'of_odd':
        assert shown['traceback'].index('KeyError') < shown['traceback'].rindex(causes[0][0]), shown


@PYTHON_3
def test_the_cause_has_its_own_arguments_and_traceback(error, python):
    cause = error(python, 'caused', 'explicit')['cause']
    assert cause['args'] == ['missing'] and 'line 4, in explicit' in cause['traceback'], cause


@PYTHON_3
@pytest.mark.parametrize('name', ['circular', 'itself'])
def test_a_circle_of_causes_ends(error, python, name):
    if name == 'itself' and python.number < (3, 9):
        pytest.skip('raising anything beside an exception that is its own context never ends in this Python: bpo-25782')
    shown = error(python, 'caused', name)
    assert shown['message'] == 'one' and len(chain(shown)) < 20, shown


@PYTHON_3
def test_a_long_chain_of_causes_is_cut_and_harms_nothing(error, python):
    found = chain(error(python, 'caused', 'deep', '200'))
    assert found[0] == ('ValueError', '199') and found == [('ValueError', str(199 - n)) for n in range(len(found))]
    assert 5 <= len(found) <= 200, len(found)


@PYTHON_2
def test_python_2_has_no_causes(error, python):
    assert error(python, 'plain')['cause'] is None


@SINCE_3_11
def test_groups_and_notes_are_in_the_traceback(error, python):
    shown = error(python, 'newer', 'group')
    assert shown['type'] == 'ExceptionGroup' and 'several (2 sub-exceptions)' in shown['message'], shown
    assert 'ValueError: one' in shown['traceback'] and "KeyError: 'two'" in shown['traceback'], shown
    shown = error(python, 'newer', 'noted')
    assert shown['message'] == 'why' and shown['traceback'].endswith('ValueError: why\na note\n'), shown


# Ends

@EACH
@pytest.mark.parametrize('words, name, message', [
    (['exit', '3'], 'SystemExit', '3'), (['exit', '"why"'], 'SystemExit', 'why'), (['exit', 'null'], 'SystemExit', ''),
    (['interrupt'], 'KeyboardInterrupt', 'typed'), (['generator exit'], 'GeneratorExit', 'x'),
    (['memory'], 'MemoryError', 'no more')])
def test_what_is_no_ordinary_exception_fails_the_call_like_one(error, python, words, name, message):
    if name == 'GeneratorExit' and python.number < (2, 5):
        pytest.skip('Python 2.5 is the first that has it')
    shown = error(python, 'ending', *words)
    assert (shown['kind'], shown['type']) == ('exception', name), shown
    assert shown['message'] in (message, 'None') and 'ending' in shown['traceback'], shown


@EACH
def test_a_recursion_without_end_is_an_exception(error, python):
    shown = error(python, 'recursive')
    assert shown['type'] == ('RecursionError' if python.number >= (3, 5) else 'RuntimeError'), shown['type']
    assert 'recursion' in shown['message'] and 'in recursive' in shown['traceback'], shown


@EACH
@pytest.mark.parametrize('words, message', [
    (['os._exit', '4'], 'ended with status 4'), (['os._exit', '0'], 'ended with status 0'),
    (['kill', 'SIGSEGV'], 'killed by signal 11 (SIGSEGV)'), (['kill', 'SIGKILL'], 'killed by signal 9 (SIGKILL)'),
    (['kill', 'SIGTERM'], 'killed by signal 15 (SIGTERM)'), (['abort'], 'killed by signal 6 (SIGABRT)')])
def test_the_end_of_the_process_is_a_lost_link_that_says_how(error, python, words, message):
    shown = error(python, 'ending', *words, rc=255)
    assert shown['kind'] == 'link_lost' and message in shown['message'] and shown['traceback'] is None, shown


@EACH
def test_what_a_thread_raises_is_printed_and_the_call_goes_well(hop, python):
    result = hop.call('local:', 'raising:in_a_thread', '--python', python.path, '--json')
    assert result.only['value'] == 'well' and 'ValueError: why' in result.only['stderr'], result
    assert 'raise ValueError(message)' in result.only['stderr'], result


def test_the_kinds_are_told_apart_over_a_fleet(hop, refusing):
    """One fails, one is late, one is lost, one is not there; one goes well."""
    hop.write('lib/by.py', 'import os, time\n\ndef name():\n    how = os.environ.get("HOW")\n    if how == "raise":\n'
                           '        raise ValueError("x")\n    if how == "late":\n        time.sleep(1000)\n'
                           '    if how == "lost":\n        os._exit(3)\n    if how == "unsendable":\n'
                           '        return open\n    return "well"\n')
    targets = [hop.way_in(f'env HOW={how} sh -c {{}}', how) for how in ('raise', 'late', 'lost', 'unsendable', 'well')]
    result = hop('call', '-w', ','.join([*targets, refusing]), '--path', 'lib', '-t', '1', '--json', 'by:name')
    kinds = {name.split(':')[-1]: each.get('error', {}).get('kind') for name, each in result.json.items()}
    assert kinds == {'raise': 'exception', 'late': 'timed_out', 'lost': 'link_lost', 'unsendable': 'bad_value',
                     'well': None, refusing: 'refused'}, result
    assert result.rc == 4, result


# What there is to call

@EACH
@pytest.mark.parametrize('function, value', [('called', 5), ('Callable.method', None), ('called.method', 'bound')])
def test_anything_that_can_be_called_may_be_named(hop, python, function, value):
    words = ['5'] if function == 'called' else []
    result = hop.call('local:', f'raising:{function}', *words, '--python', python.path, '--json')
    if value is None:
        assert result.only['error']['type'] == 'TypeError' and 'self' in result.only['error']['message'] or \
            python.number < (3,), result
    else:
        assert result.only['value'] == value, result


@EACH
@pytest.mark.parametrize('function, kind, words', [
    ('number', 'TypeError', 'not callable'), ('nothing', 'AttributeError', 'nothing'),
    ('called.nothing', 'AttributeError', 'nothing'), ('plain.nothing', 'AttributeError', 'nothing')])
def test_what_cannot_be_called_is_named(error, python, function, kind, words):
    shown = error(python, function)
    assert shown['type'] == kind and words in shown['message'], shown


@EACH
def test_wrong_arguments_are_named(error, hop, python):
    shown = error(python, 'detailed', '1')
    assert shown['type'] == 'TypeError' and 'detailed' in shown['message'], shown
    result = hop.call('local:', 'raising:plain', '--kw', 'nothing=1', '--json', '--python', python.path)
    assert result.only['error']['type'] == 'TypeError' and 'nothing' in result.only['error']['message'], result
