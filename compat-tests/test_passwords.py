"""Passwords and phrases for ssh, by real servers that ask: once, or not at all, and never seen."""

import hashlib
import itertools
import os
import shutil

import pytest

from harness.asking_sshd import AskingSshd
from harness.lookout import Lookout
from harness.places import at_each_place, here_and_behind_python, install, way
from harness.privileges import CANARY, CODE_QUESTION, PASSWORD
from harness.typist import Typist

EVERY_BYTE = bytes(range(256)) * 4096
NAMES = (f'asking{number}' for number in itertools.count(1))


def server(pam, **more):
    @pytest.fixture(scope='module')
    def asking(site):
        if 'ssh' in site.missing:
            pytest.skip(site.missing['ssh'])
        if not site.accounts.private:
            pytest.skip('accounts with passwords need root and unshare')
        asking = AskingSshd(site, pam, **{name: value(site) if callable(value) else value for name, value in more.items()})
        site.servers.append(asking)
        yield asking
        site.servers.remove(asking)
        asking.close()
    return asking


def imitation(site):
    """A greeting that looks like ssh's own question, as its last line without an end."""
    path = site.dir / 'imitation'
    path.write_text("hvask@127.0.0.1's password: ")
    return path


by_shadow, by_pam = server(pam=False), server(pam=True)
by_both, with_banner = server(pam=True, PasswordAuthentication='yes'), server(pam=False, Banner=imitation)
CODE = '123456'


@pytest.fixture
def servers(by_shadow, by_pam):
    return {'password': by_shadow, 'keyboard-interactive': by_pam}


@pytest.fixture(autouse=True)
def installed(site, hop):
    install(site, hop)


@pytest.fixture
def give(hop):
    """`give(text)`: the words with which ssh is given it."""
    def words(text):
        path = hop.scratch / 'password'
        path.write_text(f'{text}\n')
        return ['-k', '--secret-file', path]
    return words


def has_failed(result, kind):
    assert result.rc == 255 and not result.only['ok'] and result.only['error']['kind'] == kind, result
    assert CANARY not in result.out + result.err, result
    return result.only['error']


@at_each_place
@pytest.mark.parametrize('method', ['password', 'keyboard-interactive'])
def test_the_right_password_opens_and_no_byte_is_changed(hop, servers, give, method, place):
    target = servers[method].alias(next(NAMES), User='hvask')
    result = hop('run', *way(place, target), *give(PASSWORD), '--', 'id -un >&2; cat', stdin=EVERY_BYTE)
    assert (result.rc, result.err) == (0, b'hvask\n') and result.out == EVERY_BYTE, repr(result)[:2000]


@at_each_place
@pytest.mark.parametrize('method', ['password', 'keyboard-interactive'])
def test_a_wrong_password_is_tried_once(hop, servers, give, method, place):
    asking = servers[method]
    before = len(asking.attempts())
    target = asking.alias(next(NAMES), User='hvask')
    has_failed(hop('call', '--json', *way(place, target), *give('not it'), 'time:time'), 'wrong_password')
    attempts = asking.attempts()[before:]
    assert len(attempts) == 1 and ' for hvask ' in attempts[0], attempts


@here_and_behind_python
def test_without_a_password_nothing_is_tried(hop, by_shadow, place):
    before = len(by_shadow.attempts())
    target = by_shadow.alias(next(NAMES), User='hvask')
    has_failed(hop('call', '--json', *way(place, target), 'time:time'), 'auth_failed')
    assert by_shadow.attempts()[before:] == []


@pytest.fixture(scope='module')
def key(by_shadow):
    """With a phrase; to be found in a command line only while ssh-keygen makes it."""
    return by_shadow.protected_key('phrase_key', PASSWORD)


def key_alias(asking, key):
    return asking.alias(next(NAMES), User='hvother', IdentityFile=key, PubkeyAuthentication='yes',
                        PreferredAuthentications='publickey')


@here_and_behind_python
def test_the_phrase_of_a_key_is_given_to_ssh(hop, by_shadow, key, give, place):
    target = key_alias(by_shadow, key)
    result = hop('run', *way(place, target), *give(PASSWORD), '--', 'id -un >&2; cat', stdin=EVERY_BYTE)
    assert (result.rc, result.err) == (0, b'hvother\n') and result.out == EVERY_BYTE, repr(result)[:2000]


