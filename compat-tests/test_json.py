"""`--json`: one object for each host, for programs to read. And colour, for people."""

import json

import pytest

FIELDS = {'target', 'ok', 'stdout', 'stderr', 'seconds'}


def test_a_call_has_its_value_and_what_was_printed(hop):
    each = hop.call('local:', 'output:both_ways', '--json').only
    assert set(each) - {'error'} == FIELDS | {'value'}, each
    assert (each['target'], each['ok'], each['value'], each['stderr']) == ('local', True, 1, ''), each
    assert each['stdout'] == 'printed\nfrom a shell\n' and each.get('error') is None, each


def test_a_run_has_its_status_instead_of_a_value(hop):
    result = hop('run', '-w', 'local:', '--json', '--', 'echo out; echo err >&2; exit 3')
    each = result.only
    assert set(each) - {'error'} == FIELDS | {'rc'} and result.rc == 3, result
    assert (each['rc'], each['ok'], each['stdout'], each['stderr']) == (3, False, 'out\n', 'err\n'), result


def test_seconds_are_the_time_of_that_host(hop):
    each = hop('run', '-w', 'local:', '--json', '-t', '1', '--', 'exec sleep 1000').only
    assert 1 <= each['seconds'] < 3, each


@pytest.mark.parametrize('function', ['output:to_stderr', 'output:partial_line', 'output:many_lines'])
def test_nothing_but_objects_is_printed(hop, function):
    words = ['1000'] if function == 'output:many_lines' else []
    result = hop.call('local:', function, *words, '--json')
    assert result.rc == 0 and result.err == b'' and len(result.lines) == 1, result


def test_output_of_a_call_is_complete_when_its_value_comes(hop):
    for _ in range(5):
        each = hop.call('local:', 'output:many_lines', '5000', '--json').only
        assert each['stdout'] == ''.join(f'line {n}\n' for n in range(5000))


def test_a_partial_last_line_is_kept(hop):
    assert hop.call('local:', 'output:partial_line', '--json').only['stdout'] == 'no newline'


def test_output_that_is_not_utf8_is_base64(hop):
    each = hop.call('local:', 'output:raw_bytes', '--json').only
    assert set(each['stdout']) == {'$bytes'} and each['stdout']['$bytes'].startswith('AAECAwQF'), each


def test_a_failure_has_kind_message_and_traceback(hop):
    each = hop.call('local:', 'failing:with_value_error', 'why', '--json').only
    assert each['ok'] is False and each.get('value') is None, each
    assert set(each['error']) >= {'kind', 'message', 'traceback'}, each


def test_every_host_has_one_object_also_the_dead_ones(hop, ssh, refusing):
    result = hop('run', '-w', f'local:c[1-3],{refusing}', '--json', '--', 'echo hi')
    assert set(result.json) == {'local:c1', 'local:c2', 'local:c3', refusing}, result
    assert [name for name, each in result.json.items() if not each['ok']] == [refusing], result


def test_an_object_comes_as_soon_as_its_host_is_done(hop, fifo):
    gate = fifo('gate')
    target = hop.way_in(f'env GATE={gate} sh -c {{}}')
    live = hop.start('run', '-w', f'local:quick,{target}', '--json', '--', 'test -z "$GATE" || read x <$GATE; echo hi')
    live.until(b'"local:quick"')
    assert target.encode() not in live.outputs['out']
    gate.write(b'now\n')
    assert set(live.finish().json) == {'local:quick', target}


@pytest.mark.parametrize('options, env, coloured', [
    ([], {}, False), (['--color', 'auto'], {}, False), (['--color', 'never'], {}, False),
    (['--color', 'always'], {}, True), (['--color', 'always', '--json'], {}, False), ([], {'NO_COLOR': '1'}, False)])
def test_colour_is_for_people_who_want_it(hop, options, env, coloured):
    result = hop.call('local:', 'failing:with_value_error', *options, env=env)
    assert (b'\x1b[' in result.err + result.out) == coloured, result


MUCH = 'head -c 20000000 /dev/zero | tr "\\0" x'


@pytest.mark.parametrize('options, advice', [([], '--outdir DIR keeps all'), (['--outdir', 'out'], 'the folder of --outdir has all')])
def test_output_that_a_result_does_not_hold_is_told(hop, options, advice):
    folder = [word if word.startswith('-') else hop.scratch / word for word in options]
    result = hop('run', '--json', *folder, '-w', 'local:a,local:b', '--', f'mkdir {hop.scratch}/seen 2>&- || exit 0; {MUCH}')
    by_size = sorted(result.json.values(), key=lambda each: len(each['stdout']))
    assert [len(each['stdout']) for each in by_size] == [0, 16 << 20] and result.rc == 0, result
    assert by_size[1]['dropped_bytes'] == 20_000_000 - (16 << 20) and 'dropped_bytes' not in by_size[0]
    line = f'hopvine: {by_size[1]["target"]}: its result has 16777216 of the 20000000 bytes that it wrote; {advice}'
    assert len(result.said.splitlines()) == 1 and result.said.startswith(line), result
    assert not options or (hop.scratch / 'out' / by_size[1]['target']).stat().st_size == 20_000_000


def test_a_queue_tells_it_with_the_line(hop):
    result = hop('queue', stdin=json.dumps({'on': 'local:', 'run': MUCH}).encode())
    assert result.only['dropped_bytes'] == 20_000_000 - (16 << 20) and result.rc == 0, result
    assert result.said == ('hopvine: local: line 1: its result has 16777216 of the 20000000 bytes that it wrote; '
                           'for all let it write to a file, and fetch that\n'), result
