"""rsync, scp, sftp, git and tar over `hopvine ssh` and `hopvine fakessh`, to and from real trees of files.

Each test runs by the real ssh too: what it asserts is what that does.
"""

import contextlib
import os
import re
import shutil
import signal
import stat

import pytest

from harness.docker import Docker
from harness.far import NAME, Far, by, each_way
from harness.files import contents, half_done, noise, until
from harness.typist import Typist

BIG = bool(os.environ.get('HOPVINE_BIG'))
MANY = 100_000 if BIG else 20_000
LARGE_BYTES = 5 << 20
DAY = 1_000_000_000
NO_SUCH = 'No such file or directory'
# Names that shells and protocols could take for something else.
ODD = [b'a b', b"it's", b'"quoted"', b'-rf', b'$HOME', b'*', b'a;b', b'back\\slash', b'#x', 'gr\u00fc\u00df'.encode(), b'~', b'(x)']
# What scp's older protocol cannot say.
ODDER = [b'two\nlines', b'caf\xe9', b'a:b', b'\x01\x7f']


@pytest.fixture(scope='module')
def engine(site):
    if 'ssh' in site.missing:
        pytest.skip(site.missing['ssh'])
    docker = Docker(site)
    if not docker.missing:
        (site.dir / 'tests').mkdir(exist_ok=True)
        docker.with_our_programs('tools', site.dir / 'tests')
    yield docker
    docker.close()


@pytest.fixture
def far(site, engine, hop, need, request):
    """With the proof that no process is left in the container."""
    need('ssh')
    if not site.accounts.private:
        pytest.skip('other accounts need root and unshare')
    if not request.param.endswith('docker'):
        yield Far(site, hop, request.param)
        return
    if engine.missing:
        pytest.skip(engine.missing)
    hop.env.update(DOCKER_HOST=engine.env['DOCKER_HOST'])
    before = engine.running('tools')
    yield Far(site, hop, request.param)
    assert engine.running('tools') == before, engine('top', 'tools')


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
def test_rsync_there_and_back(far, hop):
    source, back = link(plant(hop.scratch / 'source')), hop.scratch / 'back'
    good(far('rsync', '-a', f'{source}/', far.at(far.folder / 'tree')))
    there = far.folder / 'tree'
    assert same(source, there) and there.stat().st_uid == far.uid
    good(far('rsync', '-aHz', far.at(f'{there}/'), back))
    assert same(source, back) and (back / 'program').samefile(back / 'the same')
    again = good(far('rsync', '-ai', f'{source}/', far.at(there)))
    assert again.out == b'', again
    (source / 'large').write_bytes(noise(LARGE_BYTES)[:-1] + b'!')
    shutil.rmtree(source / 'deep')
    (source / 'new').write_text('new\n')
    good(far('rsync', '-az', '--delete', f'{source}/', far.at(there)))
    assert same(source, there)
    good(far('rsync', '-a', '--delete', far.at(f'{there}/'), back))
    assert same(source, back)


@each_way
def test_rsync_tells_how_it_failed(far, hop):
    """As the real ssh has rsync tell."""
    here = hop.scratch / 'here'
    far.give(plant(far.folder / 'tree'))
    (far.folder / 'tree/program').chmod(0)
    partly = far('rsync', '-a', far.at(f'{far.folder}/tree/'), here)
    assert partly.rc == 23 and b'/program" failed: Permission denied (13)' in partly.err, partly
    left = contents(far.folder / 'tree')
    del left[b'program']
    assert contents(here) == left
    missing = far('rsync', '-a', far.at(far.folder / 'none'), here)
    assert missing.rc == 23 and NO_SUCH in missing.said, missing
    for program, status, word in [('/no/such', 127, 'remote command not found'), ('true #', 12, 'error in rsync protocol data stream'),
                                  ('exit 7;', 12, 'error in rsync protocol data stream'), ('kill -9 $$;', 255, 'unexplained error')]:
        ended = far('rsync', '-a', '--rsync-path', program, far.at(f'{far.folder}/tree/'), here)
        assert ended.rc == status and f'{word} (code {status})' in ended.said, ended


