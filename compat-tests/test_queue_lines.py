"""Where the lines of a queue come from, what is wrong with them, and how many of them there may be."""

import os
import signal
from subprocess import PIPE

import pytest

from harness.process import peak_bytes
from harness.queue import lines, objects, results


@pytest.mark.parametrize('line, told', [
    ('{', 'JSON'), ('[]', 'JSON'), ('"x"', 'JSON'), ('\xff', 'JSON'),
    ('{"on":"local:"}', 'call, run, put, fetch, connect'),
    ('{"on":"local:","run":"x","call":"a:b"}', 'call and run'),
    ('{"run":"x"}', '"on"'), ('{"on":"","run":"x"}', 'empty list'), ('{"on":[],"run":"x"}', 'on names no host'),
    ('{"on":7,"run":"x"}', '"on"'), ('{"on":"-","run":"x"}', 'standard input'), ('{"on":"@nogroup","run":"x"}', 'nogroup'),
    ('{"on":"local:","run":"x","args":[]}', '"args"'), ('{"on":"local:","run":""}', '"run"'),
    ('{"on":"local:","run":[]}', '"run"'), ('{"on":"local:","run":["a",1]}', '"run"'),
    ('{"on":"local:","call":"x"}', 'MODULE:FUNC'), ('{"on":"local:","call":"a:b","args":1}', '"args"'),
    ('{"on":"local:","call":"a:b","kw":{"1":1}}', '"kw"'), ('{"on":"local:","call":"a:b","own":"x"}', '"own"'),
    ('{"on":"local:","put":[]}', '"put"'), ('{"on":"local:","put":["a","b","c"]}', '"put"'),
    ('{"on":"local:","put":["-"]}', 'standard input'), ('{"on":"local:","put":["a"],"mode":644}', '"mode"'),
    ('{"on":"local:","put":["a"],"mode":"0644","preserve":true}', '"mode"'),
    ('{"on":"local:","fetch":["a","-"]}', '"fetch"'), ('{"on":"local:","fetch":["a"],"recursive":1}', '"recursive"'),
    ('{"on":"local:","connect":false}', '"connect"'), ('{"on":"local:","run":"x","after":"y"}', '"y"'),
    ('{"on":"local:","run":"x","id":[]}', '"id"'), ('{"on":"exec:nope","run":"x"}', 'nope'),
    ('{"on":"local:","run":"x","on":"local:a"}', '"on", column'), ('{"on":"local:","call":"a:b","kw":{"x":1,"x":2}}', '"x", column'),
])
def test_a_wrong_line_of_a_file_is_told_before_anything_is_done(hop, line, told):
    line = line.encode('latin-1')
    hop.write('ops', b'{"on":"local:","run":"touch done"}\n\n' + line + b'\n')
    result = hop('queue', 'ops')
    assert result.rc == 2 and result.out == b'' and 'ops:3: ' in result.said and told in result.said, result
    assert not (hop.cwd / 'done').exists()


def test_each_wrong_line_of_a_file_is_a_line_of_ours(hop):
    hop.write('ops', 'nonsense\n' * 30)
    result = hop('queue', 'ops')
    said = result.said.splitlines()
    assert result.rc == 2 and len(said) == 21 and said[-1] == 'hopvine: 10 more lines are wrong', result
    assert all(line.startswith(f'hopvine: ops:{n}: ') for n, line in enumerate(said[:-1], 1)), result


def test_a_wrong_line_of_a_pipe_is_a_result_and_others_are_done(hop):
    result = hop('queue', stdin=b'{"on":"local:","run":"echo 1","id":1}\nnonsense\n'
                                b'{"on":"local:","run":"echo 2","id":1}\n{"on":"local:","run":"echo 3"}')
    found = {one['line']: one for one in objects(result)}
    assert (found[1]['stdout'], found[4]['stdout'], result.rc) == ('1\n', '3\n', 2), result
    assert [found[line]['error']['kind'] for line in (2, 3)] == ['usage', 'usage'], result
    assert 'line 2' in result.said and 'line 3' in result.said, result


