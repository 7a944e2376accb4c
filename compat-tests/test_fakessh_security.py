"""Who reaches a session, or the socket of one program, and what that can ask for there."""

import os
import re
import shutil
import signal
import socket
import stat
import time

import pytest

from harness.peer import (CLOSE, HELD, KEEP, LISTEN, OPEN, TERMS, TOLD_EXIT, TOLD_FAILED, TOLD_HELLO, TREE, Peer, at_host,
                          at_path, many, number, path, text)
from harness.process import exits

SOON_SECONDS = 5


@pytest.fixture
def session(hop):
    """The socket of a session that holds `local:x`."""
    assert hop('up', '-w', 'local:x').rc == 0
    return hop.runtime / 'session'


@pytest.fixture
def build(session):
    """What a greeting must say here: what is said by whoever is asked."""
    peer = Peer(session)
    kind, body = peer.greet('none')
    assert kind == TOLD_HELLO
    peer.close()
    return body[8:-4]


def serves(hop):
    result = hop('run', '-v', '-w', 'local:x', '--', 'echo served')
    return result.rc == 0 and result.out == b'served\n' and ' through ' in result.said


# The folder and the socket.

def test_only_its_user_can_enter_the_folder_and_the_socket(hop, session):
    folder, made = session.parent.stat(), session.stat()
    assert stat.S_IMODE(folder.st_mode) == 0o700 and stat.S_IMODE(made.st_mode) == 0o600 and stat.S_ISSOCK(made.st_mode)


def make(folder, what, scratch):
    if what == 'a symbolic link':
        (scratch / 'elsewhere').mkdir(mode=0o700)
        folder.symlink_to(scratch / 'elsewhere')
    elif what == 'a file':
        folder.write_text('')
    else:
        folder.mkdir(mode=0o700)
        if what == 'open to others':
            folder.chmod(0o777)
        if what == "another's":
            os.chown(folder, 30000, 30000)


@pytest.mark.parametrize('what, why', [('open to others', 'can be entered by others than this user'), ("another's", 'belongs to another user'),
                                       ('a symbolic link', 'is no folder'), ('a file', 'is no folder')])
def test_a_folder_that_is_not_ours_alone_is_refused(hop, what, why):
    if what == "another's" and os.getuid():
        pytest.skip('to give a folder away needs root')
    make(hop.runtime, what, hop.scratch)
    for words in (['up', '-w', 'local:x'], ['ps'], ['down']):
        result = hop(*words)
        assert result.rc == 255 and f'{hop.runtime} {why}, and is not used: remove it, or set XDG_RUNTIME_DIR' in result.said, result
    # What needs no session goes without one, and says why.
    result = hop('run', '-w', 'local:x', '--', 'echo hi')
    assert (result.rc, result.out) == (0, b'hi\n') and why in result.said, result
    result = hop('run', '-w', 'local:x', '--no-session', '--', 'echo hi')
    assert (result.rc, result.out, result.err) == (0, b'hi\n', b''), result
    if hop.runtime.is_dir() and not hop.runtime.is_symlink():
        hop.runtime.rmdir()
    else:
        hop.runtime.unlink()


def test_a_socket_that_nobody_listens_at_is_replaced(hop, session):
    pid = int(re.match(r'session (\d+)', hop('ps').text)[1])
    os.kill(pid, signal.SIGKILL)
    assert exits(pid, time.monotonic() + SOON_SECONDS) and session.exists()
    assert hop('ps').rc == 1 and hop('run', '-w', 'local:x', '--', 'true').rc == 0
    assert hop('up', '-w', 'local:x').rc == 0 and serves(hop)


def test_a_socket_of_another_name_is_left_alone_at_the_end(hop, session):
    """One that has been removed, and made again by another session, is that one's."""
    first = int(re.match(r'session (\d+)', hop('ps').text)[1])
    session.unlink()
    assert hop('up', '-w', 'local:x').rc == 0
    os.kill(first, signal.SIGTERM)
    assert exits(first, time.monotonic() + SOON_SECONDS) and session.exists() and serves(hop)