@each_way
def test_rsync_runs_what_it_is_told_to_there(far, hop):
    far.own(far.folder / 'sub')
    (hop.scratch / 'file').write_text('it\n')
    wish = f'echo in $(hostname) >{far.folder}/said; cd {far.folder}/sub && rsync'
    good(far('rsync', '--rsync-path', wish, hop.scratch / 'file', far.at('renamed')))
    assert (far.folder / 'sub/renamed').read_text() == 'it\n'
    said = (far.folder / 'said').read_text()
    assert said == ('in tools\n' if 'docker' in far.way else f'in {os.uname().nodename}\n')


@by('the real ssh', 'fakessh')
def test_rsync_to_where_nobody_is(far, refusing):
    ended = far('rsync', '-a', f'{refusing}:/etc/hostname', '.')
    assert ended.rc == 255 and 'unexplained error (code 255)' in ended.said and 'Connection refused' in ended.said, ended


@by('the real ssh', 'hopvine ssh', 'fakessh', 'fakessh, requiretty', 'fakessh, docker')
@pytest.mark.parametrize('direction', ['to', 'from'])
def test_what_a_killed_rsync_has_transferred_is_gone_on_with(far, hop, direction):
    folders = [hop.scratch / 'here', far.own(far.folder / 'there')]
    folders[0].mkdir()
    if direction == 'from':
        folders.reverse()
    source, target = folders
    (source / 'large').write_bytes(noise(LARGE_BYTES))
    written = [str(folder) if folder == hop.scratch / 'here' else far.at(folder) for folder in folders]
    words = ['--partial', f'{written[0]}/large', f'{written[1]}/']
    live = far.start('rsync', '--bwlimit=2000', *words)
    until(live, lambda: any(path.stat().st_size > 1 << 18 for path in target.glob('.large.*')))
    os.killpg(live.pid, signal.SIGINT)
    ended = live.finish()
    assert ended.rc in (20, 130), ended
    until(hop.program('sleep', '10'), lambda: (target / 'large').exists())
    assert 0 < (target / 'large').stat().st_size < LARGE_BYTES
    good(far('rsync', *words))
    assert (target / 'large').read_bytes() == noise(LARGE_BYTES) and not list(target.glob('.large.*'))


@by('the real ssh', 'fakessh')
def test_rsync_of_very_many_files(far, hop):
    source = hop.scratch / 'source'
    for number in range(MANY):
        if number % 1000 == 0:
            folder = source / f'{number // 1000}'
            folder.mkdir(parents=True)
        with open(folder / str(number), 'wb') as file:
            file.write(b'%d\n' % number)
    good(far('rsync', '-a', f'{source}/', far.at(far.folder / 'tree'), timeout=600))
    good(far('rsync', '-a', far.at(f'{far.folder}/tree/'), hop.scratch / 'back', timeout=600))
    assert contents(source) == contents(hop.scratch / 'back')


@by('the real ssh', 'hopvine ssh, requiretty', 'fakessh', 'fakessh, sudo', 'fakessh, docker')
def test_several_rsyncs_at_once(far, hop):
    source = plant(hop.scratch / 'source')
    line = 'for n in 1 2 3 4 5 6; do rsync -a "$1/" "far:$2/$n" & done; fail=0; for n in 1 2 3 4 5 6; do wait -n || fail=$?; done; exit $fail'
    good(far('bash', '-c', line, 'bash', source, far.folder))
    for number in range(1, 7):
        assert same(source, far.folder / str(number))


# scp and sftp

def modes(folder):
    return {path: os.lstat(os.path.join(os.fsencode(folder), path)).st_mode for path in contents(folder)}


@each_way
@pytest.mark.parametrize('mode', ['sftp', 'older'])
def test_scp_there_and_back(far, hop, mode):
    older = ['-O'] if mode == 'older' else []
    source, back = plant(hop.scratch / 'source', ODD), hop.scratch / 'back'
    # One that keeps no group's bit: whoever copies without -p may not.
    (source / 'deep').chmod(0o750)
    good(far('scp', *older, '-r', '-p', '-q', source, far.at(far.folder / 'tree')))
    assert same(source, far.folder / 'tree')
    good(far('scp', *older, '-r', '-p', far.at(far.folder / 'tree'), back))
    assert same(source, back)
    good(far('scp', *older, hop.scratch / 'source/program', far.at(f'{far.folder}/one file')))
    good(far('scp', *older, far.at(far.folder / ('one\\ file' if older else 'one file')), hop.scratch / 'again'))
    assert (hop.scratch / 'again').read_bytes() == (source / 'program').read_bytes()
    assert stat.S_IMODE((hop.scratch / 'again').stat().st_mode) == 0o755


