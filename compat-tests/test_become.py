"""Becoming another user by the real sudo, su and doas: whatever their rules say, whatever they ask, however it ends.

Accounts and rules are those of harness/privileges.py.
"""

import pathlib
import re
import shlex
import shutil

import pytest

from harness import pythons
from harness.lookout import Lookout
from harness.places import PLACES, at_each_place, here_and_behind_python, way
from harness.privileges import CANARY, CODE_QUESTION, PASSWORD
from harness.seat import Seat
from harness.typist import Typist

PLAIN = 'hvask'
OTHER = 'hvother'
EVERY_BYTE = bytes(range(256)) * 4096
SAY_WHO = 'id -un >&2; exec cat'
THREE_DEEP = 'three deep'

# By account and hop.
RIGHT = {
    'no password asked for': ('hvfree', 'sudo:'),
    'plain': (PLAIN, f'sudo:{OTHER}'),
    'requiretty': ('hvtty', f'sudo:{OTHER}'),
    'use_pty': ('hvpty', f'sudo:{OTHER}'),
    'log_input and log_output': ('hvlog', f'sudo:{OTHER}'),
    'pwfeedback': ('hvstars', f'sudo:{OTHER}'),
    'passprompt': ('hvwords', f'sudo:{OTHER}'),
    'passprompt_override': ('hvforced', f'sudo:{OTHER}'),
    'lecture': ('hvlecture', f'sudo:{OTHER}'),
    'targetpw': ('hvtarget', f'sudo:{OTHER}'),
    'sudo -i': (PLAIN, f'sudo:{OTHER}?login=yes'),
    'su': (PLAIN, f'su:{OTHER}'),
    'su -': (PLAIN, f'su:{OTHER}?login=yes'),
    'doas': (PLAIN, f'doas:{OTHER}'),
    'doas without a question': ('hvfree', 'doas:'),
}

# By account, hop, and which words give the password.
WRONG = {
    'sudo, wrong': (PLAIN, 'sudo:', 'wrong', 'wrong_password'),
    'sudo, none': (PLAIN, 'sudo:', 'none', 'password_needed'),
    'sudo, unknown account': (PLAIN, 'sudo:nobody7', 'right', 'unknown_user'),
    'sudo, no rule': ('hvnorule', 'sudo:', 'right', 'not_allowed'),
    'sudo, locked': ('hvlocked', 'sudo:', 'right', 'wrong_password'),
    'sudo, account expired': ('hvexpired', 'sudo:', 'right', 'password_expired'),
    'sudo, password expired': ('hvstale', 'sudo:', 'right', 'password_expired'),
    'sudo, pwfeedback, wrong': ('hvstars', 'sudo:', 'wrong', 'wrong_password'),
    'sudo, requiretty, wrong': ('hvtty', 'sudo:', 'wrong', 'wrong_password'),
    'sudo, lecture, none': ('hvlecture', 'sudo:', 'none', 'password_needed'),
    'su, wrong': (PLAIN, f'su:{OTHER}', 'wrong', 'wrong_password'),
    'su, none': (PLAIN, f'su:{OTHER}', 'none', 'password_needed'),
    'su, unknown account': (PLAIN, 'su:nobody7', 'right', 'unknown_user'),
    'su, group': ('hvbarred', f'su:{OTHER}', 'right', 'not_allowed'),
    'su, locked': (PLAIN, 'su:hvlocked', 'right', 'wrong_password'),
    'su, account expired': (PLAIN, 'su:hvexpired', 'right', 'password_expired'),
    'su, password expired': (PLAIN, 'su:hvstale', 'right', 'password_expired'),
    'doas, wrong': (PLAIN, f'doas:{OTHER}', 'wrong', 'wrong_password'),
    'doas, none': (PLAIN, f'doas:{OTHER}', 'none', 'password_needed'),
    'doas, unknown account': (PLAIN, 'doas:nobody7', 'right', 'unknown_user'),
    'doas, no rule': ('hvnorule', 'doas:', 'right', 'not_allowed'),
    'doas, account expired': ('hvexpired', f'doas:{OTHER}', 'right', 'password_expired'),
}