def test_without_a_runtime_folder_of_the_user_it_is_among_the_temporary_files(hop):
    away = {**hop.env}
    del away['XDG_RUNTIME_DIR']
    known = os.path.isdir(f'/run/user/{os.getuid()}')
    if known:
        pytest.skip('this machine has a runtime folder of ours')
    hop.env = away
    assert hop('up', '-w', 'local:x').rc == 0 and serves(hop)
    folder = hop.cwd.parent / 'tmp' / f'hopvine-{os.getuid()}'
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700 and (folder / 'session').exists()
    assert hop('down').rc == 0
    shutil.rmtree(folder)


def test_a_runtime_folder_of_another_user_is_not_used(hop):
    """As below `sudo -E`."""
    if os.getuid():
        pytest.skip('to have one of another user needs root')
    theirs = hop.scratch / 'theirs'
    theirs.mkdir(mode=0o700)
    os.chown(theirs, 30000, 30000)
    hop.env['XDG_RUNTIME_DIR'] = str(theirs)
    assert hop('up', '-w', 'local:x').rc == 0 and serves(hop) and not list(theirs.iterdir())
    assert hop('down').rc == 0
    shutil.rmtree(hop.cwd.parent / 'tmp' / f'hopvine-{os.getuid()}', ignore_errors=True)


def test_a_path_may_be_longer_than_the_address_of_a_socket(hop):
    folder = hop.scratch / ('deep' * 30) / ('deeper' * 30)
    folder.mkdir(parents=True, mode=0o700)
    hop.env['XDG_RUNTIME_DIR'] = str(folder)
    assert hop('up', '-w', 'local:x').rc == 0 and serves(hop)
    shown = hop('fakessh', '--to', 'local:x', '--', 'ssh', 'any', 'echo hi')
    assert (shown.rc, shown.out) == (0, b'hi\n'), shown
    assert hop('down').rc == 0


# Others.

class AsOther:
    """A fork of this process as another user, until the end of the block; `.says()` is what it has to say."""

    def __init__(self, work):
        if os.getuid():
            pytest.skip('to be another user needs root')
        self.work = work

    def __enter__(self):
        told, tell = os.pipe()
        self.pid = os.fork()
        if not self.pid:
            os.close(told)
            os.setgroups([])
            os.setresgid(30000, 30000, 30000)
            os.setresuid(30000, 30000, 30000)
            try:
                self.work(lambda text: os.write(tell, f'{text}\n'.encode()))
            except OSError as error:
                os.write(tell, f'{type(error).__name__}\n'.encode())
            finally:
                os._exit(0)
        os.close(tell)
        self.told = open(told, encoding='utf-8')
        return self

    def says(self):
        return self.told.readline().rstrip()

    def __exit__(self, *error):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        self.told.close()


def test_another_user_is_refused_even_where_the_modes_would_allow_it(hop, site, session):
    def connect(say):
        peer = Peer(session)
        say('connected')
        say(repr(peer.greet('any')))

    folders = [folder for folder in session.parents if site.dir in (folder, *folder.parents)]
    modes = {each: stat.S_IMODE(each.stat().st_mode) for each in (*folders, session)}
    try:
        for each in modes:
            each.chmod(0o777)
        ours = Peer(session)
        assert ours.greet('any')[0] == TOLD_HELLO
        ours.close()
        with AsOther(connect) as other:
            assert other.says() == 'connected'
            # It is closed without a word; where what it said was unread still, that is told as an error.
            assert other.says() in ('None', 'BrokenPipeError', 'ConnectionResetError')
    finally:
        for each, mode in modes.items():
            each.chmod(mode)
    assert serves(hop)


def test_a_session_of_another_user_is_not_asked(hop):
    """Nothing is said to whoever listens where our session should."""
    hop.runtime.mkdir(mode=0o700)
    where = hop.runtime / 'session'

    def listen(say):
        listener.listen()  # whose credentials are those of this call
        say('listens')
        while True:
            say(repr(listener.accept()[0].recv(100)))

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(where))
        os.chmod(where, 0o777)
        with AsOther(listen) as other:
            assert other.says() == 'listens'
            for words in (['ps'], ['run', '-w', 'local:x', '--', 'echo hi'], ['ssh', 'any', 'echo hi']):
                result = hop(*words, env={'HOPVINE_FAKESSH': str(where)} if words[0] == 'ssh' else None)
                assert 'another user is at the other end' in result.said, result
                assert (result.rc, result.out) == ((0, b'hi\n') if words[0] == 'run' else (255, b'')), result
                assert other.says() == "b''"
    where.unlink()


