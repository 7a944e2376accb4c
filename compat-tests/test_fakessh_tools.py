"""rsync, scp, sftp, git and tar over `hopvine ssh` and `hopvine fakessh`, to and from real trees of files.

Each test runs by the real ssh too: what it asserts is what that does.
"""

import os
import re
import shutil
import signal
import stat

import pytest

from harness.far import NAME, by, each_way, some_ways
from harness.files import contents, noise, until
from harness.typist import Typist

BIG = bool(os.environ.get('HOPVINE_BIG'))
MANY = 100_000 if BIG else 20_000
LARGE_BYTES = 3 << 20
DAY = 1_000_000_000
NO_SUCH = 'No such file or directory'
# Names that shells and protocols could take for something else.
ODD = [b'a b', b"it's", b'"quoted"', b'-rf', b'$HOME', b'*', b'a;b', b'back\\slash', b'#x', 'gr\u00fc\u00df'.encode(), b'~', b'(x)']
# What scp's older protocol cannot say.
ODDER = [b'two\nlines', b'caf\xe9', b'a:b', b'\x01\x7f']


def plant(folder, names=(*ODD, *ODDER)):
    """A tree as people have them."""
    for place in (folder, folder / 'deep/er'):
        place.mkdir(parents=True)
        for number, name in enumerate(names):
            path = os.path.join(os.fsencode(place), name)
            with open(path, 'wb') as file:
                file.write(b'%d\r\n\0' % number + name)
            os.utime(path, (DAY + number, DAY + number))
    (folder / 'large').write_bytes(noise(LARGE_BYTES))
    os.utime(folder / 'large', (DAY, DAY))
    (folder / 'nothing').touch()
    (folder / 'empty folder').mkdir(mode=0o700)
    (folder / 'program').write_text('#!/bin/sh\n')
    for name, mode in ('program', 0o755), ('nothing', 0o600), ('-rf', 0o444), ('deep', 0o2750):
        (folder / name).chmod(mode)
    os.utime(folder / 'program', (DAY, DAY))
    return folder


def link(folder):
    """With links beside it, of which some lead nowhere."""
    for name, to in ('link', 'program'), ('to folder', 'deep'), ('nowhere', '/no/such\n'), ('deep/up', '../..'):
        (folder / name).symlink_to(to)
    os.link(folder / 'program', folder / 'the same')
    return folder


def times(folder):
    return {path: int(os.lstat(os.path.join(os.fsencode(folder), path)).st_mtime) for path in contents(folder)}


def same(one, other):
    return contents(one) == contents(other) and times(one) == times(other)


def good(result):
    assert result.rc == 0 and result.err == b'', result
    return result


# rsync

@each_way
def test_rsync_there_and_back(remote, hop):
    source, back = link(plant(hop.scratch / 'source')), hop.scratch / 'back'
    good(remote('rsync', '-aH', f'{source}/', remote.at(remote.folder / 'tree')))
    there = remote.folder / 'tree'
    assert same(source, there) and there.stat().st_uid == remote.uid
    good(remote('rsync', '-aHz', remote.at(f'{there}/'), back))
    assert same(source, back) and (back / 'program').samefile(back / 'the same')
    again = good(remote('rsync', '-aHi', f'{source}/', remote.at(there)))
    assert again.out == b'', again
    (source / 'large').write_bytes(noise(LARGE_BYTES)[:-1] + b'!')
    shutil.rmtree(source / 'deep')
    (source / 'new').write_text('new\n')
    good(remote('rsync', '-az', '--delete', f'{source}/', remote.at(there)))
    assert same(source, there)
    good(remote('rsync', '-a', '--delete', remote.at(f'{there}/'), back))
    assert same(source, back)


@each_way
def test_rsync_tells_how_it_failed(remote, hop):
    """As the real ssh has rsync tell."""
    here = hop.scratch / 'here'
    remote.give(plant(remote.folder / 'tree'))
    (remote.folder / 'tree/program').chmod(0)
    partly = remote('rsync', '-a', remote.at(f'{remote.folder}/tree/'), here)
    assert partly.rc == 23 and b'/program": Permission denied (13)' in partly.err, partly
    left = contents(remote.folder / 'tree')
    del left[b'program']
    assert contents(here) == left
    missing = remote('rsync', '-a', remote.at(remote.folder / 'none'), here)
    assert missing.rc == 23 and NO_SUCH in missing.said, missing
    for program, status, word in [('/no/such', 127, 'remote command not found'), ('true #', 12, 'error in rsync protocol data stream'),
                                  ('exit 7;', 12, 'error in rsync protocol data stream'), ('kill -9 $$;', 255, 'unexplained error')]:
        ended = remote('rsync', '-a', '--rsync-path', program, remote.at(f'{remote.folder}/tree/'), here)
        # It can miss the status of an ssh that ends while the last of its output is read.
        assert ended.rc in (status, 12) and f'(code {ended.rc})' in ended.said and (ended.rc == 12 or word in ended.said), ended


