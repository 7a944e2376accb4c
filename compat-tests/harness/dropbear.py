"""A private dropbear, the other ssh server that people meet: the alias `drop`."""

import os
import shutil
import subprocess

from .daemon import Daemon, free_port


class Dropbear:
    def __init__(self, client, accounts):
        self.client, self.accounts = client, accounts
        self.dir = client.dir
        self.port = free_port()
        path = os.environ['PATH'] + ':/usr/sbin'
        self.program, self.keygen = shutil.which('dropbear', path=path), shutil.which('dropbearkey', path=path)

    @property
    def missing(self):
        if not (self.program and self.keygen):
            return 'dropbear is not installed'
        # It reads keys from the account's real home only, which is not ours to write to.
        return '' if self.accounts.private else 'dropbear needs accounts of our own, so root and unshare'

    def start(self):
        key = self.dir / 'drop_key'
        subprocess.run([self.keygen, '-t', 'ed25519', '-f', key], check=True, capture_output=True)
        shown = subprocess.run([self.keygen, '-y', '-f', key], check=True, capture_output=True, text=True).stdout
        public = next(line for line in shown.splitlines() if line.startswith('ssh-ed25519'))
        with open(self.client.known_hosts, 'a') as known:
            known.write(f'hopvine-drop {public}\n')
        argv = [*self.accounts.namespace, self.program, '-F', '-E', '-p', f'127.0.0.1:{self.port}', '-r', key,
                '-P', self.dir / 'dropbear.pid']
        self.daemon = Daemon(argv, self.dir / 'dropbear.log', [('127.0.0.1', self.port)],
                             env={'PATH': os.environ['PATH']})
        self.client.alias('drop', HostName='127.0.0.1', Port=self.port, User=self.accounts.user,
                          HostKeyAlias='hopvine-drop')
        for shell in self.accounts.shells:
            self.client.alias(f'drop-{shell}', HostName='127.0.0.1', Port=self.port, User=f'hv{shell}',
                              HostKeyAlias='hopvine-drop')
        return self

    def close(self):
        self.daemon.close()
