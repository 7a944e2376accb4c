"""Everything of one run in one temporary folder: keys, servers, accounts, and a fresh home for each test."""

import itertools
import pathlib
import shutil
import tempfile

from .accounts import Accounts
from .binary import BINARY, Hopvine
from .client import SshClient
from .dropbear import Dropbear
from .sshd import Sshd


class Site:
    """`missing` says, by name of what is not here (`ssh`, `drop`, a shell), why."""

    def __init__(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix='hopvine-'))
        self.dir.chmod(0o755)  # other accounts have their homes below it
        self.run_id = self.dir.name
        self.client = SshClient(self.dir)
        self.missing, self.servers = {}, []
        self._numbers = itertools.count(1)
        if self.client.missing:
            self.missing['ssh'] = self.missing['drop'] = f'{" and ".join(self.client.missing)} not installed'
            return
        self.accounts = Accounts(self.dir)
        self.missing.update(self.accounts.missing)
        self.sshd = Sshd(self.client, self.accounts, self.run_id)
        self._start('ssh', self.sshd)
        self._start('drop', Dropbear(self.client, self.accounts))

    @property
    def server_pids(self):
        return {server.daemon.pid for server in self.servers}

    def hopvine(self):
        """The program as a user with an empty home starts it."""
        place = self.dir / 'tests' / str(next(self._numbers))
        for name in ('home', 'tmp', 'cwd', 'scratch'):
            (place / name).mkdir(parents=True)
        (place / 'run').mkdir(mode=0o700)  # a session of one test is met by no other
        return Hopvine(BINARY, self.client.environment(self.run_id, place), place / 'cwd')

    def close(self):
        for server in self.servers:
            server.close()
        shutil.rmtree(self.dir)

    def _start(self, name, server):
        if server.missing:
            self.missing[name] = server.missing
        else:
            self.servers.append(server.start())
