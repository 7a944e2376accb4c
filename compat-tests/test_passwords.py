"""Passwords and phrases for ssh, by real servers that ask: once, or not at all, and never seen."""

import itertools

import pytest

from harness.asking_sshd import AskingSshd
from harness.faults import known_to_fail
from harness.lookout import Lookout
from harness.places import at_each_place, here_and_behind_python, install, way
from harness.privileges import CANARY, CODE_QUESTION, PASSWORD
from harness.typist import Typist

EVERY_BYTE = bytes(range(256)) * 4096
NAMES = (f'asking{number}' for number in itertools.count(1))


def server(pam):
    @pytest.fixture(scope='module')
    def asking(site):
        if 'ssh' in site.missing:
            pytest.skip(site.missing['ssh'])
        if not site.accounts.private:
            pytest.skip('accounts with passwords need root and unshare')
        asking = AskingSshd(site, pam)
        site.servers.append(asking)
        yield asking
        site.servers.remove(asking)
        asking.close()
    return asking


by_shadow, by_pam = server(pam=False), server(pam=True)


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
    with known_to_fail('echo goes off after the question has been shown'):
        assert CANARY not in typist.shown
