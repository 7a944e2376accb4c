"""`hopvine relay install`: the program is put there whole or not at all.

And `--agent native`, which has it serve a host without Python.
"""

import os
import shutil
import signal
import socket
import stat
import time

import pytest

from harness.binary import BINARY
from harness.process import Process, exits

EVERY_BYTE = bytes(range(256)) * 4096
OLD = '#!/bin/sh\necho the old one\n'


@pytest.fixture
def folder(hop):
    folder = hop.scratch / 'there'
    folder.mkdir()
    return folder


def install(hop, *words, target='local:', **options):
    return hop('relay', 'install', '-w', target, *words, **options)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def is_ours(path):
    return path.read_bytes() == BINARY.read_bytes() and path.stat().st_mode & 0o777 == 0o755


# Installed

@pytest.mark.parametrize('name', ['hopvine', 'another name', "it's $HOME;`x`", '-n'])
def test_the_program_is_put_where_it_is_wanted(hop, folder, name):
    result = install(hop, folder / name)
    assert (result.rc, result.text, result.err) == (0, f'{folder / name}\n', b''), result
    assert names(folder) == [name] and is_ours(folder / name)


def test_a_folder_gets_it_by_its_own_name(hop, folder):
    result = install(hop, folder)
    assert result.lines == [f'{folder}/hopvine'] and is_ours(folder / 'hopvine'), result


def test_what_is_installed_is_found_by_the_next_that_goes_there(hop, folder):
    assert install(hop, folder).rc == 0
    way = hop.way_in(f'env PATH={folder}:{hop.env["PATH"]} sh -c {{}}')
    result = hop('run', '-w', f'{way}/local:b', '-v', '--', 'echo well')
    assert result.out == b'well\n' and f'{way}: hopvine runs\n' in result.said, result


def test_the_user_s_own_folder_is_made_for_it(hop, site, need):
    need('ssh', 'dash')
    home = site.accounts.home('hvdash')
    try:
        result = install(hop, target='ssh:dash')
        path = home / '.local/bin/hopvine'
        assert result.lines == [str(path)] and is_ours(path) and path.stat().st_uid == home.stat().st_uid, result
        told = hop('run', '-w', 'ssh:dash/local:b', '-v', '--', 'echo well')
        assert told.out == b'well\n' and 'dash: hopvine runs\n' in told.said, told
        assert install(hop, target='ssh:dash').rc == 0 and names(path.parent) == ['hopvine']
    finally:
        shutil.rmtree(home / '.local', ignore_errors=True)


def test_it_goes_through_relays_and_to_many_hosts(hop, folder):
    result = install(hop, folder / 'one', '--via', 'local:r', target='local:a')
    assert result.rc == 0 and is_ours(folder / 'one'), result
    result = install(hop, folder / 'two', target='local:c[1-4]')
    assert result.rc == 0 and len(result.lines) == 4 and names(folder) == ['one', 'two'] and is_ours(folder / 'two'), result


def test_again_makes_no_difference(hop, folder):
    first, second = install(hop, folder), install(hop, folder)
    assert first.rc == second.rc == 0 and first.out == second.out
    assert names(folder) == ['hopvine'] and is_ours(folder / 'hopvine')


def test_one_that_runs_is_replaced_and_runs_on(hop, folder, fifo):
    bell, gate = fifo('bell'), fifo('gate')
    assert install(hop, folder).rc == 0
    way = hop.way_in(f'env PATH={folder}:{hop.env["PATH"]} sh -c {{}}')
    live = hop.start('run', '-n', '-w', f'{way}/local:b', '--', f'echo up >{bell}; read x <{gate}; echo well')
    bell.read_lines(1)
    before = (folder / 'hopvine').stat().st_ino
    assert install(hop, folder).rc == 0 and (folder / 'hopvine').stat().st_ino != before
    gate.write(b'now\n')
    assert live.finish().out == b'well\n'