@each_way
def test_scp_of_what_is_not_there(far, hop):
    for older in [], ['-O']:
        gone = far('scp', *older, far.at(far.folder / 'none'), hop.scratch)
        assert gone.rc == 1 and NO_SUCH in gone.said and gone.said.count('\n') == 1, gone
        nowhere = far('scp', *older, '/etc/hostname', far.at(far.folder / 'none/file'))
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
def test_sftp_does_a_batch(far, hop):
    source = plant(hop.scratch / 'source', ODD)
    batch = hop.scratch / 'batch'
    batch.write_text(f'cd {far.folder}\n' + BATCH.format(here=source))
    ended = far('sftp', '-q', '-b', batch, NAME)
    assert ended.rc == 0 and [line for line in ended.lines if not line.startswith('sftp>')] == ['b a', 'large', 'link'], ended
    there = far.folder / 'new folder'
    assert sorted(path.name for path in there.iterdir()) == ['b a', 'large']
    assert stat.S_IMODE((there / 'large').stat().st_mode) == 0o640 and (there / 'large').stat().st_uid == far.uid
    assert (source / 'fetched').read_bytes() == (source / 'large').read_bytes() == noise(LARGE_BYTES)
    assert (source / 'b a').read_bytes() == (source / 'a b').read_bytes()
    failing = far('sftp', '-b', '-', NAME, stdin=f'mkdir {far.folder}/last\nls {far.folder}/none\nmkdir {far.folder}/never\n'.encode())
    assert failing.rc == 1 and 'not found' in failing.said, failing
    assert (far.folder / 'last').is_dir() and not (far.folder / 'never').exists()


@by('the real ssh', 'hopvine ssh', 'hopvine ssh, requiretty', 'fakessh, sudo', 'fakessh, docker')
def test_sftp_by_hand(far, hop):
    (hop.scratch / 'file').write_text('typed\n')
    words = far.words('sftp', far.at(far.folder))
    typist = Typist([str(word) for word in words], {**hop.env, **far.env, 'TERM': 'vt100'}, hop.cwd)
    for text, answer in [('', b'sftp> '), (f'put {hop.scratch}/file got', b'100%'), ('', b'sftp> '), ('ls -l got', b'got\r\n'),
                         ('!echo from $((6 * 7))', b'from 42'), ('rename got had', b'sftp> '), ('bye', None)]:
        typist.shown = typist.shown if not text else b''
        if text:
            typist.type(f'{text}\n')
        if answer:
            typist.until(answer)
    assert typist.end() == 0, typist.shown
    assert (far.folder / 'had').read_text() == 'typed\n'


# git

@pytest.fixture
def forge(far, hop):
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
            local('-C', work, 'config', '-f', '.gitmodules', 'submodule.part.url', f'{NAME}:{far.folder}/part.git')
        local('-C', work, 'add', '.')
        local('-C', work, 'commit', '-q', '-m', 'one')
        local('clone', '-q', '--bare', work, far.folder / f'{work.name}.git')
    far.give(far.folder)
    local('config', '--global', 'safe.directory', '*')
    hop.written.add(hop.cwd.parent / 'home/.gitconfig')
    return local