class Becoming(Seat):
    """The seat, and the ways to a hop from it."""

    def __init__(self, site, hop):
        super().__init__(site, hop)
        self.wrong_file = hop.scratch / 'wrong'
        self.wrong_file.write_text('not it\n')
        self.gives = {'right': self.secret, 'wrong': ['--secret-file', self.wrong_file], 'none': []}

    def at(self, place, user, hop, verb, *words, **options):
        """Runs it at that place, to its end. Over ssh the controller is root, and the account logs in by key."""
        if place == 'over ssh':
            return self.hop(verb, '-w', f'ssh:{self.site.sshd.alias(user, User=user)}/{hop}', *words, **options)
        if place == THREE_DEEP:
            path = f'local:/ssh:{self.site.sshd.alias(user, User=user)}/{hop}'
            return self.hop(verb, '--relay', 'python', '-w', path, *words, **options)
        return self(user, verb, *way(place, hop), *words, **options)

    def fake(self, program, *questions, by='fake_sudo.py'):
        """A program of that name first in PATH, which asks these; the way to call it, and what it writes down."""
        record = self.hop.scratch / 'answers'
        record.touch(mode=0o666)
        record.chmod(0o666)
        script = pathlib.Path(__file__).parent / 'harness' / by
        shutil.copy(script, self.hop.scratch)  # where every account can read it
        line = shlex.join(['python3', str(self.hop.scratch / script.name), str(record), *questions, '--'])
        folder = self.hop.scratch / 'fakes'
        folder.mkdir(exist_ok=True)
        (folder / program).write_text(f'#!/bin/sh\nexec {line} "$@"\n')
        (folder / program).chmod(0o755)
        return {'PATH': f'{folder}:{self.hop.env["PATH"]}'}, record


@pytest.fixture
def seat(site, hop, need):
    need('ssh')
    if not site.accounts.private:
        pytest.skip('accounts with passwords need root and unshare')
    seat = Becoming(site, hop)
    yield seat
    left = seat.left()
    assert not left, 'left behind:\n' + '\n'.join(left)


@pytest.fixture
def needs_program(site):
    def check(hop):
        program = re.match(r'\w+', hop)[0]
        if not shutil.which(program):
            pytest.skip(f'{program} is not installed')
    return check


def has_become(result, name, data=EVERY_BYTE):
    assert result.rc == 0 and result.err == f'{name}\n'.encode(), result
    assert result.out == data, f'{len(result.out)} bytes came back changed\n{result!r:.2000}'


def has_failed(result, kind):
    """One object that says why, its status, and no word of the password."""
    assert result.rc == 255 and not result.only['ok'] and result.only['error']['kind'] == kind, result
    assert PASSWORD.encode() not in result.out + result.err, result
    # Of sudo, as we close its terminal.
    assert b'restore terminal settings' not in result.out + result.err, result
    return result.only['error']


EVERYWHERE = [(case, place) for case in RIGHT for place in [*PLACES, 'over ssh']
              if place == 'behind Python' or place == 'here' or case in ('plain', 'no password asked for', 'su', 'su -', 'doas', 'sudo -i')]


@pytest.mark.parametrize('case, place', EVERYWHERE)
def test_the_other_user_is_become_and_no_byte_is_changed(seat, needs_program, case, place):
    user, hop = RIGHT[case]
    needs_program(hop)
    result = seat.at(place, user, hop, 'run', *seat.secret, '--', SAY_WHO, stdin=EVERY_BYTE)
    has_become(result, 'root' if hop.endswith(':') else OTHER)


# A native relay hears and tells as the controller itself does: a few have to do.
NATIVE = ['sudo, wrong', 'sudo, none', 'sudo, unknown account', 'su, wrong', 'su, password expired', 'doas, none']
WRONG_AT = [(case, place) for case in WRONG for place in PLACES if place != 'behind a native relay' or case in NATIVE]


# Through hops of other kinds.
WRONG_AT += [(case, THREE_DEEP) for case in (
    'sudo, wrong', 'sudo, none', 'sudo, unknown account', 'sudo, no rule', 'sudo, password expired',
    'su, wrong', 'su, unknown account', 'su, password expired', 'doas, wrong', 'doas, no rule')]


@pytest.mark.parametrize('case, place', WRONG_AT)
def test_each_failure_has_its_own_name(seat, needs_program, case, place):
    user, hop, gives, kind = WRONG[case]
    needs_program(hop)
    result = seat.at(place, user, hop, 'call', '--json', *seat.gives[gives], 'time:time')
    has_failed(result, kind)