def test_a_link_is_replaced_and_what_it_led_to_is_not(hop, folder):
    old = hop.scratch / 'old'
    old.write_text(OLD)
    (folder / 'hopvine').symlink_to(old)
    assert install(hop, folder).rc == 0
    assert old.read_text() == OLD and is_ours(folder / 'hopvine') and not (folder / 'hopvine').is_symlink()


@pytest.mark.parametrize('path', ['~/hopvine', '~/bin/', '~'])
def test_the_home_there_is_found(hop, site, need, path):
    need('ssh', 'dash')
    home = site.accounts.home('hvdash')
    (home / 'bin').mkdir()
    os.chown(home / 'bin', home.stat().st_uid, -1)
    try:
        result = install(hop, path, target='ssh:dash')
        there = home / path[2:] / ('' if path.endswith('hopvine') else 'hopvine')
        assert result.lines == [str(there)] and is_ours(there), result
    finally:
        shutil.rmtree(home / 'bin')
        (home / 'hopvine').unlink(missing_ok=True)


def test_any_other_path_begins_where_the_agent_is(hop):
    hop.cwd.joinpath('there').mkdir()
    hop.written.add(hop.cwd / 'there/hopvine')
    assert install(hop, 'there').lines == [f'{hop.cwd}/there/hopvine'] and is_ours(hop.cwd / 'there/hopvine')


# Not installed: what was there stays, and nothing is beside it.

def has_failed(result, path, *words, target='local', advice=True):
    """One line that names the host, the path and the reason, and perhaps one with what to try."""
    first, *rest = result.said.splitlines() or ['']
    assert result.rc not in (0, 255) and result.out == b'' and all(word in first for word in words), result
    assert first.startswith(f'hopvine: {target}: {path}') and [line.split()[0] for line in rest] == ['try:'] * advice, result


@pytest.mark.parametrize('path, says, advice', [
    ('file/hopvine', 'Not a directory', True), ('nowhere/hopvine', 'No such file', True), ('x' * 300, 'File name too long', False),
    ('nowhere/', 'No such file', True), ('file/../../there/file/x', 'Not a directory', True)])
def test_a_path_that_cannot_be_is_told(hop, folder, path, says, advice):
    (folder / 'file').write_text(OLD)
    has_failed(install(hop, f'{folder}/{path}'), folder / path, says, advice=advice)
    assert names(folder) == ['file'] and (folder / 'file').read_text() == OLD


def test_a_path_of_several_lines_is_wrong_usage(hop, folder):
    result = install(hop, f'{folder}/a\nb')
    assert result.rc == 2 and 'line break' in result.said and names(folder) == [], result


def test_a_folder_in_its_place_is_told(hop, folder):
    (folder / 'hopvine').mkdir()
    result = install(hop, folder)
    assert not names(folder / 'hopvine'), result
    has_failed(result, folder / 'hopvine', 'is a folder', advice=False)


@pytest.mark.parametrize('path', ['{}', '/', '/hopvine'])
def test_a_folder_that_is_not_ours_is_told(hop, folder, site, need, path):
    need('ssh', 'dash')
    there = '/hopvine' if path.startswith('/') else folder / 'hopvine'
    has_failed(install(hop, path.format(folder), target='ssh:dash'), there, 'Permission denied', target='dash')
    assert names(folder) == []


def test_a_home_that_may_not_be_written_is_told(hop, site, need):
    need('ssh', 'dash')
    home = site.accounts.home('hvdash')
    owner, mode = home.stat().st_uid, home.stat().st_mode
    os.chown(home, 0, 0)
    home.chmod(0o755)
    try:
        has_failed(install(hop, target='ssh:dash'), home / '.local/bin', 'Permission denied', target='dash')
    finally:
        os.chown(home, owner, -1)
        home.chmod(mode)


