"""A private OpenSSH server at several loopback addresses: the hosts `h1` to `h8`, and an alias for each shell."""

import os
import shutil
import subprocess

from .daemon import Daemon, free_port

HOSTS = [f'h{n}' for n in range(1, 9)]


class Sshd:
    def __init__(self, client, accounts, run_id):
        self.client, self.accounts, self.run_id = client, accounts, run_id
        self.dir = client.dir
        self.addresses = [f'127.0.0.{n}' for n in range(1, len(HOSTS) + 1)]
        self.port = free_port()
        self.program = shutil.which('sshd', path=os.environ['PATH'] + ':/usr/sbin:/usr/local/sbin')
        self.missing = '' if self.program else 'sshd is not installed'

    def start(self):
        self.command = [*self.accounts.namespace, self.program, '-D', '-e', '-f', self._write_config()]
        self.daemon = Daemon(self.command, self.dir / 'sshd.log', [(address, self.port) for address in self.addresses],
                             env={'PATH': os.environ['PATH']})
        for address, host in zip(self.addresses, HOSTS):
            self.client.alias(host, HostName=address, Port=self.port, User=self.accounts.user)
        for shell in self.accounts.shells:
            self.alias(shell, User=f'hv{shell}')
        if self.accounts.private:
            for name in ('bare', 'false', 'nologin'):
                self.alias(name, User=f'hv{name}')
        return self

    def alias(self, name, **options):
        """One more name for this server; what `options` say wins."""
        defaults = {'HostName': '127.0.0.1', 'Port': self.port, 'User': self.accounts.user}
        return self.client.alias(name, **{**defaults, **options})

    def close(self):
        self.daemon.close()

    def _write_config(self):
        keys = self.dir / 'authorized_keys'
        keys.write_text(self.client.public_key('user_key'))
        path = self.dir / 'sshd_config'
        listen = ''.join(f'ListenAddress {address}:{self.port}\n' for address in self.addresses)
        path.write_text(f'''\
{listen}HostKey {self.dir}/host_key
PidFile none
AuthorizedKeysFile {keys}
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin yes
UseDNS no
Subsystem sftp internal-sftp
LogLevel ERROR
MaxStartups 1000
MaxSessions 1000
SetEnv HOPVINE_TEST={self.run_id}
{self._no_penalties()}Match User hvbare
    SetEnv HOPVINE_TEST={self.run_id} PATH=/nonexistent
''')
        return path

    def _no_penalties(self):
        """Newer servers punish an address for failed logins; ours come from one address, and some fail on purpose."""
        option = 'PerSourcePenalties no'
        known = subprocess.run([self.program, '-G', '-f', '/dev/null', '-o', option], capture_output=True)
        return f'{option}\n' if known.returncode == 0 else ''