def test_a_line_that_is_too_long_is_told(hop):
    result = hop('queue', stdin=b'{"on":"local:","run":"' + b'x' * (17 << 20) + b'"}\n{"on":"local:","run":"true"}\n')
    assert result.rc == 2 and 'MiB' in objects(result)[0]['error']['message'] and objects(result)[1]['ok'], result


def test_two_files_that_are_one_module_are_refused(hop, queue):
    for folder in ('one', 'two'):
        hop.write(f'{folder}/tasks.py', f'def where(): return "{folder}"')
    calls = [{'on': 'local:', 'call': f'./{folder}/tasks.py:where'} for folder in ('one', 'one', 'two')]
    result = queue(*calls)
    assert result.rc == 2 and 'ops.jsonl:3:' in result.said and 'two/tasks.py' in result.said, result
    assert [one['value'] for one in objects(queue(*calls[:2]))] == ['one', 'one']


def test_roots_come_with_the_lines_that_need_them(hop, piped):
    for name in ('one', 'two'):
        hop.write(f'{name}/{name}.py', f'import {name}_more\ndef where(): return {name}_more.NAME')
        hop.write(f'{name}/{name}_more.py', f'NAME = "{name}"')
    result = piped(*[{'on': 'local:', 'call': f'./{name}/{name}.py:where'} for name in ('one', 'two')])
    assert [one['value'] for one in objects(result)] == ['one', 'two'], result


def test_lines_without_hosts_are_for_those_of_the_command_line(queue):
    result = queue({'run': 'true'}, {'on': 'local:c', 'run': 'true'}, options=['-w', 'local:[1-3]', '-x', 'local:2'])
    assert result.rc == 0 and sorted(results(result)) == [(1, 'local:1'), (1, 'local:3'), (2, 'local:c')], result


def test_a_line_may_be_for_nobody_that_is_wanted(queue):
    result = queue({'on': 'local:a', 'run': 'true', 'id': 1}, {'on': 'local:b', 'run': 'true', 'after': 1},
                   options=['-x', 'local:a'])
    assert result.rc == 0 and results(result) == [(2, 'local:b')], result


def test_nothing_is_contacted_by_a_rehearsal(hop):
    hop.write('ops', lines({'on': 'local:[1-2]', 'run': 'touch done', 'id': 'x'}).decode())
    for result in (hop('queue', '--dry-run', 'ops'), hop('queue', '--dry-run', stdin=(hop.cwd / 'ops').read_bytes())):
        assert result.rc == 0, result
        assert objects(result) == [{'line': 1, 'id': 'x', 'target': f'local:{number}', 'path': f'local:{number}',
                                'what': 'touch done'} for number in (1, 2)], result
    assert not (hop.cwd / 'done').exists()


def test_many_lines_of_a_pipe_need_no_more_memory_than_few(hop):
    def peak(count):
        pid, large = {'on': 'local:', 'call': 'os:getpid'}, {'on': 'local:', 'call': 'operator:length_hint', 'args': ['x' * 4000]}
        last = {**large, 'call': 'time:sleep', 'args': [60]}
        process = hop.start('queue', stdin=lines(pid, *[large] * count, pid, last))
        process.until(b'"line":%d,' % (count + 2))
        most = peak_bytes(process.pid)
        process.signal(signal.SIGINT)
        found = objects(process.finish())
        assert found[0]['value'] == found[count + 1]['value'], 'it is one context all the time'
        return most
    assert peak(12_000) < peak(5_000) + (4 << 20)