@each_way
def test_git_clones_fetches_and_pushes(far, forge, hop):
    url = far.at(far.folder / 'whole.git')
    clone, other = hop.scratch / 'clone', hop.scratch / 'other'
    heads = good(far('git', 'ls-remote', url)).lines
    assert heads == [f'{forge("-C", hop.scratch / "whole", "rev-parse", "main")}\t{ref}' for ref in ('HEAD', 'refs/heads/main')]
    good(far('git', 'clone', '-q', '--recurse-submodules', url, clone))
    assert (clone / 'file').read_bytes() == (clone / 'part/file').read_bytes() == noise(200_000)
    good(far('git', 'clone', '-q', f'ssh://{NAME}{far.folder}/whole.git', other))
    (clone / 'more').write_bytes(noise(LARGE_BYTES))
    forge('-C', clone, 'add', 'more')
    forge('-C', clone, 'commit', '-q', '-m', 'two')
    good(far('git', '-C', clone, 'push', '-q'))
    good(far('git', '-C', other, 'fetch', '-q'))
    tips = {forge('-C', each, 'rev-parse', ref) for each, ref in ((clone, 'main'), (other, 'origin/main'), (far.folder / 'whole.git', 'main'))}
    assert len(tips) == 1
    forge('-C', far.folder / 'whole.git', 'fsck', '--full')
    good(far('git', '-C', other, 'submodule', '--quiet', 'update', '--init'))
    assert (other / 'part/file').read_bytes() == noise(200_000)


@each_way
def test_git_tells_what_the_other_side_says(far, forge, hop):
    url = far.at(far.folder / 'whole.git')
    gone = far('git', 'ls-remote', far.at(far.folder / 'none.git'))
    assert gone.rc == 128 and "none.git' does not appear to be a git repository" in gone.said, gone
    assert 'Could not read from remote repository' in gone.said, gone
    good(far('git', 'clone', '-q', url, hop.scratch / 'clone'))
    hook = far.folder / 'whole.git/hooks/pre-receive'
    hook.parent.mkdir(exist_ok=True)
    hook.write_text('#!/bin/sh\necho not today >&2\nexit 1\n')
    hook.chmod(0o755)
    refused = far('git', '-C', hop.scratch / 'clone', 'push', 'origin', 'main:other')
    assert refused.rc == 1 and 'remote: not today' in refused.said and 'pre-receive hook declined' in refused.said, refused


@by('the real ssh', 'hopvine ssh', 'fakessh')
def test_git_finds_out_itself_what_ssh_it_has(far, forge, hop):
    """It asks by -G of a program whose name it does not know, and then says -4 and -p."""
    url, env = f'ssh://{NAME}:{far.port}{far.folder}/whole.git', {'GIT_TRACE': '1'}
    shown = far('git', 'clone', '-q', '-4', url, hop.scratch / 'clone', env=env)
    assert shown.rc == 0 and (hop.scratch / 'clone/file').exists(), shown
    assert re.search(rf' -4 -p {far.port} ', shown.said), shown
    assert ("' -G '" in shown.said.replace('ssh -G', "' -G '")) == (far.way == 'hopvine ssh'), shown


# Pipes

@each_way
def test_tar_through_a_pipe_and_back(far, hop):
    source = link(plant(hop.scratch / 'source'))
    back = hop.scratch / 'back'
    back.mkdir()
    far.own(far.folder / 'tree')
    good(far.line('tar -C "$1" -c . | $SSH far tar -C "$2" -xp', source, far.folder / 'tree'))
    good(far.line('$SSH far tar -C "$2" -c . | tar -C "$1" -xp --no-same-owner', back, far.folder / 'tree'))
    assert contents(source) == contents(far.folder / 'tree') == contents(back)
    assert times(source) == times(back)


@each_way
def test_no_byte_is_changed_and_each_stream_is_its_own(far, hop):
    data = bytes(range(256)) * 4096
    sums = good(far.line('$SSH far sha256sum', stdin=data))
    assert sums.out == hop.program('sha256sum', stdin=data).finish().out
    ended = far.line('$SSH far "cat; printf \'\\377\\0e\' >&2; exit 42"', stdin=data)
    assert (ended.rc, ended.err) == (42, b'\xff\0e') and ended.out == data, repr(ended)[:2000]


@each_way
def test_a_reader_that_has_enough_ends_what_writes(far):
    ended = far.line('$SSH far "cat /dev/zero; echo ended >$1/ended" | head -c 100000 | wc -c; echo ${PIPESTATUS[0]}', far.folder)
    assert ended.rc == 0 and ended.lines == ['100000', '255'], ended
