"""`hopvine ssh` at a terminal, beside the real ssh: keys, sizes, questions, and the terminal as it was afterwards."""

import os
import signal
import termios

import pytest

from harness.asking_sshd import AskingSshd
from harness.privileges import PASSWORD
from harness.typist import Typist

CTRL_C, CTRL_D = '\x03', '\x04'
# Shows when it is ready, and ends by what it is told.
WAITS = "trap 'echo INT; exit 9' INT; trap 'stty size; exit 8' WINCH; trap 'exit 7' HUP; echo up; while :; do sleep .05; done"


@pytest.fixture(params=['real', 'ours'])
def one(twins, request):
    """Either of them: what is said of it holds for both."""
    return Seated(twins.hop, getattr(twins, request.param))


@pytest.fixture
def ours(twins):
    return Seated(twins.hop, twins.ours)


class Seated:
    def __init__(self, hop, who):
        self.hop, self.who = hop, who

    def __call__(self, *words, steps=(), raw=None):
        """Runs it at a terminal; `steps`: what to wait for, and what to type then or do. Returns what was shown, and the status."""
        typist = Typist([*self.who, *words], self.hop.env, self.hop.cwd)
        before = termios.tcgetattr(typist.tty)
        for marker, then in steps:
            typist.until(marker)
            if raw is not None:
                assert bool(termios.tcgetattr(typist.tty)[3] & termios.ICANON) != raw, typist.shown
            then(typist) if callable(then) else typist.type(then)
        while typist.read():
            pass
        assert termios.tcgetattr(typist.tty) == before, typist.shown
        return typist.shown.replace(b'\r', b'').decode(), typist.end()


def kill(number):
    return lambda typist: os.kill(typist.pid, number)


def resize(typist):
    termios.tcsetwinsize(typist.tty, (50, 132))


def test_a_login_shell_has_a_terminal_by_itself(one):
    shown, status = one('h1', steps=[(b'# ', 'stty size; tty -s && echo is tty $TERM; exit 5\r')], raw=True)
    assert '\n24 80\nis tty' in shown and shown.endswith(' closed.\n') and status == 5, shown


def test_a_command_has_one_where_that_is_wanted(one):
    shown, status = one('-t', 'h1', 'stty size; read x; echo got $x; exit 3', steps=[(b'24 80', 'hello\r')], raw=True)
    assert shown.startswith('24 80\nhello\ngot hello\nConnection to ') and status == 3, shown
    shown, status = one('h1', 'tty; read x; echo got $x', steps=[(b'not a tty', 'hello\r')], raw=False)
    assert (shown, status) == ('not a tty\nhello\ngot hello\n', 0)


def test_a_command_has_none_where_that_is_not_wanted(one):
    for words in (['-T', 'h1', 'tty'], ['-n', '-t', 'h1', 'tty']):
        shown, status = one(*words)
        assert shown.endswith('not a tty\n') and status == 1, shown


def test_a_terminal_there_needs_none_here(twins):
    for words in (['-t'], ['-tt'], ['-t', '-t']):
        real, ours = twins.each(*words, 'h1', 'stty size 2>/dev/null; echo x')
        assert (real.rc, real.out) == (ours.rc, ours.out), f'{real}\n{ours}'
    # Keys that come through a pipe, and a terminal for what is shown: it is left as it is.
    typist = Typist(['sh', '-c', 'echo exit 3 | "$@"', 'sh', *twins.ours, '-tt', 'h1'], twins.hop.env, twins.hop.cwd)
    typist.until(b' closed.')
    assert typist.end() == 3, typist.shown


@pytest.mark.parametrize('does, shows, status', [(resize, '50 132\n', 8), (CTRL_C, 'INT\n', 9)], ids=['resize', 'interrupt'])
def test_what_happens_at_the_terminal_arrives_there(one, twins, does, shows, status):
    if does is resize and one.who == twins.real:
        # It learns of a size between two looks only with the next key.
        does = lambda typist: (resize(typist), typist.type(' '))
    shown, ended = one('-t', 'h1', WAITS, steps=[(b'up\r\n', does)], raw=True)
    assert shows in shown and ended == status, shown


def test_an_interrupted_command_ends_as_with_ssh(one):
    shown, status = one('-t', 'h1', 'echo up; exec sleep 1000', steps=[(b'up\r\n', CTRL_C)])
    assert 'up\n^C' in shown and status == 255, shown


def test_the_end_of_input_is_a_key(one):
    for words in (['-t', 'h1'], ['h1']):
        shown, status = one(*words, 'echo up; cat; echo end', steps=[(b'up\r\n', 'abc\r'), (b'abc\r\nabc\r\n', CTRL_D)])
        assert 'abc\nabc\nend\n' in shown and status == 0, shown


@pytest.mark.parametrize('keys', ['~.', '\r~.', 'x\r~.'])
def test_an_escape_leaves(one, keys):
    shown, status = one('-t', 'h1', 'stty -echo; echo up; exec cat >/dev/null', steps=[(b'up\r\n', keys)])
    assert shown.startswith('up\nConnection to ') and shown.endswith(' closed.\n') and status == 255, shown


def test_without_an_escape_all_keys_are_passed_on(one):
    shown, status = one('-e', 'none', '-t', 'h1', 'stty -echo; echo up; read x; echo "<$x>"', steps=[(b'up\r\n', '~.\r')])
    assert '<~.>\n' in shown and status == 0, shown


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT])
def test_a_signal_leaves_the_terminal_as_it_was(one, number):
    assert one('-t', 'h1', WAITS, steps=[(b'up\r\n', kill(number))], raw=True) == ('up\n', 255)