@here_and_behind_python
def test_a_wrong_phrase_is_a_wrong_password(hop, by_shadow, key, give, place):
    target = key_alias(by_shadow, key)
    has_failed(hop('call', '--json', *way(place, target), *give('not it'), 'time:time'), 'wrong_password')


@at_each_place
def test_a_one_time_code_is_another_question(hop, site, by_pam, give, place):
    if 'code' in site.accounts.privileges.missing:
        pytest.skip(site.accounts.privileges.missing['code'])
    heard = site.accounts.privileges.heard
    heard.write_text('')
    target = by_pam.alias(next(NAMES), User='hvcode')
    result = hop('call', '--json', *way(place, target), *give(PASSWORD), 'time:time')
    assert heard.read_text() == ''
    assert CODE_QUESTION.strip() in has_failed(result, 'other_question')['message'], result


@here_and_behind_python
def test_a_password_that_has_to_be_changed(hop, by_shadow, give, place):
    target = by_shadow.alias(next(NAMES), User='hvstale')
    has_failed(hop('call', '--json', *way(place, target), *give(PASSWORD), 'time:time'), 'password_expired')


@at_each_place
@pytest.mark.parametrize('checking', ['yes', 'ask'])
def test_an_unknown_host_key_is_no_question_for_us(hop, by_shadow, give, checking, place):
    target = by_shadow.alias(next(NAMES), User='hvask', UserKnownHostsFile='/dev/null', StrictHostKeyChecking=checking)
    result = hop('call', '--json', '--connect-timeout', '4', *way(place, target), *give(PASSWORD), 'time:time')
    has_failed(result, 'host_key_unknown')


@at_each_place
def test_the_password_is_seen_nowhere(hop, by_shadow, give, place):
    target = by_shadow.alias(next(NAMES), User='hvask')
    for words, env in ((give(PASSWORD), {}), (['-k', '--secret-env', 'MY_SECRET'], {'MY_SECRET': PASSWORD})):
        live = hop.start('run', '-v', '--json', *way(place, target), *words, '--', 'echo up; exec head -n 1',
                         env=env, stdin=-1)
        lookout = Lookout(hop, live)
        live.end_input()
        result = live.finish()
        assert lookout.end() == [] and lookout.rounds
        assert result.rc == 0 and CANARY not in result.out + result.err, result


def test_two_hosts_are_asked_about_once(hop, by_shadow):
    targets = [by_shadow.alias(next(NAMES), User=user) for user in ('hvask', 'hvother')]
    argv = [hop.path, 'run', '-n', '-w', ','.join(targets), '-k', '--', 'id -un']
    typist = Typist(argv, hop.env, hop.cwd)
    typist.until(b'password')
    typist.type(f'{PASSWORD}\n')
    assert typist.end() == 0, typist.shown
    for user in (b'hvask', b'hvother'):
        assert b': ' + user + b'\r\n' in typist.shown, typist.shown
    assert typist.shown.count(b'password') == 1, typist.shown
    assert CANARY not in typist.shown


@pytest.fixture
def heard(site):
    """What the question for a code has been answered with."""
    privileges = site.accounts.privileges
    if 'code' in privileges.missing:
        pytest.skip(privileges.missing['code'])
    privileges.heard.write_text('')
    return privileges.heard


class Conversation(Typist):
    """A user at a terminal who has given the password with -k; CODE_QUESTION is still to be answered."""

    def __init__(self, hop, *words):
        super().__init__([hop.path, *words], hop.env, hop.cwd)
        self.until(b'ssh password: ')
        self.type(f'{PASSWORD}\n')

    def answer(self, target, user, code):
        self.until(f'{target}: ({user}@hopvine-host) {CODE_QUESTION}'.encode())
        self.type(f'{code}\n')

    def ends(self, status):
        ended = self.end()
        assert ended == status and CANARY not in self.shown and CODE.encode() not in self.shown, (ended, self.shown)


