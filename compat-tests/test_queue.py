"""`hopvine queue`: lines of JSON, each host in their order and at its own pace, results as they come."""

import collections
import os
import re
import signal
import time
import xml.etree.ElementTree as ElementTree
from subprocess import PIPE

import pytest

from harness.binary import REPO
from harness.process import exits
from harness.queue import by_line, lines, objects, results

SVG = '{http://www.w3.org/2000/svg}'

TASKS = '''
import os

kept = []

def keep(what):
    kept.append(what)
    return kept

def leave():
    os._exit(3)

def count(n):
    for number in range(n):
        yield number
'''


def test_hosts_do_not_wait_for_one_another(queue):
    sleep = {'call': 'time:sleep', 'args': [1]}
    result = queue(*[{**sleep, 'on': f'local:{host}'} for host in 'abab'])
    assert result.rc == 0 and result.seconds < 3.4, result
    for host, expected in (('local:a', [1, 3]), ('local:b', [2, 4])):
        assert [line for line, target in results(result) if target == host] == expected, result


def test_each_host_keeps_the_order_of_the_lines(queue):
    result = queue(*[{'on': 'local:c[1-3]', 'run': f'echo {number}'} for number in range(5)])
    assert result.rc == 0 and len(objects(result)) == 15, result
    for host in ('local:c1', 'local:c2', 'local:c3'):
        said = [one['stdout'] for one in objects(result) if one['target'] == host]
        assert said == [f'{number}\n' for number in range(5)], result


def test_a_result_comes_before_the_next_line(hop):
    process = hop.start('queue', stdin=PIPE)
    for number in range(3):
        process.feed(lines({'on': 'local:', 'call': 'operator:add', 'args': [number, 1], 'id': f'n{number}'}))
        process.until(f'"id":"n{number}","target":"local","ok":true,"value":{number + 1},'.encode())
    process.end_input()
    assert process.finish().rc == 0


def test_one_context_serves_all_lines_of_a_host(hop, queue):
    hop.write('tasks.py', TASKS)
    keep = {'on': 'local:', 'call': 'tasks:keep'}
    result = queue({**keep, 'args': [1]}, {'on': 'local:', 'run': 'exit 3'}, {**keep, 'kw': {'what': 'b'}})
    found = by_line(result)
    assert (result.rc, found[2]['local']['rc'], found[3]['local']['value']) == (5, 3, [1, 'b']), result


def test_a_context_that_has_gone_is_replaced(hop, queue):
    hop.write('tasks.py', TASKS)
    call = {'on': 'local:', 'call': 'tasks:leave'}
    found = by_line(queue(call, {**call, 'call': 'tasks:keep', 'args': [1]}))
    assert found[1]['local']['error']['kind'] == 'link_lost' and found[2]['local']['value'] == [1], found


def test_what_comes_after_a_failure_is_not_done_on_that_host(queue):
    result = queue({'on': 'local:a', 'run': 'exit 1', 'id': 'first'}, {'on': 'local:b', 'run': 'true', 'id': 2},
                   {'on': 'local:a,local:b', 'run': 'true', 'after': 2, 'id': 'third'},
                   {'on': 'local:a', 'run': 'true', 'after': ['first', 'third']},
                   {'on': 'local:a,local:b', 'run': 'echo all the same'})
    found = by_line(result)
    assert found[3]['local:a']['ok'] and found[3]['local:b']['ok'], result
    error = found[4]['local:a']['error']
    assert error['kind'] == 'not_started' and '"first"' in error['message'], result
    assert found[5]['local:a']['stdout'] == found[5]['local:b']['stdout'] == 'all the same\n', result
    assert result.rc == 5, result


def test_what_comes_after_work_elsewhere_waits_for_it(hop, queue):
    made = hop.scratch / 'made'
    result = queue({'on': 'local:a', 'run': f'sleep 0.7; touch {made}', 'id': 'make'},
                   {'on': 'local:b', 'run': f'ls {made}', 'after': 'make'},
                   {'on': 'local:c', 'run': 'true'})
    assert result.rc == 0 and by_line(result)[2]['local:b']['stdout'] == f'{made}\n', result
    assert results(result)[0] == (3, 'local:c'), result


