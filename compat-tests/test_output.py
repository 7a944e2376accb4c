"""What a user sees of many hosts: folded, compared, in files, as it goes on a terminal, and how failures add up."""

import os
import re
import select
import signal

import pytest

from harness.fifo import Fifo
from harness.process import peak_bytes
from harness.screen import Screen
from harness.typist import Typist

RULE = '-' * 16


@pytest.fixture
def counter(hop):
    """Shell text that sets n to 1, 2, 3 ... , another for each host."""
    (hop.scratch / 'numbers').mkdir()
    return (f'n=1; while ! mkdir {hop.scratch}/numbers/$n 2>/dev/null; do n=$((n+1)); done; ')


def run(hop, hosts, *words, **options):
    """The last word is the command."""
    return hop('run', '-w', hosts, *words[:-1], '--', words[-1], **options)


def screen(typist, columns=80, rows=24):
    return Screen(columns, rows).feed(typist.shown).lines


def group(hosts, *lines):
    return [RULE, hosts, RULE, *lines]


# Folded.

def test_equal_outputs_are_told_once_under_all_who_said_so(hop, counter):
    result = run(hop, 'local:c[1-5]', '-b', counter + 'echo common; [ $n = 2 ] && printf "odd\\none" || echo same; echo e >&2')
    lines = result.lines
    assert lines[0] == lines[2] == RULE and lines[3:5] == ['common', 'same'] and lines[8:] == ['common', 'odd', 'one'], result
    assert len(lines) == 11 and result.rc == 0, result
    assert sorted(result.said.splitlines()) == [f'local:c{number}: e' for number in range(1, 6)], result


def test_standard_error_is_folded_apart_where_that_is_wanted(hop):
    result = run(hop, 'local:c[1-3]', '-B', 'echo out; echo err >&2; exit 3')
    assert result.lines == group('local:c[1-3]', 'out'), result
    assert result.said.splitlines() == [*group('local:c[1-3]', 'err'), 'hopvine: 3 exit status 3: local:c[1-3]'], result
    assert result.rc == 5, result


def test_values_are_folded_too(hop):
    result = hop('call', '-w', 'local:c[1-3]', '-b', 'os.path:basename', '/a/b')
    assert result.lines == group('local:c[1-3]', '"b"') and result.err == b'', result


def test_a_host_alone_is_folded_alike_and_one_that_says_nothing_has_no_header(hop):
    assert run(hop, 'local:', '-b', 'echo hi').lines == group('local', 'hi')
    assert run(hop, 'local:c[1-2]', '-b', 'true').out == b''


def test_bytes_stay_as_they_are_but_on_a_terminal(hop, terminal):
    result = run(hop, 'local:c[1-2]', '-b', r"printf 'a\033[2J\377\n'")
    assert result.out.endswith(b'a\x1b[2J\xff\n'), result
    typist = terminal('run', '-b', '-w', 'local:c[1-2]', '--', r"printf 'a\033[2J\377\n'")
    assert typist.end() == 0 and screen(typist) == group('local:c[1-2]', r'a^[[2J\xff'), typist.shown


def test_large_outputs_are_kept_once_and_not_in_memory(hop, fifo):
    read, gate = fifo('read'), fifo('gate')
    script = (f'yes 0123456789 | head -c 60000000; [ -e {hop.scratch}/odd ] || {{ touch {hop.scratch}/odd; '
              f'yes 9876543210 | head -c 40000000; }}; echo {"x" * 20}; echo done >{read}; read line <{gate}')
    live = hop.start('run', '-w', 'local:c[1-4]', '-f', '4', '-b', '--', script)
    read.read_lines(4, timeout=120)
    most = peak_bytes(live.pid)
    gate.write(b'go\n' * 4)
    result = live.finish(120)
    assert 160_000_000 < len(result.out) < 160_000_300 and result.rc == 0
    assert most < 90 << 20, f'{most >> 20} MiB'


def test_what_was_gathered_is_not_lost_by_an_interrupt(hop, fifo):
    here = fifo('here')
    script = f'echo said; mkdir {hop.scratch}/first 2>/dev/null || {{ echo here >{here}; exec sleep 1000; }}'
    live = hop.start('run', '-w', 'local:c[1-3]', '-f', '1', '-b', '--', script)
    here.read_lines(1)  # so the first one's end has been seen
    live.signal(signal.SIGINT)
    result = live.finish(10)
    assert result.rc == 130 and result.lines[0] == RULE and result.lines[-1] == 'said', result
    assert result.said.splitlines() == ['hopvine: local:c2: interrupted', 'hopvine: 1 interrupted: local:c2',
                                        'hopvine: 1 not started: local:c3'], result


