"""An OpenSSH server that asks for passwords, beside the one that takes keys only."""

import itertools
import os
import subprocess
import time

from .daemon import Daemon, free_port
from .leaks import read
from .process import exits

NUMBERS = itertools.count(1)


class AskingSshd:
    """With the accounts of privileges.py. `pam`: asks what PAM wants to know, else for the password of shadow(5).
    `more`: options of sshd."""

    def __init__(self, site, pam, **more):
        self.sshd = site.sshd
        self.port = free_port()
        name = f'asking-{next(NUMBERS)}'
        self.keys = site.dir / f'{name}-keys'
        self.keys.touch()
        yes_no = ('yes', 'no') if pam else ('no', 'yes')
        options = {'UsePAM': yes_no[0], 'KbdInteractiveAuthentication': yes_no[0], 'PasswordAuthentication': yes_no[1],
                   'LogLevel': 'VERBOSE', 'AuthorizedKeysFile': self.keys, **more}
        lines = (site.dir / 'sshd_config').read_text().splitlines()
        kept = [line for line in lines if not line.startswith(('ListenAddress', *options))]
        head = [f'ListenAddress 127.0.0.1:{self.port}', *(f'{option} {value}' for option, value in options.items())]
        config = site.dir / f'{name}_config'
        config.write_text('\n'.join([*head, *kept]) + '\n')
        self.log = site.dir / f'{name}.log'
        command = [*site.sshd.command[:-1], config]
        self.daemon = Daemon(command, self.log, [('127.0.0.1', self.port)], env={'PATH': os.environ['PATH']})

    def alias(self, name, **options):
        return self.sshd.alias(name, **{'Port': self.port, 'PubkeyAuthentication': 'no', **options})

    def protected_key(self, name, phrase):
        """A key that this server takes, and that nobody can use without its phrase."""
        path = self.sshd.dir / name
        # ssh-keygen takes a phrase from its command line, or asks for it like this.
        subprocess.run(['ssh-keygen', '-q', '-t', 'ed25519', '-C', name, '-f', path, '-N', phrase], check=True)
        self.keys.write_text(path.with_name(f'{name}.pub').read_text())
        return path

    def attempts(self):
        """The failed passwords that it has written down, when it is done with all who came."""
        pid = self.daemon.pid
        for session in read(f'/proc/{pid}/task/{pid}/children').split():
            assert exits(int(session), time.monotonic() + 10)
        return [line for line in self.log.read_text().splitlines() if line.startswith('Failed ')]

    def close(self):
        self.daemon.close()