@here_and_behind_python
@pytest.mark.parametrize('case', [case for case in WRONG if case.split(',')[0] in ('sudo', 'su') and WRONG[case][0] != 'hvtty'])
def test_failures_keep_their_names_in_another_language(seat, case, place):
    """The locale's name is one that every machine has; its language is the user's choice."""
    if not pathlib.Path('/usr/share/locale/fr/LC_MESSAGES/sudo.mo').exists():
        pytest.skip('sudo speaks no French here')
    user, hop, gives, kind = WRONG[case]
    french = {'LC_ALL': 'C.UTF-8', 'LANGUAGE': 'fr'}
    result = seat.at(place, user, hop, 'call', '--json', *seat.gives[gives], 'time:time', env=french)
    has_failed(result, kind)


# By account and hop: whether the command there sees what language the user has chosen.
CHOICE_STAYS = {
    'sudo': (PLAIN, f'sudo:{OTHER}', True), 'sudo -E': (PLAIN, f'sudo:{OTHER}?keep=yes', True),
    'sudo -i': (PLAIN, f'sudo:{OTHER}?login=yes', True), 'su': (PLAIN, f'su:{OTHER}', True),
    'su -': (PLAIN, f'su:{OTHER}?login=yes', False), 'doas': (PLAIN, f'doas:{OTHER}', False)}


@here_and_behind_python
@pytest.mark.parametrize('case', CHOICE_STAYS)
def test_the_command_has_the_language_that_the_user_has_chosen(seat, needs_program, case, place):
    user, hop, stays = CHOICE_STAYS[case]
    needs_program(hop)
    for language in ({'LANGUAGE': 'fr:de'}, {'LANGUAGE': 'C'}, {}):
        env = {'LC_ALL': 'C.UTF-8', 'LANG': 'C', **language}
        result = seat.at(place, user, hop, 'run', *seat.secret, '--', 'env | grep -E "^L(ANG|C_)" | sort', env=env)
        lines = [line for line in result.lines if not line.startswith('LC_CTYPE=')]
        assert lines == ([f'{name}={env[name]}' for name in sorted(env)] if stays else []), result


@here_and_behind_python
def test_a_login_that_chooses_another_language_has_it(seat, site, place):
    home = site.accounts.home(OTHER)
    (home / '.profile').write_text('LANGUAGE=eo; export LANGUAGE\n')
    try:
        for hop in f'sudo:{OTHER}?login=yes', f'su:{OTHER}?login=yes':
            result = seat.at(place, PLAIN, hop, 'run', *seat.secret, '--', 'echo "$LANGUAGE"', env={'LANGUAGE': 'fr'})
            assert result.lines == ['eo'], result
    finally:
        (home / '.profile').unlink()


@pytest.mark.parametrize('code', ['hvcode', 'hvcodefirst'])
@pytest.mark.parametrize('place', [*PLACES, THREE_DEEP])
@pytest.mark.parametrize('program', ['sudo', 'su'])
def test_a_one_time_code_is_not_taken_for_a_password(site, seat, program, place, code):
    """sudo prints our own words for whatever PAM asks with echo off: so nothing can tell the first question from the
    password's, but nobody gets it twice."""
    if 'code' in site.accounts.privileges.missing:
        pytest.skip(site.accounts.privileges.missing['code'])
    heard = site.accounts.privileges.heard
    heard.write_text('')
    user, hop = (code, 'sudo:') if program == 'sudo' else (PLAIN, f'su:{code}')
    error = has_failed(seat.at(place, user, hop, 'call', '--json', *seat.secret, 'time:time'), 'other_question')
    if program == 'su':
        assert CODE_QUESTION.strip() in error['message'] or code == 'hvcodefirst', error
    else:
        assert error['message'].endswith('asks a second question, perhaps for a one-time code'), error
    assert heard.read_text() in ([''] if code == 'hvcode' else ['', f'{PASSWORD}\n'])


SUDO_QUESTIONS = {
    'as sudo-rs': '[sudo: {p}] Password: ',
    'French, no-break space': '[sudo] {p} Mot de passe\u00a0: ',
    'Chinese, full-width colon': '[sudo] {p} 的密码：',
    'no blank at the end': '{p}',
    'on a line after a lecture': 'Password:\r\n[sudo] password for x:\r\n{p} ',
}