def test_a_lost_link_leaves_the_terminal_as_it_was(ours):
    shown, status = ours('-t', 'h1', 'stty -echo; echo up; read x; kill -9 $PPID; sleep 1000', steps=[(b'up\r\n', '\r')], raw=True)
    assert status == 255 and 'h1' in shown, shown


def test_a_killed_session_leaves_the_terminal_as_it_was(ours):
    assert ours.hop('up', '-w', 'h1').rc == 0
    session = int(ours.hop('ssh', '-O', 'check', 'h1').said.partition('pid=')[2].partition(')')[0])
    shown, status = ours('-t', 'h1', WAITS, steps=[(b'up\r\n', lambda _: os.kill(session, signal.SIGKILL))], raw=True)
    assert (shown, status) == ('up\nConnection to h1 closed by remote host.\n', 255)
    # Its socket is in nobody's way.
    assert ours.hop('up', '-w', 'h1').rc == 0 and ours.hop('down').rc == 0


# Questions

@pytest.fixture
def asked(site, ssh):
    if not site.accounts.private:
        pytest.skip('passwords need accounts of their own')
    server = AskingSshd(site, pam=False)
    server.alias('secret', User='hvask')
    yield server
    server.daemon.close()


@pytest.fixture
def unknown(asked, hop):
    """Its key is not known yet; where it will be."""
    known = hop.scratch / 'known'
    asked.alias('unknown', User='hvask', HostKeyAlias='unknown', UserKnownHostsFile=known, StrictHostKeyChecking='ask')
    return known


def test_a_password_is_asked_for_at_the_terminal(one, asked):
    shown, status = one('secret', 'echo in', steps=[(b"'s password: ", f'{PASSWORD}\r')])
    assert shown.endswith("hvask@hopvine-host's password: \nin\n") and status == 0 and PASSWORD not in shown, shown


def test_a_wrong_password_is_asked_for_again_as_often_as_ssh_does(one, asked):
    shown, status = one('secret', 'echo in', steps=[(b"'s password: ", 'wrong\r'), (b"'s password: \r\n", lambda _: None),
                                                   (b'password: \r\n', once_more("'s password: ", f'{PASSWORD}\r'))])
    assert shown.endswith('\nin\n') and shown.count("'s password: ") == 2 and status == 0, shown
    refused, status = one('-o', 'NumberOfPasswordPrompts=1', 'secret', 'true', steps=[(b"'s password: ", 'wrong\r')])
    assert status == 255 and 'Permission denied' in refused and refused.count("'s password: ") == 1, refused


def once_more(marker, keys):
    """Types when it is shown for the second time."""
    def then(typist):
        while typist.shown.decode().count(marker) < 2:
            assert typist.read(), typist.shown
        typist.type(keys)
    return then


def test_nothing_is_asked_where_that_is_not_wanted(one, asked, unknown):
    shown, status = one('-o', 'BatchMode=yes', 'secret', 'true')
    assert status == 255 and 'password: ' not in shown and 'Permission denied' in shown, shown
    shown, status = one('-o', 'BatchMode=yes', 'unknown', 'true')
    assert status == 255 and 'yes/no' not in shown and 'Host key verification failed.' in shown, shown


def test_nothing_is_asked_without_a_terminal(twins, asked, unknown):
    for host in ('secret', 'unknown'):
        for result in twins.each(host, 'true', stdin=f'{PASSWORD}\n'.encode()):
            assert result.rc == 255 and b'yes/no' not in result.err and result.seconds < 20, result
    assert not unknown.exists()


def test_a_key_that_is_not_known_is_shown_and_taken_with_yes_only(one, asked, unknown):
    shown, status = one('unknown', 'true', steps=[(b'(yes/no', 'no\r')])
    assert status == 255 and 'fingerprint is SHA256:' in shown and not unknown.exists(), shown
    shown, status = one('unknown', 'echo in', steps=[(b'(yes/no', 'perhaps\r'), (b"Please type 'yes'", 'yes\r'),
                                                     (b"'s password: ", f'{PASSWORD}\r')])
    assert shown.endswith('\nin\n') and status == 0 and unknown.read_text().startswith('unknown ssh-ed25519 '), shown
    unknown.unlink()


def test_what_is_typed_is_shown_where_a_key_is_asked_about_and_nowhere_else(one, asked, unknown):
    shown, status = one('unknown', 'echo in', steps=[(b'(yes/no', 'perhaps\r'), (b"Please type 'yes'", 'yes\r'),
                                                     (b"'s password: ", f'{PASSWORD}\r')])
    answers = [line.rpartition('? ')[2].rpartition(': ')[2] for line in shown.splitlines() if "(yes/no" in line or 'Please type' in line]
    assert answers == ['perhaps', 'yes'] and status == 0, shown
    assert PASSWORD not in shown and "'s password: \nin\n" in shown, shown
    assert '\n\n' not in shown, shown


def test_who_breaks_off_at_a_question_is_not_let_in(one, asked):
    # The real ssh may be between its question and its wait for an answer: then it sees the signal with the next key,
    # which is no answer to either of them.
    shown, status = one('secret', 'echo in', steps=[(b"'s password: ", CTRL_C), (b'', '\r')])
    assert status not in (0, None) and '\nin\n' not in shown and shown.count("'s password: ") == 1, shown