def test_who_was_not_reached_is_left_alone_until_it_is_to_connect(hop, queue):
    tries, up = hop.scratch / 'tries', hop.scratch / 'up'
    down = hop.way_through(f'echo tried >> {tries}; test -e {up} || exit 9; exec sh -c "$1"', 'down')
    run = {'on': down, 'run': 'true'}
    result = queue(run, run, {'on': 'local:', 'run': f'touch {up}', 'id': 'up', 'after': []},
                   {**run, 'after': 'up'},
                   {'on': down, 'connect': True, 'after': 'up'}, run)
    found = by_line(result)
    assert [found[line][down]['ok'] for line in (1, 2, 4, 5, 6)] == [False, False, False, True, True], result
    assert found[2][down]['error'] == found[1][down]['error'], result
    assert tries.read_text() == 'tried\n' * 2, result
    assert result.rc == 4, result


def test_connecting_is_tried_again_as_often_as_said(hop, ssh_refused, queue):
    result = queue({'on': ssh_refused, 'run': 'true'}, {'on': ssh_refused, 'run': 'true'}, options=['--retries', '1'])
    assert result.rc == 4 and len(re.findall(rb'trying again in', result.err)) == 1, result
    assert [one['error']['kind'] for one in objects(result)] == ['refused', 'refused'], result


@pytest.fixture
def ssh_refused(site, need):
    """A port that nobody listens at."""
    need('ssh')
    return site.client.alias('hvrefused', HostName='127.0.0.1', Port='1')


def test_files_go_both_ways_and_a_fetched_one_goes_on(hop, queue):
    hop.write('a.txt', 'first')
    result = queue({'on': 'local:a', 'put': ['a.txt', str(hop.scratch / 'b.txt')], 'mode': '0600', 'id': 1},
                   {'on': 'local:b', 'fetch': [str(hop.scratch / 'b.txt'), str(hop.scratch / '{host}.txt')], 'after': 1, 'id': 2},
                   {'on': 'local:c', 'put': [str(hop.scratch / 'local:b.txt'), str(hop.scratch / 'c.txt')], 'after': 2},
                   {'on': 'local:a,local:b', 'put': ['missing', str(hop.scratch / 'd.txt')]})
    found = by_line(result)
    assert found[2]['local:b']['value']['local_path'] == str(hop.scratch / 'local:b.txt'), result
    assert (hop.scratch / 'c.txt').read_text() == 'first' and (hop.scratch / 'b.txt').stat().st_mode & 0o777 == 0o600
    for host in ('local:a', 'local:b'):
        assert 'missing' in found[4][host]['error']['message'], result
    assert not (hop.scratch / 'd.txt').exists() and result.rc == 5, result


def test_trees_of_files_go_too(hop, queue):
    hop.write('tree/x/one', '1')
    result = queue({'on': 'local:', 'put': ['tree', str(hop.scratch / 'copy')], 'recursive': True, 'compress': True,
                    'id': 1},
                   {'on': 'local:', 'fetch': [str(hop.scratch / 'copy'), str(hop.scratch / 'back')], 'recursive': True, 'after': 1})
    assert result.rc == 0 and (hop.scratch / 'back/x/one').read_text() == '1', result


def test_two_hosts_cannot_fetch_to_one_path(queue):
    result = queue({'on': 'local:a,local:b', 'fetch': ['/etc/hostname', 'same']})
    assert result.rc == 2 and 'ops.jsonl:1:' in result.said and '{host}' in result.said, result


def test_a_time_limit_is_for_each_line(queue):
    result = queue({'on': 'local:', 'call': 'time:sleep', 'args': [60]}, {'on': 'local:', 'call': 'os:getpid'},
                   options=['-t', '0.7'])
    first, second = objects(result)
    assert (first['error']['kind'], second['ok'], result.rc) == ('timed_out', True, 3), result