def test_what_no_client_says_harms_nobody(hop, session, build):
    greeting = number(0) + text(build)
    cases = [b'', b'GET / HTTP/1.0\r\n\r\n', b'\xff' * 100_000, os.urandom(5000), number(0x7fffffff), number(4 << 20),
             number(len(greeting)) + greeting[:7], number(len(greeting)) + greeting + b'\0\0\0\2\0',
             number(len(greeting)) + greeting + number(4) + number(99), number(4) + number(TREE)]
    kept = []
    for data in cases:
        peer = Peer(session)
        try:
            peer.send(data)
        except (BrokenPipeError, ConnectionResetError):
            pass
        kept.append(peer)
    assert serves(hop)
    for data, peer in zip(cases, kept):
        whole = number(len(greeting)) + greeting
        refused = data[:1] not in (b'', b'\0') or data[:4] in (number(0x7fffffff), number(4)) or data[len(whole):] == number(4) + number(99)
        if refused:
            assert not [kind for kind, _ in peer.hear_end() if kind != TOLD_HELLO], data[:40]
        peer.close()
    assert serves(hop)


def test_who_never_greets_does_not_keep_a_session(hop, session):
    pid = int(re.match(r'session (\d+)', hop('ps').text)[1])
    mute = Peer(session)
    assert hop('down', '-w', 'local:x').rc == 0
    assert exits(pid, time.monotonic() + SOON_SECONDS) and mute.hear() is None
    mute.close()


def test_a_flood_of_connections_leaves_room(hop, session):
    flood = []
    for _ in range(4200):
        peer = socket.socket(socket.AF_UNIX)
        peer.setblocking(False)
        try:
            peer.connect(str(session))
        except BlockingIOError:
            pass
        flood.append(peer)
    assert serves(hop)
    for peer in flood:
        peer.close()
    assert serves(hop)


def test_descriptors_that_nobody_asked_for_are_closed(hop, session, build):
    pid = int(re.match(r'session (\d+)', hop('ps').text)[1])
    before = len(os.listdir(f'/proc/{pid}/fd'))
    for count in (3, 20, 250):
        peer = Peer(session)
        peer.greet(build)
        null = os.open('/dev/null', os.O_RDWR)
        peer.say(number(TREE), [null] * count)
        peer.hear()
        os.close(null)
        peer.close()
    deadline = time.monotonic() + SOON_SECONDS
    while len(os.listdir(f'/proc/{pid}/fd')) > before:
        assert time.monotonic() < deadline, os.listdir(f'/proc/{pid}/fd')


FAKE = '''
import os, signal, socket, struct, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
print('listens', flush=True)
def text(value):
    return struct.pack('>Q', len(value)) + value
while True:
    peer = listener.accept()[0]
    peer.recv(1000)
    hello = struct.pack('>I', 0) + text(b'9.9.9-other') + struct.pack('>I', os.getpid())
    peer.sendall(struct.pack('>I', len(hello)) + hello)
    keep = peer
'''


def test_a_session_of_another_version_is_not_used_and_down_ends_it(hop):
    hop.runtime.mkdir(mode=0o700)
    where = hop.runtime / 'session'
    fake = hop.program('python3', '-c', FAKE, where)
    fake.until(b'listens')
    text = (f'hopvine: a session of another version (9.9.9-other) runs as process {fake.pid}, and is not used: '
            'hopvine down ends it\n')
    result = hop('run', '-w', 'local:x', '--', 'echo hi')
    assert (result.rc, result.out, result.said) == (0, b'hi\n', text), result
    for words in (['ps'], ['up', '-w', 'local:x']):
        result = hop(*words)
        assert (result.rc, result.said) == (255, text), result
    result = hop('down')
    assert (result.rc, result.err) == (0, b'') and fake.finish(SOON_SECONDS).rc == -signal.SIGTERM, result
    assert hop('up', '-w', 'local:x').rc == 0


def test_one_that_does_not_answer_is_not_waited_for_for_ever(hop, session):
    pid = int(re.match(r'session (\d+)', hop('ps').text)[1])
    os.kill(pid, signal.SIGSTOP)
    try:
        result = hop('run', '-w', 'local:x', '--', 'echo hi')
    finally:
        os.kill(pid, signal.SIGCONT)
    assert (result.rc, result.out) == (0, b'hi\n') and 'it does not answer' in result.said, result
    assert serves(hop)