SPECIAL = {
    'a pipe': lambda path: os.mkfifo(path), 'a socket': lambda path: socket.socket(socket.AF_UNIX).bind(str(path)),
    'a link to a device': lambda path: path.symlink_to('/dev/null'), 'a link to a pipe': lambda path: led_to_a_pipe(path),
    'a link to nothing': lambda path: path.symlink_to('nowhere'),
    'a device': lambda path: os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3)),
}


def led_to_a_pipe(path):
    os.mkfifo(path.parent.parent / 'pipe')
    path.symlink_to('../pipe')


@pytest.mark.parametrize('what', SPECIAL)
def test_what_is_no_file_is_not_replaced(hop, folder, what):
    path = folder / 'h'
    try:
        SPECIAL[what](path)
    except PermissionError:
        pytest.skip('a device takes root')
    before = path.lstat()
    has_failed(install(hop, path), path, 'leads nowhere' if 'nothing' in what else 'and no file', advice=False)
    assert (path.lstat().st_ino, names(folder)) == (before.st_ino, ['h'])


@pytest.fixture
def private(site):
    if not site.accounts.private:
        pytest.skip('a disk of its own needs root and unshare')


@pytest.mark.parametrize('options, says', [('size=500k', 'No space left'), ('noexec', 'does not run there'),
                                           ('ro', 'Read-only')])
def test_a_disk_that_cannot_have_it_keeps_the_old_one(hop, folder, private, options, says):
    """As the way in goes, it shows what is left on the disk."""
    left = hop.scratch / 'left'
    (hop.scratch / 'old').write_text(OLD)
    mount = f'mount -t tmpfs tmpfs {folder}; cp {hop.scratch}/old {folder}/hopvine; mount -o remount,{options} {folder}'
    way = hop.way_through(f'unshare -m --propagation private sh -c \'{mount} && sh -c "$1"; ls -A {folder} >{left}; '
                          f'cmp {hop.scratch}/old {folder}/hopvine && echo same >>{left}\' way "$1"\n')
    has_failed(install(hop, folder, target=way), folder / 'hopvine', says, target=way)
    assert left.read_text().split() == ['hopvine', 'same']


CAT = '''\
#!/bin/sh
head -c 100000
echo $PPID >{bell}
read x <{gate}
exit {status}
'''


class HalfWay:
    """An installation in place of an old program, whose first bytes have arrived."""

    def __init__(self, hop, folder, fifo, status=0):
        self.bell, self.gate = fifo('bell'), fifo('gate')
        stubs = hop.scratch / 'stubs'
        stubs.mkdir()
        (stubs / 'cat').write_text(CAT.format(bell=self.bell, gate=self.gate, status=status))
        (stubs / 'cat').chmod(0o755)
        self.folder = folder
        (folder / 'hopvine').write_text(OLD)
        way = hop.way_in(f'env PATH={stubs}:{hop.env["PATH"]} sh -c {{}}')
        self.live = hop.start('relay', 'install', '-w', way, folder)
        self.script = int(self.bell.read_lines(1)[0])
        assert names(folder) == ['hopvine'] and (folder / 'hopvine').read_text() == OLD

    def left(self):
        assert exits(self.script, time.monotonic() + 5)
        assert (self.folder / 'hopvine').read_text() == OLD
        return [name for name in names(self.folder) if name != 'hopvine']


@pytest.mark.parametrize('status, says', [(0, 'does not run there'), (1, 'is not whole')])
def test_a_copy_that_is_cut_short_does_not_take_the_place(hop, folder, fifo, status, says):
    half = HalfWay(hop, folder, fifo, status)
    half.gate.write(b'now\n')
    result = half.live.finish()
    assert result.rc == 1 and half.left() == [], result
    has_failed(result, folder / 'hopvine', says, target='exec:way', advice=status == 0)