@each_way
def test_rsync_runs_what_it_is_told_to_there(remote, hop):
    remote.own(remote.folder / 'sub')
    (hop.scratch / 'file').write_text('it\n')
    wish = f'echo in $(hostname) >{remote.folder}/said; cd {remote.folder}/sub && rsync'
    good(remote('rsync', '--rsync-path', wish, hop.scratch / 'file', remote.at('renamed')))
    assert (remote.folder / 'sub/renamed').read_text() == 'it\n'
    said = (remote.folder / 'said').read_text()
    assert said == ('in tools\n' if 'docker' in remote.way else f'in {os.uname().nodename}\n')


@by('the real ssh', 'fakessh')
def test_rsync_to_where_nobody_is(remote, refusing):
    ended = remote('rsync', '-a', f'{refusing}:/etc/hostname', '.')
    assert ended.rc in (255, 12) and f'(code {ended.rc})' in ended.said and 'Connection refused' in ended.said, ended


@some_ways
@pytest.mark.parametrize('direction', ['to', 'from'])
def test_what_a_killed_rsync_has_transferred_is_gone_on_with(remote, hop, direction):
    folders = [hop.scratch / 'here', remote.own(remote.folder / 'there')]
    folders[0].mkdir()
    if direction == 'from':
        folders.reverse()
    source, target = folders
    (source / 'large').write_bytes(noise(LARGE_BYTES))
    written = [str(folder) if folder == hop.scratch / 'here' else remote.at(folder) for folder in folders]
    words = ['--partial', f'{written[0]}/large', f'{written[1]}/']
    live = remote.start('rsync', '--bwlimit=2000', *words)
    until(live, lambda: any(path.stat().st_size > 1 << 18 for path in target.glob('.large.*')))
    os.killpg(live.pid, signal.SIGINT)
    ended = live.finish()
    assert ended.rc not in (0, 23), ended
    until(hop.program('sleep', '10'), lambda: (target / 'large').exists())
    assert 0 < (target / 'large').stat().st_size < LARGE_BYTES
    good(remote('rsync', *words))
    assert (target / 'large').read_bytes() == noise(LARGE_BYTES) and not list(target.glob('.large.*'))


@pytest.mark.timeout(1300)
@by(*(['the real ssh'] if BIG else []), 'fakessh')
def test_rsync_of_very_many_files(remote, hop):
    source = hop.scratch / 'source'
    for number in range(MANY):
        if number % 1000 == 0:
            folder = source / f'{number // 1000}'
            folder.mkdir(parents=True)
        with open(folder / str(number), 'wb') as file:
            file.write(b'%d\n' % number)
    good(remote('rsync', '-a', f'{source}/', remote.at(remote.folder / 'tree'), timeout=600))
    good(remote('rsync', '-a', remote.at(f'{remote.folder}/tree/'), hop.scratch / 'back', timeout=600))
    assert contents(source) == contents(hop.scratch / 'back')


@by('the real ssh', 'hopvine ssh, requiretty', 'fakessh', 'fakessh, sudo', 'fakessh, docker')
def test_several_rsyncs_at_once(remote, hop):
    source = plant(hop.scratch / 'source')
    line = 'for n in 1 2 3 4 5 6; do rsync -a "$1/" "far:$2/$n" & pids="$pids $!"; done; for pid in $pids; do wait $pid || exit; done'
    good(remote('bash', '-c', line, 'bash', source, remote.folder))
    for number in range(1, 7):
        assert same(source, remote.folder / str(number))


# scp and sftp

def modes(folder):
    return {path: os.lstat(os.path.join(os.fsencode(folder), path)).st_mode for path in contents(folder)}


@some_ways
@pytest.mark.parametrize('mode', ['sftp', 'older'])
def test_scp_there_and_back(remote, hop, mode):
    older = ['-O'] if mode == 'older' else []
    source, back = plant(hop.scratch / 'source', ODD), hop.scratch / 'back'
    # One that keeps no group's bit: whoever copies without -p may not.
    (source / 'deep').chmod(0o750)
    good(remote('scp', *older, '-r', '-p', '-q', source, remote.at(remote.folder / 'tree')))
    assert same(source, remote.folder / 'tree')
    good(remote('scp', *older, '-r', '-p', remote.at(remote.folder / 'tree'), back))
    assert same(source, back)
    # The older protocol leaves the quoting to the user.
    name = remote.at(remote.folder / ('one\\ file' if older else 'one file'))
    good(remote('scp', *older, source / 'program', name))
    good(remote('scp', *older, name, hop.scratch / 'again'))
    assert (hop.scratch / 'again').read_bytes() == (source / 'program').read_bytes()
    assert stat.S_IMODE((hop.scratch / 'again').stat().st_mode) == 0o755