@at_each_place
@pytest.mark.parametrize('question', SUDO_QUESTIONS)
def test_a_question_with_our_words_in_it_is_answered_once(seat, question, place):
    env, record = seat.fake('sudo', SUDO_QUESTIONS[question])
    result = seat.at(place, PLAIN, 'sudo:', 'run', *seat.secret, '--', SAY_WHO, stdin=b'in', env=env)
    has_become(result, PLAIN, b'in')
    assert record.read_text() == f'{PASSWORD}\n'


@at_each_place
@pytest.mark.parametrize('program', ['sudo', 'su', 'doas'])
def test_the_password_goes_out_once(seat, program, place):
    env, record = seat.fake(program, '{p} Password: ', '\r\nSorry, try again.\r\n{p} Password: ')
    result = seat.at(place, PLAIN, f'{program}:', 'call', '--json', *seat.secret, 'time:time', env=env)
    has_failed(result, 'wrong_password')
    assert record.read_text() == f'{PASSWORD}\n'


@at_each_place
@pytest.mark.parametrize('program, imitation', [
    ('sudo', '+Password: '), ('sudo', '+[sudo] password for x: '), ('su', '+Password: '), ('doas', '+doas (x) password: ')])
def test_a_banner_that_looks_like_a_question_gets_nothing(seat, program, imitation, place):
    env, record = seat.fake(program, imitation)
    result = seat.at(place, PLAIN, f'{program}:', 'run', *seat.secret, '--', SAY_WHO, stdin=b'in', env=env)
    has_become(result, PLAIN, b'in')
    assert record.read_text() == ''


@at_each_place
@pytest.mark.parametrize('question', ['Password: ', '[sudo] password for x: ', 'Verification code: ', 'Touch your key: '])
def test_a_question_that_is_not_in_our_words_gets_nothing_from_sudo(seat, question, place):
    env, record = seat.fake('sudo', question)
    result = seat.at(place, PLAIN, 'sudo:', 'call', '--json', *seat.secret, 'time:time', env=env)
    error = has_failed(result, 'other_question')
    assert question.strip() in error['message'] and record.read_text() == ''


@at_each_place
def test_a_start_file_that_imitates_sudo_gets_nothing(seat, profile, site, place):
    """The password is in hand, sudo does not ask for it, and the login shell of the other user would like to have it."""
    record = seat.hop.scratch / 'answers'
    record.touch()
    record.chmod(0o666)
    ask = f"stty -echo; printf '[sudo] password for hvfree: '; head -n 1 >{record}; stty echo"
    home = site.accounts.home(OTHER)
    (home / '.profile').write_text(f'({ask}) </dev/tty >/dev/tty 2>&1\n')
    try:
        result = seat.at(place, 'hvfree', f'sudo:{OTHER}?login=yes', 'call', '--json', *seat.secret, 'time:time')
    finally:
        (home / '.profile').unlink()
    has_failed(result, 'other_question')
    assert record.read_text() == ''


@at_each_place
def test_sudo_rs_is_answered_as_sudo_is(seat, place):
    """It warns of the settings in our rules that it does not know."""
    program = shutil.which('sudo-rs')
    if not program:
        pytest.skip('sudo-rs is not installed')
    folder = seat.hop.scratch / 'rs'
    folder.mkdir()
    (folder / 'sudo').symlink_to(program)
    env = {'PATH': f'{folder}:{seat.hop.env["PATH"]}'}
    right = seat.at(place, PLAIN, f'sudo:{OTHER}', 'run', *seat.secret, '--', 'id -un; cat', stdin=b'in', env=env)
    assert (right.rc, right.out) == (0, f'{OTHER}\nin'.encode()), right
    for gives, kind in (('wrong', 'wrong_password'), ('none', 'password_needed')):
        wrong = seat.at(place, PLAIN, f'sudo:{OTHER}', 'call', '--json', *seat.gives[gives], 'time:time', env=env)
        has_failed(wrong, kind)