def test_a_generator_gives_a_line_for_each_item(hop, queue):
    hop.write('tasks.py', TASKS)
    result = queue({'on': 'local:', 'call': './tasks.py:count', 'args': [2], 'id': 'c'})
    assert [one.get('item') for one in objects(result)] == [0, 1, None], result
    assert all(one['id'] == 'c' and one['line'] == 1 for one in objects(result)) and objects(result)[2]['items'] == 2, result


def test_so_many_hosts_work_at_once(queue):
    count = 'mkdir busy && sleep 0.1 && rmdir busy'
    result = queue(*[{'on': 'local:c[1-4]', 'run': count}] * 2, options=['-f', '1'])
    assert result.rc == 0 and len(objects(result)) == 8, result


def test_the_first_failure_may_stop_all(queue):
    result = queue({'on': 'local:a', 'run': 'exit 4'}, {'on': 'local:b', 'call': 'time:sleep', 'args': [60]},
                   {'on': 'local:a', 'run': 'true'}, options=['--fail-fast'])
    kinds = {one['line']: one.get('error', {}).get('kind') for one in objects(result)}
    assert result.seconds < 20 and kinds == {1: None, 2: 'interrupted', 3: 'not_started'}, result


def test_an_interrupt_stops_all_within_a_second(hop):
    process = hop.start('queue', stdin=PIPE)
    process.feed(lines({'on': 'local:a', 'run': 'echo ready >&2; sleep 60'}, {'on': 'local:b', 'run': 'echo b'},
                       {'on': 'local:a', 'run': 'true'}))
    process.until(b'"stdout":"b')
    asked = process.result.seconds
    process.signal(signal.SIGINT)
    result = process.finish()
    assert result.rc == 130 and result.seconds - asked < 1.5, result
    kinds = {one['line']: one.get('error', {}).get('kind') for one in objects(result)}
    assert kinds == {1: 'interrupted', 2: None, 3: 'not_started'}, result


def test_a_reader_that_has_gone_stops_it_quietly(hop):
    process = hop.start('queue', stdin=PIPE)
    process.feed(lines({'on': 'local:', 'run': 'echo 1'}))
    process.until(b'"stdout":"1')
    process.popen.stdout.close()
    process._selector.unregister(process.popen.stdout)
    process.feed(lines({'on': 'local:', 'run': 'echo 2'}, {'on': 'local:', 'call': 'time:sleep', 'args': [60]}))
    result = process.finish(20)
    assert (result.rc, result.err) == (0, b''), result


def test_the_picture_shows_what_each_host_did_when(hop, queue):
    hop.write('out.svg', 'old')
    result = queue({'on': 'local:a,local:b', 'run': 'echo "<&>"'}, {'on': 'local:a', 'run': 'exit 2', 'id': 'failed'},
                   {'on': 'local:a,local:c', 'run': 'echo after', 'after': 'failed'}, options=['--timeline', 'out.svg'])
    assert result.rc == 5, result
    root = ElementTree.parse(hop.cwd / 'out.svg').getroot()
    titles = [title.text for title in root.iter(f'{SVG}title')]
    assert sorted(re.sub(r', [\d.]+ s$', '', title) for title in titles) == [
        'local:a: echo "<&>"', 'local:a: echo after, not started', 'local:a: exit 2, failed', 'local:b: echo "<&>"',
        'local:c: echo after, not started'], titles
    bars = collections.Counter(bar.get('class') for bar in root.iter(f'{SVG}rect'))
    assert (bars['way'], bars['well'], bars['failed'], bars['never']) == (2 + 1, 2 + 1, 1 + 1, 2 + 1), 'and the legend'
    assert (hop.cwd / 'out.svg').stat().st_mode & 0o777 == 0o666 & ~umask()


def umask():
    now = os.umask(0)
    os.umask(now)
    return now


@pytest.mark.parametrize('path', ['nowhere/out.svg', '.', '/dev/null', '-'])
def test_a_picture_that_cannot_be_written_is_told_before_anything_is_done(hop, queue, path):
    result = queue({'on': 'local:', 'run': 'touch done'}, options=['--timeline', path])
    assert result.rc == 2 and path in result.said and not (hop.cwd / 'done').exists(), result