def test_a_reader_that_has_seen_enough_ends_it_quietly(hop):
    result = hop('run', '-w', 'local:', '--', f'{hop.path} run -b -w local:c[1-2] -- seq 1000000 | head -n 4; echo "${{PIPESTATUS}}"')
    assert result.lines[:4] == group('local:c[1-2]', '1') and result.err == b'', result


def test_a_line_without_end_is_told_as_quickly_as_many(hop):
    result = run(hop, 'local:c[1-2]', '-b', 'head -c 16000000 /dev/zero')
    assert len(result.out) > 16_000_000 and result.rc == 0 and result.seconds < 5, (len(result.out), result.seconds)


def test_an_interrupt_is_seen_while_much_is_told(hop):
    told = hop.scratch / 'told'
    with open(told, 'wb') as out:
        live = hop.start('run', '-w', 'local:', '-b', '--', 'head -c 100000000 /dev/zero', stdout=out)
        while not told.stat().st_size:
            assert live.popen.poll() is None
        live.signal(signal.SIGINT)
        assert live.finish(10).rc == 130


def test_characters_stay_whole_on_a_terminal(hop, terminal):
    text = 'é' * 30_000
    typist = terminal('run', '-w', 'local:', '--', f"printf x; printf '{text[:20]}'; printf '\\303'; sleep 0.1; printf '\\251\\n\\303'")
    assert typist.end() == 0 and typist.shown.decode() == 'x' + 'é' * 21 + '\r\n\\xc3', typist.shown
    source = hop.write('source', text)
    for fold in ([], ['-b']):
        typist = terminal('run', '-w', 'local:', *fold, '--', f'cat {source}; echo')
        assert typist.end() == 0 and typist.shown.decode().count('é') == 30_000, typist.shown


# Compared.

def test_each_group_is_compared_with_the_largest(hop, counter):
    result = run(hop, 'local:c[1-4]', '--diff', counter + 'echo a; [ $n = 3 ] && echo odd || echo b; echo c')
    assert result.lines[2:] == ['@@ -1,3 +1,3 @@', ' a', '-b', '+odd', ' c'] and result.rc == 0, result
    assert result.lines[0].startswith('--- local:c') and result.lines[1].startswith('+++ local:c'), result


def test_no_difference_is_told_beside_the_results(hop):
    result = run(hop, 'local:c[1-4]', '--diff', 'echo a')
    assert (result.out, result.said) == (b'', 'hopvine: no difference: local:c[1-4]\n'), result


def test_that_nothing_was_said_is_no_agreement(hop):
    result = run(hop, 'local:c[1-3]', '--diff', 'exit 1')
    assert result.out == b'' and 'no difference' not in result.said, result
    assert result.said.splitlines() == ['hopvine: nothing to compare, no output: local:c[1-3]',
                                        'hopvine: 3 exit status 1: local:c[1-3]'], result


# In files.

def test_each_host_has_two_files_with_just_what_it_said(hop):
    folder = hop.scratch / 'out/here'
    result = run(hop, 'local:c[1-2]', '--outdir', folder, r"printf 'no end\377'; echo wrong >&2")
    assert result.rc == 0 and sorted(os.listdir(folder)) == ['local:c1', 'local:c1.err', 'local:c2', 'local:c2.err'], result
    assert (folder / 'local:c1').read_bytes() == b'no end\xff' and (folder / 'local:c2.err').read_text() == 'wrong\n'
    assert result.out.count(b': no end\xff\n') == 2, result


def test_values_go_to_files_with_json_too(hop):
    folder = hop.scratch / 'out'
    result = hop('call', '-w', 'local:c[1-2]', '--json', '--outdir', folder, 'os.path:basename', '/a/b')
    assert result.json['local:c1']['value'] == 'b' and (folder / 'local:c1').read_text() == '"b"\n', result


def test_no_name_leads_out_of_the_folder(hop):
    folder = hop.scratch / 'out'
    folder.mkdir()
    (hop.scratch / 'mine').write_text('mine')
    (folder / 'local:c1').symlink_to(hop.scratch / 'mine')
    result = run(hop, 'local:c1,local:a/local:b', '--outdir', folder, 'echo hi')
    assert result.rc == 0 and (hop.scratch / 'mine').read_text() == 'mine', result
    assert sorted(os.listdir(folder)) == ['local:a_local:b', 'local:a_local:b.err', 'local:c1', 'local:c1.err']
    assert (folder / 'local:c1').read_text() == 'hi\n'