@each_way
def test_scp_of_what_is_not_there(remote, hop):
    for older in [], ['-O']:
        gone = remote('scp', *older, remote.at(remote.folder / 'none'), hop.scratch)
        assert gone.rc == 1 and NO_SUCH in gone.said and gone.said.count('\n') == 1, gone
        nowhere = remote('scp', *older, '/etc/hostname', remote.at(remote.folder / 'none/file'))
        assert nowhere.rc == 1 and NO_SUCH in nowhere.said, nowhere


BATCH = '''\
mkdir "new folder"
cd "new folder"
put "{here}/a b"
put -p {here}/large
-mkdir /no/such/folder
rename "a b" "b a"
ln -s "b a" link
chmod 640 large
ls -1
get -p large {here}/fetched
get "b a" "{here}/b a"
rm link
'''


@each_way
def test_sftp_does_a_batch(remote, hop):
    source = plant(hop.scratch / 'source', ODD)
    batch = hop.scratch / 'batch'
    batch.write_text(f'cd {remote.folder}\n' + BATCH.format(here=source))
    ended = remote('sftp', '-q', '-b', batch, NAME)
    assert ended.rc == 0 and [line for line in ended.lines if not line.startswith('sftp>')] == ['b a', 'large', 'link'], ended
    there = remote.folder / 'new folder'
    assert sorted(path.name for path in there.iterdir()) == ['b a', 'large']
    assert stat.S_IMODE((there / 'large').stat().st_mode) == 0o640 and (there / 'large').stat().st_uid == remote.uid
    assert (source / 'fetched').read_bytes() == (source / 'large').read_bytes() == noise(LARGE_BYTES)
    assert (source / 'b a').read_bytes() == (source / 'a b').read_bytes()
    failing = remote('sftp', '-b', '-', NAME, stdin=f'mkdir {remote.folder}/last\nls {remote.folder}/none\nmkdir {remote.folder}/never\n'.encode())
    assert failing.rc == 1 and 'not found' in failing.said, failing
    assert (remote.folder / 'last').is_dir() and not (remote.folder / 'never').exists()


@by('the real ssh', 'hopvine ssh', 'hopvine ssh, requiretty', 'fakessh, sudo', 'fakessh, docker')
def test_sftp_by_hand(remote, hop):
    (hop.scratch / 'file').write_text('typed\n')
    words = remote.words('sftp', remote.at(remote.folder))
    typist = Typist([str(word) for word in words], {**hop.env, **remote.env, 'TERM': 'vt100'}, hop.cwd)
    for text, answer in [('', b'sftp> '), (f'put {hop.scratch}/file got', b'100%'), ('', b'sftp> '), ('ls -l got', b'got\r\n'),
                         ('!echo from $((6 * 7))', b'from 42'), ('rename got had', b'sftp> '), ('bye', None)]:
        typist.shown = typist.shown if not text else b''
        if text:
            typist.type(f'{text}\n')
        if answer:
            typist.until(answer)
    assert typist.end() == 0, typist.shown
    assert (remote.folder / 'had').read_text() == 'typed\n'


# git

@pytest.fixture
def forge(remote, hop):
    """`git(...)` by that way, and a bare repository there with one commit, which has a submodule."""
    def local(*words):
        ended = hop.program('git', '-c', 'protocol.file.allow=always', *words).finish()
        assert ended.rc == 0, ended
        return ended.text.strip()
    part, whole = hop.scratch / 'part', hop.scratch / 'whole'
    for work in part, whole:
        local('init', '-q', '-b', 'main', work)
        (work / 'file').write_bytes(noise(200_000))
        if work == whole:
            local('-C', work, 'submodule', '--quiet', 'add', part, 'part')
            local('-C', work, 'config', '-f', '.gitmodules', 'submodule.part.url', f'{NAME}:{remote.folder}/part.git')
        local('-C', work, 'add', '.')
        local('-C', work, 'commit', '-q', '-m', 'one')
        local('clone', '-q', '--bare', work, remote.folder / f'{work.name}.git')
    remote.give(remote.folder)
    local('config', '--global', 'safe.directory', '*')
    hop.written.add(hop.cwd.parent / 'home/.gitconfig')
    return local