@at_each_place
def test_su_of_busybox_is_answered_as_others_are(seat, place):
    def su(hop, gives, *words, **options):
        env, record = seat.fake('su', str(seat.password_file), by='busybox_su.py')
        result = seat.at(place, PLAIN, hop, *words[:1], *seat.gives[gives], *words[1:], env=env, **options)
        return result, record.read_text()

    for hop in f'su:{OTHER}', f'su:{OTHER}?login=yes':
        result, heard = su(hop, 'right', 'run', '--', SAY_WHO, stdin=EVERY_BYTE)
        has_become(result, PLAIN)
        assert heard.endswith(f'{PASSWORD}\n')
    for hop, gives, kind in ((f'su:{OTHER}', 'wrong', 'wrong_password'), (f'su:{OTHER}', 'none', 'password_needed'),
                             ('su:nobody7', 'right', 'unknown_user')):
        has_failed(su(hop, gives, 'call', '--json', 'time:time')[0], kind)


@pytest.mark.parametrize('program', ['sudo', 'doas'])
@pytest.mark.parametrize('other', ['hvnologin', 'hvfalse'])
def test_an_account_that_cannot_log_in_can_be_become(seat, needs_program, program, other):
    """As most accounts of services: neither program asks their shell when it is told what to run."""
    needs_program(f'{program}:')
    has_become(seat('hvfree', 'run', '-w', f'{program}:{other}', '--', SAY_WHO, stdin=b'in'), other, b'in')


def test_what_stays_of_the_environment_is_what_was_asked_for(seat, site):
    """HOME, the way a shell was started, and a variable of the user's, as sudo's own options have it."""
    seen = {}
    for options in ('', '?home=yes', '?keep=yes', '?keep=yes&home=yes', '?login=yes'):
        result = seat(PLAIN, 'run', '-w', f'sudo:{OTHER}{options}', *seat.secret, '--',
                      'printf "%s\\n" "$HOME" "${MINE-none}" "$PWD"', env={'MINE': 'kept', 'HOME': '/tmp'})
        assert result.rc == 0, result
        seen[options] = result.lines
    home, cwd = str(site.accounts.home(OTHER)), str(seat.hop.cwd)
    assert seen == {'': [home, 'none', cwd], '?home=yes': [home, 'none', cwd], '?keep=yes': ['/tmp', 'kept', cwd],
                    '?keep=yes&home=yes': [home, 'kept', cwd], '?login=yes': [home, 'none', home]}


HELD = 'echo there; exec head -n 1'
# By account, hop, and how it ends there.
SHOWN = {
    'sudo': (PLAIN, f'sudo:{OTHER}', 0), 'sudo, recorded': ('hvlog', f'sudo:{OTHER}', 0),
    'sudo -E': (PLAIN, f'sudo:{OTHER}?keep=yes', 0), 'su': (PLAIN, f'su:{OTHER}', 0), 'su -': (PLAIN, f'su:{OTHER}?login=yes', 0),
    'doas': (PLAIN, f'doas:{OTHER}', 0), 'deep': (PLAIN, f'sudo:{OTHER}/su:hvtty/sudo:', 0),
    'sudo, locked': ('hvlocked', 'sudo:', 255), 'su, expired': (PLAIN, 'su:hvexpired', 255), 'doas, no rule': ('hvnorule', 'doas:', 255),
}
SOURCES = {
    'a file': lambda seat: (['--secret-file', seat.password_file], {}),
    'a command': lambda seat: (['--secret-command', f'cat {seat.password_file}'], {}),
    'the environment': lambda seat: (['--secret-env', 'MY_SECRET'], {'MY_SECRET': PASSWORD}),
}

# Each from another of the sources; natively where no other account's PATH has to lead to the program.
SEEN = [(case, place) for case in SHOWN for place in PLACES if (case, place) != ('deep', 'behind a native relay')]


@pytest.mark.parametrize('case, place', SEEN)
def test_the_password_is_seen_nowhere(seat, needs_program, case, place):
    user, hop, rc = SHOWN[case]
    needs_program(hop)
    words, env = list(SOURCES.values())[SEEN.index((case, place)) % len(SOURCES)](seat)
    live = seat.start(user, 'run', '-v', '--json', *way(place, hop), *words, '--', HELD, env=env, stdin=-1)
    # What the user has put into our environment is there for the user; no child of ours has it.
    lookout = Lookout(seat.hop, live)
    if rc == 0:
        live.until(b'', 'err')
        live.feed(b'done\n')
    live.end_input()
    result = live.finish()
    found = lookout.end()
    assert lookout.rounds and not found, found
    assert result.rc == rc and CANARY not in result.out + result.err, result


