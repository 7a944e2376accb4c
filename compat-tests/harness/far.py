"""Another account, to which tools go by ssh's own program or by this one: the same tests for each."""

import os

import pytest

from .binary import BINARY
from .docker import UID, USER
from .privileges import PASSWORD

NAME = 'far'
# The hops of each way, and the account at its end. Of `hvtty`, sudo wants a terminal and the password.
HOPS = {'ssh': ('ssh:{login}', None), 'sudo': ('ssh:{login}/sudo:hvother', 'hvfree'),
        'requiretty': ('ssh:{login}/sudo:hvother', 'hvtty'), 'docker': ('docker:tools?user=' + USER, None)}
REAL = 'the real ssh'
# What is to be the same by each: a tool over ssh's own program, over `hopvine ssh` by a session of its own or of the
# user's, and over `hopvine fakessh`.
WAYS = [REAL, 'hopvine ssh', 'hopvine ssh, requiretty', 'fakessh', 'fakessh, sudo', 'fakessh, requiretty', 'fakessh, docker']
SOME = [REAL, 'hopvine ssh', 'fakessh, requiretty', 'fakessh, docker']


def by(*ways):
    return pytest.mark.parametrize('remote', ways, indirect=True)


each_way, some_ways = by(*WAYS), by(*SOME)


class Far:
    """`far('rsync', ...)` runs that tool, to which the account is the host `far`; `far.folder` is the account's own, and
    seen here too."""

    def __init__(self, site, hop, way):
        self.hop, self.way = hop, way
        self.real, self.stands_in = way == REAL, way.startswith('fakessh')
        hops, login = HOPS[way.partition(', ')[2] or 'ssh']
        login = login or 'hvbash'
        self.uid = UID if hops.startswith('docker') else uid_of(site, 'hvother' if 'sudo' in hops else login)
        self.port = site.sshd.port
        site.sshd.alias(NAME, User=login)
        self.target = hops.format(login=NAME)
        self.secret = []
        if login == 'hvtty':
            secret = hop.scratch / 'password'
            secret.write_text(f'{PASSWORD}\n')
            self.secret = ['-K', '--secret-file', secret]
        # Where it is found from everywhere: tools call ssh in folders of their own.
        hop.write(hop.cwd.parent / 'home/.config/hopvine/hopvine.toml', f'[hosts]\n{NAME} = "{self.target}"\n')
        self.folder = self.own(hop.scratch / NAME)
        # As whoever types `ssh`: the program under that name; and an sftp that calls it.
        self.ssh, self.sftp = site.client.bin / 'ssh', hop.scratch / 'bin/sftp'
        self.sftp.parent.mkdir()
        if not self.real:
            self.ssh = self.sftp.with_name('ssh')
            self.ssh.symlink_to(BINARY)
        self.sftp.write_text(f'#!/bin/sh\nexec sftp -S {self.ssh} "$@"\n')
        self.sftp.chmod(0o755)
        # What tells the tools, where they are not told by fakessh.
        words = str(self.ssh) if self.real else f'{BINARY} ssh'
        self.env = {} if self.stands_in else {'RSYNC_RSH': words, 'GIT_SSH_COMMAND': words}
        hop.env.update(GIT_CONFIG_NOSYSTEM='1', GIT_AUTHOR_NAME='me', GIT_AUTHOR_EMAIL='me@here', GIT_COMMITTER_NAME='me',
                       GIT_COMMITTER_EMAIL='me@here', PATH=f'{BINARY.parent}:{hop.env["PATH"]}')
        if not self.stands_in and self.secret:
            opened = hop('up', '-w', NAME, *self.secret)
            assert opened.rc == 0, opened

    def own(self, folder):
        """A new folder of the account's; all below it is the account's too."""
        folder.mkdir(exist_ok=True)
        self.give(folder)
        return folder

    def give(self, folder):
        os.chown(folder, self.uid, self.uid)
        for path, folders, files in os.walk(os.fsencode(folder)):
            for name in folders + files:
                os.lchown(os.path.join(path, name), self.uid, self.uid)

    def at(self, path):
        """As tools write a path there."""
        return f'{NAME}:{path}'

    def words(self, tool, *words):
        """The command line that runs a tool this way."""
        if tool in ('scp', 'sftp') and not self.stands_in:
            words = ['-S', self.ssh, *words]
        prefix = [BINARY, 'fakessh', *self.secret, '--'] if self.stands_in else []
        return [*prefix, tool, *words]

    def start(self, tool, *words, env=None, **options):
        return self.hop.program(*self.words(tool, *words), env={**self.env, **(env or {})}, **options)

    def __call__(self, tool, *words, timeout=60, **options):
        return self.start(tool, *words, **options).finish(timeout)

    def line(self, text, *words, **options):
        """A command line of the shell's, in which `$SSH` is ssh."""
        ssh = 'ssh' if self.stands_in else str(self.ssh)
        return self('bash', '-o', 'pipefail', '-c', text, 'bash', *words, env={'SSH': ssh}, **options)


def uid_of(site, user):
    text = (site.accounts.dir / 'etc/passwd').read_text()
    return next(int(line.split(':')[2]) for line in text.splitlines() if line.startswith(f'{user}:'))