# The socket of one program.

class Within:
    """`hopvine fakessh` with a program that waits, and the socket that it was given."""

    def __init__(self, hop, fifo, *words):
        self.bell, self.gate = fifo('told'), fifo('end')
        script = f'echo $HOPVINE_FAKESSH > {self.bell}; read x < {self.gate}'
        self.running = hop.start('fakessh', *words, '--', 'sh', '-c', script)
        self.socket = self.bell.read_lines(1)[0]

    def end(self):
        self.gate.write(b'\n')
        return self.running.finish()


@pytest.fixture
def within(hop, fifo):
    return lambda *words: Within(hop, fifo, *words)


def has_gone(where):
    deadline = time.monotonic() + SOON_SECONDS
    while os.path.lexists(os.path.dirname(where)):
        assert time.monotonic() < deadline, os.listdir(os.path.dirname(where))


@pytest.mark.parametrize('shared', [True, False], ids=['in a session', 'alone'])
def test_a_socket_ends_with_its_program(hop, within, shared):
    if shared:
        hop('up', '-w', 'local:x')
    one = within('--to', 'local:x')
    folder = os.path.dirname(one.socket)
    assert re.fullmatch(r'.*/hopvine/fakessh-[0-9a-f]{32}/socket', one.socket), one.socket
    assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700 and stat.S_IMODE(os.stat(one.socket).st_mode) == 0o600
    early = Peer(one.socket)
    used = hop('ssh', 'any', 'echo hi', env={'HOPVINE_FAKESSH': one.socket})
    assert (used.rc, used.out) == (0, b'hi\n'), used
    assert one.end().rc == 0
    has_gone(one.socket)
    assert early.hear() is None
    late = hop('ssh', 'any', 'echo hi', env={'HOPVINE_FAKESSH': one.socket})
    assert late.rc == 255 and not late.out, late
    early.close()


@pytest.mark.parametrize('shared', [True, False], ids=['in a session', 'alone'])
def test_a_socket_ends_with_a_fakessh_that_is_killed(hop, within, shared):
    if shared:
        hop('up', '-w', 'local:x')
    one = within('--to', 'local:x')
    one.running.signal(signal.SIGKILL)
    has_gone(one.socket)
    one.gate.write(b'\n')
    one.running.finish()


def test_with_a_target_nothing_else_can_be_reached(hop, session, build, within):
    hop.write('hopvine.toml', '[exec]\nto = "env PLACE=to sh -c {}"\nother = "env PLACE=other sh -c {}"\n')
    one = within('--to', 'exec:to')
    places = [at_path('exec:other'), at_path('local:x'), at_host('other'), at_host('local:x'), at_host('-oProxyCommand=x', '-l')]
    for place in places:
        peer = Peer(one.socket)
        peer.greet(build)
        ended, out = peer.run(place, 'echo $PLACE')
        assert ended[0] == TOLD_EXIT and out == b'to\n', (place, ended, out)
        peer.close()
    for body in (number(OPEN) + many([path('local:y')]) + TERMS, number(CLOSE) + many([]), number(TREE), number(HELD),
                 number(KEEP) + many([path('local:x')]), number(LISTEN)):
        peer = Peer(one.socket)
        peer.greet(build)
        peer.say(body)
        assert peer.hear_end() == [], body
        peer.close()
    assert one.end().rc == 0 and serves(hop)


def test_without_a_target_names_are_those_of_the_inventory(hop, session, build, within):
    hop.write('hopvine.toml', '[hosts]\nweb = "exec:web"\n[exec]\nweb = "env PLACE=web sh -c {}"\n')
    one = within()
    peer = Peer(one.socket)
    peer.greet(build)
    ended, out = peer.run(at_host('web'), 'echo $PLACE')
    assert ended[0] == TOLD_EXIT and out == b'web\n', (ended, out)
    peer.close()
    peer = Peer(one.socket)
    peer.greet(build)
    ended, out = peer.run(at_host('exec:unknown'), 'echo $PLACE')
    assert ended[0] == TOLD_FAILED and not out, (ended, out)
    peer.close()
    assert one.end().rc == 0


NAMES = ['-oProxyCommand=touch MARK', '--', '-V', '%h', '$(touch MARK)', '`touch MARK`', 'a;touch MARK', "a'touch MARK'", 'a\nb', 'a b']