def test_the_lookout_sees_what_is_there(seat):
    """The proof for the test above: a password that a command line holds is found."""
    live = seat.start(PLAIN, 'run', '-w', 'local:', '--', f'echo up; head -n 1; : {CANARY.decode()}', stdin=-1)
    live.until(b'up')
    lookout = Lookout(seat.hop, live)
    lookout.look()
    live.end_input()
    assert lookout.end() and live.finish().rc == 0


@pytest.mark.parametrize('source', SOURCES)
def test_a_password_is_taken_from_where_the_user_says(seat, source):
    words, env = SOURCES[source](seat)
    has_become(seat(PLAIN, 'run', '-w', f'sudo:{OTHER}', *words, '--', SAY_WHO, stdin=b'x', env=env), OTHER, b'x')


# Two that run these must call them the same: the password is new for each.
NO_PASSWORD = {
    'no such file': (['--secret-file', '/nonexistent/password'], {}, 'No such file'),
    'an empty file': (['--secret-file', '/dev/null'], {}, 'empty'),
    'a command that fails': (['--secret-command', 'exit 3'], {}, '3'),
    'a command that says nothing': (['--secret-command', 'true'], {}, 'empty'),
    'a command that says two lines': (['--secret-command', f'echo {CANARY.decode()}; echo two'], {}, 'one line'),
    'no such variable': (['--secret-env', 'UNSET_SECRET'], {}, 'UNSET_SECRET'),
    'an empty variable': (['--secret-env', 'MY_SECRET'], {'MY_SECRET': ''}, 'empty'),
    'a variable of two lines': (['--secret-env', 'MY_SECRET'], {'MY_SECRET': f'{CANARY.decode()}\ntwo'}, 'one line'),
    '-K without a terminal': (['-K'], {}, 'terminal'),
    '-k without a terminal': (['-k'], {}, 'terminal'),
}


@pytest.mark.parametrize('words, env, says', NO_PASSWORD.values(), ids=NO_PASSWORD)
def test_a_password_that_cannot_be_had_is_told_before_anything_is_started(hop, words, env, says):
    started = hop.scratch / 'started'
    target = hop.way_through(f'touch {started}; exec sh -c "$1"\n')
    result = hop('run', '-w', f'{target},{target}/sudo:', *words, '--', 'true', env=env)
    assert result.rc == 2 and result.out == b'' and says in result.said and not started.exists(), result
    # What a command line of the user's holds, the user has shown already.
    assert words[0] == '--secret-command' or CANARY not in result.err, result


def test_it_asks_once_on_the_terminal_and_shows_nothing_of_what_is_typed(seat, site):
    target = f'sudo:{OTHER},local:/sudo:{OTHER}'
    argv = [*site.accounts.become(PLAIN, seat.server, seat.hop.cwd), seat.hop.path, 'run', '-n', '-w', target, '-K', '--']
    typist = Typist([*argv, 'id -un'], seat.hop.env, seat.hop.cwd)
    typist.until(b'password')
    typist.type(f'{PASSWORD}\n')
    assert typist.end() == 0, typist.shown
    assert typist.shown.count(f'{OTHER}\r\n'.encode()) == 2 and typist.shown.count(b'password') == 1, typist.shown
    assert CANARY not in typist.shown


@pytest.mark.parametrize('python', pythons.oldest_and_newest(), ids=str)
@pytest.mark.parametrize('becoming', ['sudo:hvother', 'su:hvother', 'doas:hvother'])
def test_every_python_has_a_terminal_for_the_program_that_asks(seat, needs_program, site, python, becoming):
    needs_program(becoming)
    path = site.accounts.reachable(python)
    if not path:
        pytest.skip(f'{python}: {python.path} cannot be shown to other accounts')
    target = f'local:?python={path}/{becoming}'
    result = seat(PLAIN, 'run', '-w', target, '--relay', 'python', *seat.secret, '--', SAY_WHO, stdin=EVERY_BYTE)
    has_become(result, OTHER)
    wrong = seat(PLAIN, 'call', '--json', '-w', target, '--relay', 'python', *seat.gives['wrong'], 'time:time')
    has_failed(wrong, 'wrong_password')