def test_two_outputs_in_one_file_are_refused_before_anything_starts(hop):
    ran = hop.scratch / 'ran'
    result = run(hop, 'local:a,local:a.err', '--outdir', hop.scratch / 'out', f'touch {ran}')
    assert result.rc == 2 and 'local:a.err' in result.said and not ran.exists(), result


def test_a_folder_that_cannot_be_is_refused_before_anything_starts(hop):
    (hop.scratch / 'file').touch()
    result = run(hop, 'local:', '--outdir', hop.scratch / 'file/out', 'echo hi')
    assert result.rc == 2 and str(hop.scratch / 'file/out') in result.said and result.out == b'', result


def test_an_output_that_cannot_have_its_file_is_refused_before_anything_starts(hop):
    folder, ran = hop.scratch / 'out', hop.scratch / 'ran'
    (folder / 'local:c1.err').mkdir(parents=True)
    for words in ((), ('--dry-run',)):
        result = run(hop, 'local:c[1-2]', '--outdir', folder, *words, f'touch {ran}')
        assert result.rc == 2 and f'{folder}/local:c1.err is a folder' in result.said and not ran.exists(), result
        name = 'local:' + 'x' * 246  # 256 bytes with .err
        result = run(hop, name, '--outdir', folder, *words, f'touch {ran}')
        assert result.rc == 2 and f'as long as {name}' in result.said and not ran.exists(), result
    assert os.listdir(folder) == ['local:c1.err']
    assert run(hop, name[:-1], '--outdir', folder, 'true').rc == 0


def test_a_file_that_cannot_be_written_ends_it_and_is_told_once(hop):
    folder = hop.scratch / 'out'
    result = hop('run', '-w', 'local:c[1-2]', '--outdir', folder, '--', f'mkdir -p {folder}/local:c1; for i in 1 2 3; do echo $i; sleep 0.1; done; exec sleep 1000')
    told = [line for line in result.said.splitlines() if str(folder) in line]
    assert result.rc == 1 and len(told) == 1 and told[0].startswith(f'hopvine: {folder}/local:c1: '), result


def test_two_ways_to_one_name_are_told_apart(hop):
    folder = hop.scratch / 'out'
    hosts = ['local:a?python=python3', 'local:a']
    result = run(hop, ','.join(hosts), '--outdir', folder, 'echo hi; exit 3')
    assert sorted(result.lines) == sorted(f'{host}: hi' for host in hosts), result
    assert result.said.splitlines()[-1].startswith('hopvine: 2 exit status 3: ') and hosts[0] in result.said.splitlines()[-1], result
    assert sorted(os.listdir(folder)) == sorted(name for host in hosts for name in (host, f'{host}.err'))
    assert set(run(hop, ','.join(hosts), '--json', 'true').json) == set(hosts)


# How failures add up.

def test_failures_of_several_hosts_are_summed_up_by_class(hop, refusing, counter):
    result = run(hop, f'local:c[1-4],{refusing}', counter + '[ $n -gt 2 ] && exit 7; true')
    assert result.said.splitlines()[-2:] == [f'hopvine: 1 unreachable: {refusing}',
                                             next(line for line in result.said.splitlines() if '2 exit status 7: ' in line)], result
    assert result.rc == 4, result


@pytest.mark.parametrize('words', [(), ('--json',)])
def test_one_host_and_programs_get_no_sum(hop, words):
    hosts = 'local:c[1-2]' if words else 'local:'
    result = run(hop, hosts, *words, 'exit 7')
    assert result.err == b'', result


def test_the_exit_status_may_be_the_largest(hop, refusing, counter):
    script = counter + 'exit $((n * 3))'
    assert run(hop, 'local:c[1-3]', '-S', script).rc == 9
    assert run(hop, f'local:,{refusing}', '-S', 'true').rc == 255
    assert run(hop, 'local:c[1-2]', '-S', 'true').rc == 0
    assert run(hop, 'local:c[1-3]', '-f', '1', '--max-failures', '0', '-S', 'exit 7').rc == 7