@some_ways
def test_git_clones_fetches_and_pushes(remote, forge, hop):
    url = remote.at(remote.folder / 'whole.git')
    clone, other = hop.scratch / 'clone', hop.scratch / 'other'
    heads = good(remote('git', 'ls-remote', url)).lines
    assert heads == [f'{forge("-C", hop.scratch / "whole", "rev-parse", "main")}\t{ref}' for ref in ('HEAD', 'refs/heads/main')]
    good(remote('git', 'clone', '-q', '--recurse-submodules', url, clone))
    assert (clone / 'file').read_bytes() == (clone / 'part/file').read_bytes() == noise(200_000)
    good(remote('git', 'clone', '-q', f'ssh://{NAME}{remote.folder}/whole.git', other))
    (clone / 'more').write_bytes(noise(LARGE_BYTES))
    forge('-C', clone, 'add', 'more')
    forge('-C', clone, 'commit', '-q', '-m', 'two')
    good(remote('git', '-C', clone, 'push', '-q'))
    good(remote('git', '-C', other, 'fetch', '-q'))
    tips = {forge('-C', each, 'rev-parse', ref) for each, ref in ((clone, 'main'), (other, 'origin/main'), (remote.folder / 'whole.git', 'main'))}
    assert len(tips) == 1
    forge('-C', remote.folder / 'whole.git', 'fsck', '--full')
    good(remote('git', '-C', other, 'submodule', '--quiet', 'update', '--init'))
    assert (other / 'part/file').read_bytes() == noise(200_000)


@some_ways
def test_git_tells_what_the_other_side_says(remote, forge, hop):
    url = remote.at(remote.folder / 'whole.git')
    gone = remote('git', 'ls-remote', remote.at(remote.folder / 'none.git'))
    assert gone.rc == 128 and "none.git' does not appear to be a git repository" in gone.said, gone
    assert 'Could not read from remote repository' in gone.said, gone
    good(remote('git', 'clone', '-q', url, hop.scratch / 'clone'))
    hook = remote.folder / 'whole.git/hooks/pre-receive'
    hook.parent.mkdir(exist_ok=True)
    hook.write_text('#!/bin/sh\necho not today >&2\nexit 1\n')
    hook.chmod(0o755)
    refused = remote('git', '-C', hop.scratch / 'clone', 'push', 'origin', 'main:other')
    assert refused.rc == 1 and 'remote: not today' in refused.said and 'pre-receive hook declined' in refused.said, refused


@by('the real ssh', 'hopvine ssh', 'fakessh')
def test_git_finds_out_itself_what_ssh_it_has(remote, forge, hop):
    """It asks by -G of a program whose name it does not know, and then says -4 and -p."""
    url, env = f'ssh://{NAME}:{remote.port}{remote.folder}/whole.git', {'GIT_TRACE': '1'}
    shown = remote('git', 'clone', '-q', '-4', url, hop.scratch / 'clone', env=env)
    assert shown.rc == 0 and (hop.scratch / 'clone/file').exists(), shown
    assert re.search(rf' -4 -p {remote.port} ', shown.said), shown
    assert (' -G ' in shown.said) == (remote.way == 'hopvine ssh'), shown


# Pipes

@each_way
def test_tar_through_a_pipe_and_back(remote, hop):
    source = link(plant(hop.scratch / 'source'))
    back = hop.scratch / 'back'
    back.mkdir()
    remote.own(remote.folder / 'tree')
    good(remote.line('tar -C "$1" -c . | $SSH far tar -C "$2" -xp', source, remote.folder / 'tree'))
    good(remote.line('$SSH far tar -C "$2" -c . | tar -C "$1" -xp --no-same-owner', back, remote.folder / 'tree'))
    assert contents(source) == contents(remote.folder / 'tree') == contents(back)
    assert times(source) == times(back)


@each_way
def test_no_byte_is_changed_and_each_stream_is_its_own(remote, hop):
    data = bytes(range(256)) * 4096
    sums = good(remote.line('$SSH far sha256sum', stdin=data))
    assert sums.out == hop.program('sha256sum', stdin=data).finish().out
    ended = remote.line('$SSH far "cat; printf \'\\377\\0e\' >&2; exit 42"', stdin=data)
    assert (ended.rc, ended.err) == (42, b'\xff\0e') and ended.out == data, repr(ended)[:2000]


@each_way
def test_a_reader_that_has_enough_ends_what_writes(remote):
    ended = remote.line('$SSH far exec cat /dev/zero | head -c 100000 | wc -c; echo ${PIPESTATUS[0]}')
    assert ended.rc == 0 and ended.lines == ['100000', '255'], ended