def test_hosts_that_would_be_shown_alike_are_told_apart(queue):
    result = queue({'on': 'local:a', 'run': 'true'}, {'on': 'local:a?python=python3', 'run': 'true'})
    assert sorted(results(result)) == [(1, 'local:a'), (2, 'local:a?python=python3')], result


SSH = '''#!/bin/sh
for command; do host=$next; next=$command; done
down={scratch}/down.$host
if test -e $down && test $(date +%s%N) -lt $(cat $down); then
    echo "ssh: connect to host $host port 22: Connection refused" >&2
    exit 255
fi
exec sh -c "$command"
'''
# Down for a second, from the end of the agent on: the parent of the shell that runs this.
REBOOT = 'echo $(($(date +%s%N) + 1000000000)) > {scratch}/down.{host}; kill -9 $PPID; sleep 9'


def test_a_host_that_reboots_is_waited_for_and_the_next_one_comes_after_it(hop):
    ssh = hop.scratch / 'bin/ssh'
    ssh.parent.mkdir()
    ssh.write_text(SSH.format(scratch=hop.scratch))
    ssh.chmod(0o755)
    operations, after = [], []
    for host in ('web1', 'web2'):
        operations += [
            {'on': 'local:', 'run': f'echo off {host} >> {hop.scratch}/log', 'id': f'off {host}', 'after': after},
            {'on': host, 'run': REBOOT.format(scratch=hop.scratch, host=host), 'after': f'off {host}'},
            {'on': host, 'connect': True, 'id': f'up {host}'},
            {'on': 'local:', 'run': f'echo on {host} >> {hop.scratch}/log', 'id': f'on {host}', 'after': f'up {host}'}]
        after = f'on {host}'
    result = hop('queue', '--retries', '5', stdin=lines(*operations),
                 env={'PATH': f'{ssh.parent}:{hop.env["PATH"]}'})
    assert [one['ok'] for one in objects(result)] == [True, False, True, True] * 2, result
    told = (hop.scratch / 'log').read_text()
    assert told == 'off web1\non web1\noff web2\non web2\n' and result.said.count('trying again in') >= 2, result


DEAF = 'import time\nwhile 1:\n  try: time.sleep(9)\n  except BaseException: pass'


@pytest.mark.parametrize('limit', ['1.5', '4'])
def test_what_does_not_stop_harms_no_later_line(queue, limit):
    result = queue({'on': 'local:', 'call': 'builtins:exec', 'args': [DEAF]}, {'on': 'local:', 'call': 'os:getpid'},
                   {'on': 'local:', 'call': 'os:getpid'}, options=['-t', limit])
    found = [one.get('error', {}).get('kind') for one in objects(result)]
    assert found == ['timed_out', None, None] and result.rc == 3, result


def test_a_host_that_does_not_answer_is_connected_again(hop, queue):
    silent = hop.way_through(f'echo tried >> {hop.scratch}/tries; exec sleep 60', 'silent')
    result = queue({'on': silent, 'connect': True}, {'on': silent, 'run': 'true'},
                   options=['--retries', '1', '--connect-timeout', '0.5'])
    assert [one['error']['kind'] for one in objects(result)] == ['connect_timeout'] * 2, result
    assert (hop.scratch / 'tries').read_text() == 'tried\n' * 2, result


def test_files_of_two_hosts_are_kept_apart_by_what_the_hosts_are_called(hop, queue):
    hop.write('one', '1')
    hop.write('two', '2')
    fetch = {'fetch': ['one', str(hop.scratch / '{host}')]}
    result = queue({**fetch, 'on': 'local:a'}, {'on': 'local:a?python=python3', 'fetch': ['two', str(hop.scratch / '{host}')]})
    assert result.rc == 0 and (hop.scratch / 'local:a').read_text() == '1', result
    assert (hop.scratch / 'local:a?python=python3').read_text() == '2', result