def test_after_too_many_failures_nothing_more_is_started(hop):
    result = run(hop, 'local:c[1-8]', '-f', '1', '--max-failures', '25%', '--json', 'exit 7')
    kinds = [each.get('error', {}).get('kind') for each in result.json.values()]
    assert kinds == [None] * 3 + ['not_started'] * 5 and result.rc == 5, result
    result = run(hop, 'local:c[1-8]', '-f', '1', '--max-failures', '0', 'exit 7')
    assert result.said.splitlines() == ['hopvine: local:c1: exit status 7', 'hopvine: 1 exit status 7: local:c1',
                                        'hopvine: 7 not started: local:c[2-8]'], result


def test_the_first_failure_stops_what_runs(hop, fifo):
    here = fifo('here')
    script = f'if mkdir {hop.scratch}/first 2>/dev/null; then read line <{here}; exit 7; fi; echo up >{here}; exec sleep 1000'
    result = run(hop, 'local:c[1-4]', '-f', '2', '--fail-fast', '--json', script)
    kinds = sorted(each.get('error', {}).get('kind', '') for each in result.json.values())
    assert kinds == ['', 'interrupted', 'not_started', 'not_started'] and result.rc == 5, result
    assert result.seconds < 10


def test_batches_follow_each_other(hop):
    log = hop.scratch / 'log'
    result = run(hop, 'local:c[1-6]', '--serial', '2', f'echo begin >>{log}; sleep 0.1; echo end >>{log}')
    lines = log.read_text().split()
    running = [lines[:at].count('begin') - lines[:at].count('end') for at in range(len(lines))]
    begun = [at for at, line in enumerate(lines) if line == 'begin']
    assert result.rc == 0 and max(running) <= 2 and all(running[at] == 0 for at in begun[::2]), lines


def test_who_is_not_reached_is_tried_again(hop, ssh, refusing):
    result = run(hop, refusing, '--retries', '1', 'true')
    assert result.rc == 255 and 'connection refused; trying again in 1s\n' in result.said, result
    assert result.seconds > 0.5 and result.said.count('Connection refused') == 1, result
    log = hop.scratch / 'log'
    result = run(hop, 'local:', '--retries', '3', f'echo ran >>{log}; exit 7')
    assert result.rc == 7 and log.read_text() == 'ran\n', result


def test_who_was_refused_last_is_unreachable_when_all_is_stopped(hop, ssh, refusing, fifo):
    gate = fifo('gate')
    live = hop.start('run', '-w', f'local:,{refusing}', '--retries', '9', '--fail-fast', '--', f'read line <{gate}; exit 7')
    live.until(b'trying again', 'err')
    gate.write(b'go\n')
    result = live.finish()
    assert result.said.splitlines()[-2:] == [f'hopvine: 1 unreachable: {refusing}', 'hopvine: 1 exit status 7: local'], result
    assert result.rc == 4 and f'hopvine: {refusing}: connection refused\n' in result.said, result


def test_an_interrupt_tells_who_waits_for_another_attempt(ssh, refusing, terminal):
    typist = terminal('run', '-w', f'{refusing},other@{refusing}', '--retries', '30', '--', 'true')
    while typist.shown.count(b'trying again') < 2:
        assert typist.read()
    typist.type('\x03')
    typist.until(b'; interrupt again to stop')
    assert b'hopvine: 2 to try again; interrupt' in typist.shown, typist.shown
    typist.type('\x03')
    assert typist.end() == 130


def test_input_is_there_for_each_attempt_and_each_batch(hop):
    result = run(hop, 'local:c[1-3]', '--serial', '1', 'cat', stdin=b'hello\n')
    assert result.lines == [f'local:c{number}: hello' for number in (1, 2, 3)], result


# What would be done.

def test_a_rehearsal_contacts_nobody_and_asks_nothing(hop):
    result = run(hop, 'web[1-2]', '--via', 'ssh:bastion', '--become', 'sudo:', '-K', '--dry-run', 'reboot now')
    assert result.lines == ['web1 (ssh:bastion/ssh:web1/sudo:root): run reboot now',
                            'web2 (ssh:bastion/ssh:web2/sudo:root): run reboot now'] and result.rc == 0, result
    result = hop('put', '-w', 'web1', '--dry-run', '--outdir', hop.scratch / 'out', hop.write('file', 'x'), '/srv/')
    assert result.text == f'web1: put {hop.cwd}/file to /srv/file\n' and not (hop.scratch / 'out').exists(), result
    assert hop('facts', '-w', 'web[1-3]', '--list-hosts').lines == ['web1', 'web2', 'web3']
    assert hop('facts', '-w', 'web[3-1]', '--list-hosts').rc == 2