@at_each_place
def test_the_user_is_asked_for_a_code(hop, by_pam, heard, place):
    target = by_pam.alias(next(NAMES), User='hvcode')
    words = way(place, target)
    typist = Conversation(hop, 'run', '-n', *words, '-k', '--', 'id -un')
    typist.answer(words[1], 'hvcode', CODE)
    typist.ends(0)
    assert typist.shown.endswith(b'hvcode\r\n') and heard.read_text() == f'{CODE}\n'


@here_and_behind_python
def test_a_code_that_is_asked_first_is_no_password(hop, by_pam, heard, place):
    target = by_pam.alias(next(NAMES), User='hvcodefirst')
    words = way(place, target)
    typist = Conversation(hop, 'run', '-n', *words, '-k', '--', 'id -un')
    typist.answer(words[1], 'hvcodefirst', CODE)
    typist.ends(0)
    assert typist.shown.endswith(b'hvcodefirst\r\n') and heard.read_text() == f'{CODE}\n'


@here_and_behind_python
def test_a_code_that_is_asked_first_gets_no_password_from_nobody(hop, by_pam, heard, give, place):
    target = by_pam.alias(next(NAMES), User='hvcodefirst')
    has_failed(hop('call', '--json', *way(place, target), *give(PASSWORD), 'time:time'), 'other_question')
    assert heard.read_text() == ''


def test_a_code_that_is_wrong(hop, by_pam, heard):
    before = len(by_pam.attempts())
    target = by_pam.alias(next(NAMES), User='hvcode')
    typist = Conversation(hop, 'call', '-w', target, '-k', 'time:time')
    typist.answer(target, 'hvcode', '654321')
    typist.ends(255)
    assert b'authentication failed' in typist.shown and heard.read_text() == '654321\n'
    assert len(by_pam.attempts()) - before <= 1


def test_several_hosts_ask_one_after_the_other(hop, by_pam, heard):
    targets = [by_pam.alias(next(NAMES), User='hvcode') for _ in range(3)]
    typist = Conversation(hop, 'run', '-n', '-w', ','.join(targets), '-k', '--', 'id -un')
    for number in range(1, 4):
        typist.until(b': (hvcode@hopvine-host) ')
        asked = [target for target in targets if f'{target}: (hvcode@'.encode() in typist.shown]
        typist.answer(asked[0], 'hvcode', CODE)
        assert typist.shown.count(b'Verification code') == 1, typist.shown
        if number < 3:
            typist.shown = b''
    typist.ends(0)
    assert heard.read_text() == f'{CODE}\n' * 3


def test_a_user_who_does_not_answer(hop, by_pam, heard):
    """An end of file declines; ^C ends all, and the terminal echoes again."""
    for key, status, says in (('\x04', 255, b'asks for something else'), ('\x03', 130, b'interrupted')):
        target = by_pam.alias(next(NAMES), User='hvcode')
        typist = Conversation(hop, 'call', '-w', target, '-k', 'time:time')
        typist.until(b'Verification code: ')
        typist.type(key)
        typist.ends(status)
        assert says in typist.shown and heard.read_text() == '', typist.shown


def test_a_code_is_typed_while_standard_input_is_a_pipe(hop, by_pam, heard):
    target = by_pam.alias(next(NAMES), User='hvcode')
    line = f"seq 100000 | '{hop.path}' run -w {target} -k -- md5sum"
    typist = Typist(['sh', '-c', line], hop.env, hop.cwd)
    typist.until(b'ssh password: ')
    typist.type(f'{PASSWORD}\n')
    Conversation.answer(typist, target, 'hvcode', CODE)
    ended, numbers = typist.end(), ''.join(f'{number}\n' for number in range(1, 100001))
    assert ended == 0 and hashlib.md5(numbers.encode()).hexdigest().encode() in typist.shown, typist.shown


@at_each_place
def test_a_password_that_ssh_would_ask_for_three_times(hop, by_shadow, give, place):
    before = len(by_shadow.attempts())
    target = f'{by_shadow.alias(next(NAMES), User="hvask")}?opt=NumberOfPasswordPrompts=3'
    has_failed(hop('call', '--json', *way(place, target), *give('not it'), 'time:time'), 'wrong_password')
    assert len(by_shadow.attempts()) - before == 1