@pytest.mark.parametrize('name', NAMES)
def test_names_are_never_options_or_commands(hop, session, build, within, ssh, name):
    one = within()
    mark = hop.scratch / 'mark'
    name = name.replace('MARK', str(mark))
    for place in (at_host(name), at_host('h1', name), at_host(name, name)):
        peer = Peer(one.socket, 30)
        peer.greet(build)
        ended, out = peer.run(place, 'echo reached')
        assert ended[0] == TOLD_FAILED and not out, (place, ended, out)
        peer.close()
    for words in (['-l', name, 'h1'], ['--', name], ['--', f'{name}@h1']):
        result = hop('ssh', *words, 'echo', 'reached', env={'HOPVINE_FAKESSH': one.socket})
        assert (result.rc, result.out) == (255, b'') and result.err, result
    assert not mark.exists() and one.end().rc == 0


# PATH and the like.

def test_a_hostile_ssh_in_path_is_not_what_a_program_finds(hop, session):
    folder = hop.scratch / 'hostile'
    folder.mkdir()
    for name in ('ssh', 'scp', 'sftp'):
        (folder / name).write_text('#!/bin/sh\necho hostile\n')
        (folder / name).chmod(0o755)
    hop.env['PATH'] = f'{folder}:{hop.env["PATH"]}'
    result = hop('fakessh', '--to', 'local:x', '--', 'sh', '-c', 'ssh any echo ours; $RSYNC_RSH any echo ours; for each in ssh scp sftp; do command -v $each; done')
    assert result.rc == 0 and result.lines[:2] == ['ours', 'ours'], result
    assert all('/fakessh-' in line for line in result.lines[2:]) and len(result.lines) == 5, result
    # What a program puts before that itself is its own affair.
    result = hop('fakessh', '--to', 'local:x', '--', 'sh', '-c', f'PATH={folder}:$PATH ssh any')
    assert result.out == b'hostile\n', result


@pytest.mark.parametrize('how', ['linked', 'copied', 'in a script'])
def test_our_own_ssh_in_path_is_not_taken_for_the_real_one(hop, ssh, how):
    folder = hop.scratch / 'ours'
    folder.mkdir()
    ours = folder / 'ssh'
    if how == 'linked':
        ours.symlink_to(hop.path)
    elif how == 'copied':
        shutil.copy(hop.path, ours)
    else:
        (folder / 'hopvine').symlink_to(hop.path)
        ours.write_text(f'#!/bin/sh\nexec {folder}/hopvine ssh "$@"\n')
        ours.chmod(0o755)
    hop.env['PATH'] = f'{folder}:{hop.env["PATH"]}'
    result = hop.program(ours, 'h1', 'echo hi; exit 3').finish(30)
    assert (result.rc, result.out) == (3, b'hi\n'), result
    result = hop.program(ours, '-V').finish(30)
    assert result.rc == 0 and 'OpenSSH' in result.said, result
    result = hop('run', '-w', 'h1', '--', 'echo hi')
    assert (result.rc, result.out) == (0, b'hi\n'), result
    # And none but ours: that is said, and nothing runs round in circles.
    hop.env['PATH'] = f'{folder}:{hop.scratch / "empty"}'
    result = hop.program(ours, '-Q', 'cipher').finish(10)
    assert result.rc == 255 and 'ssh' in result.said, result


def test_what_the_environment_says_changes_nothing(hop, session):
    odd = {'IFS': 'hops/', 'LD_PRELOAD': '/nonexistent/lib.so', 'ENV': '/nonexistent', 'BASH_ENV': '/nonexistent', 'CDPATH': '/'}
    result = hop('fakessh', '--to', 'local:x', '--', 'ssh', 'any', 'echo hi', env=odd)
    assert (result.rc, result.out) == (0, b'hi\n'), result


@pytest.mark.parametrize('where', ['missing', 'a file', 'relative', 'empty'])
def test_a_socket_that_is_none_is_said_so(hop, where):
    value = {'missing': '/nonexistent/socket', 'a file': '/etc/hostname', 'relative': 'nothing', 'empty': ''}[where]
    result = hop('ssh', 'any', 'echo hi', env={'HOPVINE_FAKESSH': value})
    assert result.rc == 255 and not result.out and result.err, result