def test_a_rehearsal_shows_all_that_counts(hop):
    result = hop('call', '-w', 'web1?python=/opt/py&opt=ProxyCommand=x', '--dry-run', 'os:f', 'a', '7', '--kw', 'x=[1]')
    assert result.lines == ['web1 (ssh:web1 opt=ProxyCommand=x python=/opt/py): call os:f("a", 7, x=[1])'], result
    result = hop('relay', 'install', '-w', 'web1', '--dry-run', '/opt/hopvine')
    assert result.lines == ['web1: install this program as /opt/hopvine'], result
    assert hop('relay', 'install', '-w', 'web1', '--dry-run').lines == ['web1: install this program in its usual place']


def test_a_rehearsal_finds_what_can_be_known_before(hop):
    result = run(hop, 'a,b/c/d', '--max-hops', '2', '--dry-run', 'true')
    assert result.lines == ['a: run true'] and 'hopvine: b/c/d: 3 hops, and the limit is 2: ' in result.said, result
    assert result.rc == 4 and '--max-hops' in result.said, result
    result = run(hop, 'a,b/c/d', '--max-hops', '2', '--dry-run', '--json', 'true')
    assert result.json['b/c/d']['error']['kind'] == 'too_many_hops' and result.json['a']['what'] == 'run true', result
    result = run(hop, 'local:a,local:a.err', '--outdir', hop.scratch / 'out', '--dry-run', 'true')
    assert result.rc == 2 and 'local:a.err' in result.said and not (hop.scratch / 'out').exists(), result


# As it goes, on a terminal.

def test_many_hosts_have_a_line_that_goes_when_they_are_done(hop, terminal, tmp_path):
    gate = Fifo(tmp_path / 'gate')
    typist = terminal('run', '-w', 'local:c[1-4]', '-f', '3', '--', f'read line <{gate}; echo done')
    typist.until(b'0/4 done, 3 running, 1 to start; slowest: local:c1 ')
    gate.write(b'go\n')
    typist.until(b'1/4 done, 3 running')
    lines = screen(typist)
    assert 'done' in lines[0] and lines[0].startswith('local:c') and lines[-1].startswith('1/4 done, 3 running'), lines
    assert len(lines) == 2, lines
    gate.write(b'go\n' * 3)
    assert typist.end() == 0 and sorted(screen(typist)) == [f'local:c{number}: done' for number in range(1, 5)]
    gate.close()


def test_of_what_goes_from_host_to_host_no_bytes_are_told_that_nobody_knows(hop, terminal):
    with open(hop.scratch / 'large', 'wb') as large:
        large.truncate(1 << 40)
    typist = terminal('put', '--from', 'local:a', '-w', 'local:c[1-2]', hop.scratch / 'large', hop.scratch / '{host}')
    typist.until(b'0/2 done, 2 running; slowest: local:c1 1s')
    typist.type('\x03')
    typist.until(b'again to stop')
    typist.type('\x03')
    assert typist.end() == 130 and b'/s' not in typist.shown, typist.shown


@pytest.mark.parametrize('columns', [200, 80, 40, 20])
def test_no_line_is_wider_than_the_terminal(hop, terminal, fifo, columns):
    gate = fifo('gate')
    typist = terminal('run', '-w', 'local:c[1-4]', '--', f'read line <{gate}', size=(columns, 24))
    typist.until(b'0/4 done')
    typist.read()
    assert [len(line) for line in screen(typist, columns) if len(line) >= columns] == []
    assert len(screen(typist, columns)) == 1, screen(typist, columns)
    gate.write(b'go\n' * 4)
    assert typist.end() == 0 and screen(typist, columns) == []


def test_the_names_of_hosts_have_their_colour_and_nothing_else_acts(hop, terminal):
    typist = terminal('run', '-w', 'local:c[1-2]', '--', r"printf 'a\033[31mb\n'")
    assert typist.end() == 0 and b'\x1b[36mlocal:c1\x1b[0m: a^[[31mb' in typist.shown, typist.shown


def test_what_others_wrote_while_it_was_stopped_is_not_overwritten(terminal, fifo):
    gate = fifo('gate')
    typist = terminal('run', '-w', 'local:c[1-2]', '--', f'read line <{gate}')
    typist.until(b'0/2 done')
    os.kill(typist.pid, signal.SIGSTOP)
    os.waitpid(typist.pid, os.WUNTRACED)
    while select.select([typist.tty], [], [], 0)[0]:
        typist.read()
    typist.shown = b''
    os.kill(typist.pid, signal.SIGCONT)
    typist.until(b'0/2 done')
    assert typist.shown.startswith(b'0/2 done'), typist.shown
    gate.write(b'go\n' * 2)
    assert typist.end() == 0