@at_each_place
def test_a_password_that_is_refused_one_way_is_not_tried_the_other_way(hop, by_both, give, place):
    before = len(by_both.attempts())
    target = by_both.alias(next(NAMES), User='hvask')
    has_failed(hop('call', '--json', *way(place, target), *give('not it'), 'time:time'), 'wrong_password')
    assert len(by_both.attempts()) - before == 1


@at_each_place
def test_a_greeting_that_imitates_the_question_changes_nothing(hop, with_banner, give, place):
    target = with_banner.alias(next(NAMES), User='hvask')
    result = hop('run', *way(place, target), *give(PASSWORD), '--', 'cat', stdin=EVERY_BYTE)
    assert result.rc == 0 and result.out == EVERY_BYTE and CANARY not in result.err, repr(result)[:2000]
    before = len(with_banner.attempts())
    has_failed(hop('call', '--json', *way(place, target), *give('not it'), 'time:time'), 'wrong_password')
    assert len(with_banner.attempts()) - before == 1


@pytest.mark.parametrize('place', ['here', 'behind a native relay'])
def test_only_ssh_itself_gets_the_password(hop, by_shadow, give, place):
    """What else has its terminal may ask as ssh does, with echo off."""
    record = hop.scratch / 'typed'
    asks = hop.scratch / 'asks'
    asks.write_text(f"""#!/bin/sh
exec 3<>/dev/tty
stty -echo <&3
printf "hvask@127.0.0.1's password: " >&3
head -n 1 <&3 >{record}
""")
    asks.chmod(0o755)
    target = by_shadow.alias(next(NAMES), User='hvask', ProxyCommand=asks)
    has_failed(hop('call', '--json', *way(place, target), *give(PASSWORD), 'time:time'), 'other_question')
    assert record.read_text() == ''


@pytest.fixture
def version(hop):
    """An `ssh` that says it is of this version; the environment in which it is the first, and where it writes down who
    is to ask its questions."""
    def pretend(name):
        real, record = shutil.which('ssh', path=hop.env['PATH']), hop.scratch / 'helpers'
        folder = hop.scratch / 'versions'
        folder.mkdir()
        (folder / 'ssh').write_text(f"""#!/bin/sh
[ "$1" != -V ] || {{ echo {name} >&2; exit 0; }}
echo "${{SSH_ASKPASS-none}}" >>{record}
exec {real} "$@"
""")
        (folder / 'ssh').chmod(0o755)
        return {'PATH': f'{folder}:{hop.env["PATH"]}', 'SSH_ASKPASS': '/the/user/s/own'}, record
    return pretend


@pytest.mark.parametrize('name, by_helper', [('OpenSSH_8.3p1', False), ('OpenSSH_8.4p1', True), ('Dropbear v2022.83', False)])
@at_each_place
def test_an_older_ssh_asks_on_its_terminal(hop, by_shadow, give, version, place, name, by_helper):
    env, record = version(name)
    target = by_shadow.alias(next(NAMES), User='hvask')
    result = hop('run', *way(place, target), *give(PASSWORD), '--', 'id -un', env=env)
    assert (result.rc, result.out) == (0, b'hvask\n'), result
    helper = record.read_text().strip()
    assert helper.startswith('/proc/') == (by_helper and place != 'behind Python'), helper


def test_a_relay_that_is_in_memory_only_is_the_helper_too(hop, by_shadow, give, version):
    """The program is nowhere in PATH: what ssh is to run has no file."""
    env, record = version('OpenSSH_9.9p1')
    folders = [folder for folder in env['PATH'].split(os.pathsep) if not os.path.exists(f'{folder}/hopvine')]
    target = by_shadow.alias(next(NAMES), User='hvask')
    result = hop('run', '-v', *way('behind a native relay', target), *give(PASSWORD), '--', 'id -un',
                 env={**env, 'PATH': os.pathsep.join(folders)})
    assert (result.rc, result.out) == (0, b'hvask\n') and "hopvine runs in the agent's place" in result.said, result
    assert record.read_text().startswith('/proc/') and CANARY not in result.err