def test_hosts_that_have_nothing_to_do_are_let_go_when_they_are_many(hop):
    process = hop.start('queue', '-f', '2', stdin=PIPE)
    for number in range(5):
        process.feed(lines({'on': f'local:c{number}', 'call': 'os:getpid'}))
        process.until(f'"target":"local:c{number}"'.encode())
    pids = [one['value'] for one in objects(process.result)]
    for pid in pids[:3]:
        assert exits(pid, time.monotonic() + 10)
    assert all(os.path.exists(f'/proc/{pid}') for pid in pids[3:])
    process.feed(lines({'on': 'local:c0', 'call': 'os:getpid'}))
    process.end_input()
    result = process.finish()
    assert result.rc == 0 and objects(result)[-1]['value'] not in pids, result


@pytest.fixture
def recipe(hop):
    """`recipe(systemd_run)`: what the guide's recipe for reboots does with that program on each host; and the log of what was called."""
    guide = (REPO / 'docs/GUIDE.md').read_text()
    recipe = re.search(r"^    before='\[\]'.*?^    done \|.*?$", guide, re.M | re.S).group()
    # As on machines of their own.
    recipe = recipe.replace('/proc/sys/kernel/random/boot_id', f"'{hop.scratch}/boot_id.$HOST'").replace('~/', f'{hop.scratch}/$HOST.')
    log = hop.scratch / 'log'
    for host in 'web1', 'web2':
        (hop.scratch / f'boot_id.{host}').write_text('0-first\n')

    def run(systemd_run):
        programs = hop.scratch / 'bin'
        programs.mkdir()
        for name, text in {
            'hopvine': f'exec {hop.path} "$@"',
            'sleep': 'exec /bin/sleep .5',
            'lbctl': f'echo "$@" >> {log}',
            'systemd-run': f'echo "$HOST: $*" >> {log}\n{systemd_run}',
            'ssh': SSH.format(scratch=hop.scratch).split('\n', 1)[1].replace('exec sh', 'export HOST=$host; exec sh'),
        }.items():
            (programs / name).write_text(f'#!/bin/sh\n{text}\n')
            (programs / name).chmod(0o755)
        hop.write('hopvine.toml', '[groups]\nweb = "web[1-2]"\n')
        script = hop.write('reboot.sh', '\n'.join(line[4:] for line in recipe.split('\n')))
        hop.written.add(hop.cwd / 'reboot.svg')
        env = {'PATH': f'{programs}:{hop.env["PATH"]}'}
        return hop.program('sh', script, env=env).finish(), log.read_text()
    return run


TOLD = '{host}: --on-active=5 systemctl reboot\n'


def test_the_recipe_for_reboots_does_what_it_says(hop, recipe):
    # The agent is the parent of the shell that runs this.
    result, log = recipe(f'echo $(($(date +%s%N) + 1500000000)) > {hop.scratch}/down.$HOST\necho 1-next > {hop.scratch}/boot_id.$HOST\n'
                         'parent=$(cut -d " " -f 4 /proc/$PPID/stat)\n(/bin/sleep .2; kill -9 $parent) >/dev/null 2>&1 &')
    assert result.rc == 0 and all(one['ok'] for one in objects(result)) and len(objects(result)) == 12, result
    assert log == ''.join(f'disable {host}\n{TOLD.format(host=host)}enable {host}\n' for host in ('web1', 'web2')), result
    assert b'trying again in' in result.err, result


def test_the_recipe_for_reboots_puts_no_host_back_that_has_not_gone(recipe):
    """What is to reboot it says that it will, and the host is there as before."""
    result, log = recipe('exit 0')
    ended = [(one['id'], one['ok']) for one in objects(result)]
    assert ended[:5] == [('drained web1', True), ('told web1', True), ('down web1', True), ('there web1', True), ('up web1', False)], result
    assert {one['error']['kind'] for one in objects(result)[5:]} == {'not_started'} and len(ended) == 12, result
    assert log == f'disable web1\n{TOLD.format(host="web1")}' and result.rc == 5, result