def test_operations_come_from_one_place(hop):
    assert hop('queue', 'nothing').rc == 2 and hop('queue', '.').rc == 2
    result = hop('queue', '-w', '-', stdin=b'local:')
    assert result.rc == 2 and 'standard input' in result.said, result
    fifo = hop.scratch / 'fifo'
    os.mkfifo(fifo)
    process = hop.start('queue', fifo)
    with open(fifo, 'wb', buffering=0) as feed:
        feed.write(lines({'on': 'local:', 'run': 'echo 1'}))
        process.until(b'"stdout":"1')
    assert process.finish().rc == 0


def test_an_empty_queue_is_done(hop):
    for result in (hop('queue'), hop('queue', stdin=b'\n\n')):
        assert (result.rc, result.out, result.err) == (0, b'', b''), result


def test_a_password_for_hosts_that_are_not_known_yet_is_for_what_is_said(hop):
    secret = hop.write('secret', 'x\n', 0o600)
    line = lines({'on': 'local:', 'run': 'true'})
    result = hop('queue', '--secret-file', secret, stdin=line)
    assert result.rc == 2 and '-K' in result.said, result
    hop.write('ops', line)
    for words in (['-K'], ['-k'], ['ops']):
        assert hop('queue', '--secret-file', secret, *words, stdin=line).rc == 0, words


def test_the_first_failure_stops_what_a_pipe_brings_too(hop):
    process = hop.start('queue', '--fail-fast', stdin=PIPE)
    process.feed(lines({'on': 'local:a', 'call': 'time:sleep', 'args': [60]}, {'on': 'local:b', 'run': 'exit 4'}))
    process.until(b'"target":"local:b"')
    result = process.finish(20)
    assert {one['line']: one.get('rc', one.get('error', {}).get('kind')) for one in objects(result)} == {
        1: 'interrupted', 2: 4}, result
    result = hop('queue', '--fail-fast', stdin=b'nonsense\n' + lines({'on': 'local:', 'run': 'true'}))
    kinds = [one.get('error', {}).get('kind') for one in objects(result)]
    assert result.rc == 2 and kinds == ['usage', 'not_started'], result


def test_what_asks_for_a_password_takes_no_line(hop):
    result = hop('queue', '-K', '--secret-command', 'echo pw; cat > /dev/null', stdin=lines({'on': 'local:', 'run': 'echo 1'}))
    assert [one['stdout'] for one in objects(result)] == ['1\n'], result


def test_lines_are_never_taken_for_hosts(hop):
    hop.write('hopvine.toml', '[groups]\ng = "-"\n')
    run = {'run': 'true'}
    result = hop('queue', '-w', '@g', stdin=lines(run))
    assert result.rc == 2 and 'standard input' in result.said, result
    result = hop('queue', stdin=lines({**run, 'on': ['local:', '@g']}, {**run, 'on': 'local:'}))
    assert result.rc == 2 and [one['ok'] for one in objects(result)] == [False, True], result
    result = hop('queue', hop.write('ops', lines(run)), '-w', '@g', stdin=b'local:a')
    assert result.rc == 0 and results(result) == [(1, 'local:a')], result


def test_input_that_cannot_be_read_is_no_empty_queue(hop):
    with open(hop.scratch / 'written', 'w') as written:
        result = hop.start('queue', stdin=written).finish()
    assert result.rc != 0 and result.err, result
    result = hop('queue', '/dev/zero')
    assert result.rc == 2 and '/dev/zero' in result.said, result


def test_a_wrong_line_repeats_its_id(hop):
    result = hop('queue', stdin=b'{"on":"local:","runn":"x","id":"A"}\n')
    found, = objects(result)
    assert found['id'] == 'A' and 'target' not in found and '"runn"' in found['error']['message'], result


def test_a_rehearsal_can_be_interrupted(hop):
    process = hop.start('queue', '--dry-run', stdin=PIPE)
    process.feed(lines({'on': 'local:', 'run': 'true'}))
    process.signal(signal.SIGINT)
    assert process.finish(10).rc in (-signal.SIGINT, 130)