def test_a_copy_with_a_wrong_bit_does_not_take_the_place(hop, folder):
    stubs = hop.scratch / 'stubs'
    stubs.mkdir()
    (stubs / 'cat').write_text('#!/bin/sh\ntr "\\377" "\\376"\n')
    (stubs / 'cat').chmod(0o755)
    (folder / 'hopvine').write_text(OLD)
    way = hop.way_in(f'env PATH={stubs}:{hop.env["PATH"]} sh -c {{}}')
    has_failed(install(hop, folder, target=way), folder / 'hopvine', 'does not run there', target=way)
    assert names(folder) == ['hopvine'] and (folder / 'hopvine').read_text() == OLD


# The first time, it copies; should there be a second, it ends the controller in the middle of it.
ONCE = '''\
#!/bin/sh
if [ -e {mark} ]; then
    head -c 100000
    kill -KILL "$(cat {mark})"
    exec sleep 1000
fi
/bin/cat
read controller <{gate}
echo "$controller" >{mark}
'''


def test_there_is_no_second_copy_to_be_interrupted(hop, folder, fifo):
    gate, stubs = fifo('gate'), hop.scratch / 'stubs'
    stubs.mkdir()
    (stubs / 'cat').write_text(ONCE.format(gate=gate, mark=hop.scratch / 'mark'))
    (stubs / 'cat').chmod(0o755)
    live = hop.start('relay', 'install', '-w', hop.way_in(f'env PATH={stubs}:{hop.env["PATH"]} sh -c {{}}'), folder)
    gate.write(b'%d\n' % live.pid)
    result = live.finish()
    assert names(folder) == ['hopvine'] and is_ours(folder / 'hopvine') and result.rc == 0, result


def test_what_ends_while_it_takes_its_place_leaves_the_old_one(hop, folder):
    """By a limit that holds from when it has come on."""
    (folder / 'hopvine').write_text(OLD)
    stubs = hop.scratch / 'stubs'
    stubs.mkdir()
    (stubs / 'cat').write_text('#!/bin/sh\nulimit -S -f unlimited\nexec /bin/cat\n')
    (stubs / 'cat').chmod(0o755)
    way = hop.way_in(f"env PATH={stubs}:{hop.env['PATH']} sh -c 'ulimit -S -f 100; exec sh -c \"$1\"' way {{}}")
    has_failed(install(hop, folder, target=way), folder / 'hopvine', target=way)
    assert names(folder) == ['hopvine'] and (folder / 'hopvine').read_text() == OLD


ENDS = {'the script is told to end': signal.SIGTERM, 'Ctrl-C': signal.SIGINT, 'the controller is killed': signal.SIGKILL}


@pytest.mark.parametrize('how', ENDS)
def test_an_installation_that_is_interrupted_leaves_the_old_one(hop, folder, fifo, how):
    half = HalfWay(hop, folder, fifo)
    if 'script' in how:
        os.kill(half.script, signal.SIGTERM)
        half.gate.write(b'now\n')
    else:
        half.live.signal(ENDS[how])
    half.live.finish()
    assert half.left() == []


# Without Python

@pytest.fixture
def bare(hop):
    """A way to a PATH with a shell, a few programs, and this one: no Python."""
    path = hop.folder_with(BINARY, 'hopvine')
    for program in ('cat', 'sleep', 'id', 'readlink'):
        hop.folder_with(shutil.which(program), program)
    return hop.way_in(f'env PATH={path} sh -c {{}}')


def native(hop, verb, target, *words, **options):
    return hop(verb, '-w', target, '--agent', 'native', '--relay', 'native', *words, **options)


BEHIND = pytest.mark.parametrize('behind', ['', '/local:b', '/local:b/local:c'])


@BEHIND
def test_a_command_runs_where_there_is_no_python(hop, bare, behind):
    result = native(hop, 'run', bare + behind, '--', 'cat; echo words >&2; exit 7', stdin=EVERY_BYTE)
    assert (result.rc, result.out == EVERY_BYTE, result.err) == (7, True, b'words\n'), result


def test_without_it_there_the_missing_python_is_told(hop, bare):
    error = hop('run', '-w', bare, '--json', '--', 'true').only['error']
    assert error['kind'] == 'no_python', error