@pytest.mark.parametrize('quiet', ['pipe', 'dumb', 'json', 'one host', 'short'])
def test_nothing_is_drawn_where_nobody_looks(hop, terminal, fifo, quiet):
    gate = fifo('gate')
    words = ['run', '-w', 'local:' if quiet == 'one host' else 'local:c[1-2]', *(['--json'] if quiet == 'json' else [])]
    if quiet == 'pipe':
        read, write = os.pipe()
        typist = terminal(*words, '--', f'read line <{gate}', outputs={2: write})
        os.close(write)
    else:
        typist = terminal(*words, '--', 'true' if quiet == 'short' else f'read line <{gate}',
                          env={'TERM': 'dumb'} if quiet == 'dumb' else {})
        read = None
    if quiet != 'short':
        watching = Typist([hop.path, 'run', '-w', 'local:c[1-2]', '--', f'read line <{gate}'], {'TERM': 'xterm', **hop.env}, hop.cwd)
        watching.until(b'0/2 done')  # by now the other would have drawn too
        gate.write(b'go\n' * 4)
        assert watching.end() == 0
    assert typist.end() == 0 and b'done' not in typist.shown and b'\x1b' not in typist.shown, typist.shown
    if read is not None:
        assert os.read(read, 100) == b''
        os.close(read)


def test_a_transfer_has_a_bar_for_each_host_and_one_for_all(hop, terminal, slow):
    source = hop.write('source', os.urandom(1 << 20) * 40)
    typist = terminal('put', '-w', 'slow,local:', source, hop.scratch / 'x', size=(100, 24))
    typist.until(b'1/2 done [')
    lines = screen(typist, 100)
    assert [line.split()[0] for line in lines[-2:]] == ['slow', '1/2'], lines
    assert all('B/s' in line and '%' in line for line in lines[-2:]), lines
    assert typist.end() == 0 and not [line for line in screen(typist, 100) if '%' in line], screen(typist, 100)
    assert re.search(rb'slow [^\r]* [0-9.]+ MiB/s +eta [0-9]+s', typist.shown), typist.shown
    assert sum('41943040' in line for line in screen(typist, 200)) == 2, screen(typist, 200)


def test_a_tree_that_is_fetched_counts_its_files(hop, terminal, slow):
    tree = hop.scratch / 'tree'
    tree.mkdir()
    for number in range(300):
        (tree / f'file{number}').write_bytes(os.urandom(1000) * 60)
    typist = terminal('fetch', '-r', '-w', 'slow', tree, hop.scratch / 'copy', size=(100, 24))
    typist.until(b' files')
    lines = screen(typist, 100)
    assert len(lines) == 1 and lines[0].startswith('slow ') and lines[0].endswith(' files') and '%' not in lines[0], lines
    assert typist.end() == 0 and len(os.listdir(hop.scratch / 'copy')) == 300


def test_a_terminal_that_takes_nothing_holds_nobody_up(hop, terminal, fifo):
    """Standard error is a terminal that nobody reads; results go to a pipe and are all there."""
    gate = fifo('gate')
    read, write = os.pipe()
    script = f'read line <{gate}; head -c 4000 /dev/zero | tr "\\0" e >&2; echo result'
    typist = terminal('run', '-w', 'local:c[1-4]', '--', script, outputs={1: write})
    os.close(write)
    typist.until(b'0/4 done')
    gate.write(b'go\n' * 4)
    results = b''
    while results.count(b'\n') < 4:
        assert select.select([read], [], [], 30)[0], results
        results += os.read(read, 65536)
    assert sorted(results.splitlines()) == [b'local:c%d: result' % number for number in range(1, 5)]
    os.close(read)
    assert typist.end() == 0


def test_a_dumb_terminal_gets_no_colours(hop, terminal):
    for name, wanted in (('xterm', True), ('dumb', False)):
        typist = terminal('run', '-w', 'local:c[1-2]', '--', 'echo hi', env={'TERM': name})
        assert typist.end() == 0 and (b'\x1b[36m' in typist.shown) is wanted, typist.shown
    typist = terminal('run', '-w', 'local:c[1-2]', '--color', 'always', '--', 'echo hi', env={'TERM': 'dumb'})
    assert typist.end() == 0 and b'\x1b[36m' in typist.shown, typist.shown
