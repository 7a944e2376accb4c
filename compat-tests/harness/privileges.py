"""Accounts with a password, and what sudo, su, doas and the ssh server make of each of them."""

import functools
import pathlib
import secrets
import shutil
import subprocess

# Odd characters on purpose: no shell and no terminal may change them. Searched for in all that a run shows.
PASSWORD = f'canary-{secrets.token_hex(8)} "$\\~é'
# Enough of it to be no chance, without what JSON would escape.
CANARY = PASSWORD.split()[0].encode()
CODE_QUESTION = 'Verification code: '

# What differs for an account that sudo lets do anything; `hvask` is plain.
DEFAULTS = {
    'hvask': '',
    'hvtty': 'requiretty',
    'hvpty': 'use_pty',
    'hvlog': 'log_input, log_output',
    'hvstars': 'pwfeedback',
    'hvwords': 'passprompt="Speak, friend: "',
    'hvforced': 'passprompt="[sudo] password for %p: ", passprompt_override',
    'hvlecture': 'lecture=always, lecture_file=/etc/lecture',
    'hvtarget': 'targetpw',
    'hvcode': '',
    'hvcodefirst': '',
    'hvexpired': '',
    'hvstale': '',
    'hvlocked': '',
}
# No rule of sudo's lets these do anything: the second is in a group that su does not serve.
STRANGERS = ['hvother', 'hvbarred', 'hvnorule']
FREE = 'hvfree'
USERS = [*DEFAULTS, FREE, *STRANGERS]

# Its last line is one that a reader of prompts could fall for.
LECTURE = 'We trust you have received the usual lecture.\n[sudo] password for everybody: \nPassword: \n'

SUDOERS = '''\
Defaults !fqdn, !use_pty, !syslog, !mail_no_user, !mail_badpass, !lecture, env_reset, timestamp_timeout=0
Defaults secure_path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
Defaults iolog_dir=/run/sudo-io, lecture_status_dir=/run/sudo-lectured
root ALL=(ALL:ALL) ALL
hvfree ALL=(ALL:ALL) NOPASSWD: ALL
'''

DOAS = '''\
permit nopass hvfree
permit hvask as hvother
permit hvask as root
permit hvexpired as hvother
'''

# {first}: before the password. pam_unix would make every failure wait for two seconds.
STACK = '''\
{first}{before}auth required pam_unix.so nodelay
{after}account required pam_unix.so
password required pam_unix.so
session required pam_permit.so
'''
SU_FIRST = '''\
auth requisite pam_wheel.so deny use_uid group=hvbarred
auth sufficient pam_rootok.so
'''
SERVICES = {'su': SU_FIRST, 'su-l': SU_FIRST, 'sudo': '', 'sudo-i': '', 'doas': '', 'sshd': '', 'other': ''}


class Privileges:
    """The files for a private /etc; `missing` says by name what they cannot have (`code`)."""

    def __init__(self, run_dir):
        self.heard = pathlib.Path(run_dir) / 'codes'  # what the one-time code's question was answered with
        self.module = pathlib.Path(run_dir) / 'asks.so'
        self.missing = {}
        source = pathlib.Path(__file__).with_name('asks.c')
        if not shutil.which('cc'):
            self.missing['code'] = 'no C compiler for a PAM module that asks for a code'
        else:
            subprocess.run(['cc', '-shared', '-fPIC', '-o', self.module, source], check=True)
            self.heard.touch(mode=0o666)

    def shadow(self, user):
        """The password's fields in shadow(5)."""
        changed = '0' if user == 'hvstale' else '19000'
        expired = '19001' if user == 'hvexpired' else ''
        lock = '!' if user == 'hvlocked' else ''
        return f'{user}:{lock}{self.hash}:{changed}:0:99999:7::{expired}:'

    @functools.cached_property
    def hash(self):
        salted = ['perl', '-e', 'chomp($word = <STDIN>); print crypt($word, q($6$hopvine$))']
        return subprocess.run(salted, input=PASSWORD, capture_output=True, text=True, check=True).stdout

    def write(self, etc):
        rules = ''.join(f'{user} ALL=(ALL:ALL) ALL\n' for user in DEFAULTS)
        settings = ''.join(f'Defaults:{user} {text}\n' for user, text in DEFAULTS.items() if text)
        write(etc / 'sudoers', SUDOERS + settings + rules, 0o440)
        write(etc / 'lecture', LECTURE, 0o644)
        write(etc / 'doas.conf', DOAS, 0o600)
        write(etc / 'login.defs', 'FAIL_DELAY 0\nENV_PATH PATH=/usr/local/bin:/usr/bin:/bin\n', 0o644)
        (etc / 'pam.d').mkdir()
        for service, first in SERVICES.items():
            stack = STACK.format(first=first, before=self._code('hvcodefirst'), after=self._code('hvcode'))
            write(etc / 'pam.d' / service, stack, 0o644)

    def _code(self, user):
        if self.missing:
            return ''
        return (f'auth [success=1 default=ignore] pam_succeed_if.so quiet user != {user}\n'
                f'auth required {self.module} {self.heard} [{CODE_QUESTION}]\n')


def write(path, text, mode):
    path.touch(mode=0o600)
    path.write_text(text)
    path.chmod(mode)