@BEHIND
def test_what_only_python_can_do_is_told_with_what_is_missing(hop, bare, behind):
    result = native(hop, 'call', bare + behind, '--json', 'os:getpid')
    assert result.rc == 255 and result.only['error']['kind'] == 'no_python', result
    assert 'no Python found' in result.only['error']['message'], result


def test_a_script_is_told_the_same(hop, bare):
    script = hop.write('job.py', 'print(1)\n')
    result = native(hop, 'script', bare, '--json', script)
    assert result.rc == 255 and result.only['error']['kind'] == 'no_python', result


def test_what_only_python_can_do_is_left_to_an_agent_beside_it(hop):
    env = {'PATH': f'{BINARY.parent}:{hop.env["PATH"]}'}
    result = native(hop, 'call', 'local:a', '-v', 'operator:add', '20', '22', env=env)
    assert result.out == b'42\n' and 'local:a: hopvine runs\n' in result.said and 'agent runs on' in result.said, result


def test_a_host_without_the_program_is_told_how_to_get_it(hop):
    result = native(hop, 'run', 'local:a', '--json', '--', 'true')
    assert result.rc == 255 and result.only['error']['kind'] == 'no_native', result
    assert 'relay install' in native(hop, 'run', 'local:a', '--', 'true').said


@pytest.mark.parametrize('command, rc, says', [
    ('kill -TERM $$', 143, ''), ('no-such-program', 127, 'no-such-program'), ('exec ./none', 127, 'none')])
def test_a_command_s_status_is_that_of_the_shell(hop, bare, command, rc, says):
    result = native(hop, 'run', bare, '--', command)
    assert result.rc == rc and says in result.said, result


@pytest.mark.parametrize('program, rc, says', [('no-such-program', 127, 'cannot run no-such-program: No such file'),
                                               ('/dev/null', 126, 'cannot run /dev/null: Permission denied')])
def test_exact_words_that_cannot_be_run_are_told(hop, bare, program, rc, says):
    result = native(hop, 'run', bare, '--argv', '--', program)
    assert result.rc == rc and says in result.said, result


def test_a_command_has_three_descriptors_and_no_more(hop, bare):
    result = native(hop, 'run', bare, '--', 'for n in /proc/self/fd/*; do echo ${n##*/}; done')
    held = set(map(int, result.lines))
    # The shell's own, for the listing.
    assert {0, 1, 2} <= held and len(held) <= 4, result


@pytest.mark.parametrize('agent', ['native', 'python'])
def test_a_command_has_no_signal_blocked_or_ignored(hop, agent):
    show = "grep -E '^Sig(Blk|Ign)' /proc/self/status"
    plain = Process(['sh', '-c', show], hop.env).finish().text
    env = {'PATH': f'{BINARY.parent}:{hop.env["PATH"]}'}
    assert hop('run', '-w', 'local:', '--agent', agent, '--', show, env=env).text == plain


@pytest.mark.parametrize('how, rc, behind', [('timeout', 124, ''), ('Ctrl-C', 130, ''), ('Ctrl-C', 130, '/local:b/local:c')])
def test_a_command_is_stopped_with_all_that_it_has_started(hop, bare, fifo, how, rc, behind):
    bell = fifo('bell')
    options = ['-t', '1s'] if how == 'timeout' else []
    command = f'trap "" HUP INT TERM; sleep 1000 & echo $$ $! >{bell}; wait; sleep 1000'
    live = hop.start('run', '-n', '-w', bare + behind, '--agent', 'native', '--relay', 'native', *options, '--', command)
    pids = list(map(int, bell.read_lines(1)[0].split()))
    if how == 'Ctrl-C':
        live.signal(signal.SIGINT)
    result = live.finish(10)
    assert result.rc == rc and all(exits(pid, time.monotonic() + 1) for pid in pids), result
