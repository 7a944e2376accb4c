"""Becoming another user by the real sudo, su and doas: whatever their rules say, whatever they ask, however it ends.

Accounts and rules are those of harness/privileges.py; each is asked of directly, behind a Python relay and over ssh.
"""

import os
import pathlib
import pty
import re
import select
import shlex
import shutil
import sys
import threading
import time

import pytest

from harness import pythons
from harness.leaks import command_line, read
from harness.privileges import CODE_QUESTION, PASSWORD
from harness.seat import Seat

PLAIN = 'hvask'
OTHER = 'hvother'
EVERY_BYTE = bytes(range(256)) * 4096
SAY_WHO = 'id -un >&2; exec cat'

# Where hops of an account start from. Over ssh the controller is root, and the account logs in by key.
PLACES = {'here': '{hop}', 'behind a relay': 'local:/{hop}', 'over ssh': 'ssh:{user}/{hop}'}
HERE_AND_BEHIND = ['here', 'behind a relay']

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
    'sudo, no rule': ('hvnobody', 'sudo:', 'right', 'not_allowed'),
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
    'doas, no rule': ('hvnobody', 'doas:', 'right', 'not_allowed'),
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
        """Runs it at that place of PLACES, to its end."""
        target = PLACES[place].format(user=self.site.sshd.alias(user, User=user), hop=hop)
        if place == 'over ssh':
            return self.hop(verb, '-w', target, *words, **options)
        return self(user, verb, '-w', target, *words, **options)

    def fake(self, program, *questions):
        """A program of that name first in PATH, which asks these; the way to call it, and what it writes down."""
        record = self.hop.scratch / 'answers'
        record.touch(mode=0o666)
        record.chmod(0o666)
        script = pathlib.Path(__file__).parent / 'harness/fake_sudo.py'
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
    return result.only['error']


@pytest.mark.parametrize('place', PLACES)
@pytest.mark.parametrize('case', RIGHT)
def test_the_other_user_is_become_and_no_byte_is_changed(seat, needs_program, case, place):
    user, hop = RIGHT[case]
    needs_program(hop)
    result = seat.at(place, user, hop, 'run', *seat.secret, '--', SAY_WHO, stdin=EVERY_BYTE)
    has_become(result, 'root' if hop.endswith(':') else OTHER)


@pytest.mark.parametrize('place', HERE_AND_BEHIND)
@pytest.mark.parametrize('case', WRONG)
def test_each_failure_has_its_own_name(seat, needs_program, case, place):
    user, hop, gives, kind = WRONG[case]
    needs_program(hop)
    result = seat.at(place, user, hop, 'call', '--json', *seat.gives[gives], 'time:time')
    has_failed(result, kind)
