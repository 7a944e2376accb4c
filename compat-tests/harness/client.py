"""The user's side of ssh: one key, one configuration, and an `ssh` first in PATH that reads nothing else."""

import os
import pathlib
import shutil
import subprocess


class SshClient:
    """Each alias is a small file of its own, so that a test can add one. First value wins, as in ssh_config."""

    def __init__(self, run_dir):
        self.dir = pathlib.Path(run_dir)
        self.bin = self.dir / 'bin'
        self.aliases = self.dir / 'aliases'
        self.config = self.dir / 'ssh_config'
        self.known_hosts = self.dir / 'known_hosts'
        self.missing = [name for name in ('ssh', 'ssh-keygen') if not shutil.which(name)]
        self.bin.mkdir()
        self.aliases.mkdir()
        if not self.missing:
            self._write()

    @property
    def key(self):
        return self.dir / 'user_key'

    def public_key(self, name):
        return (self.dir / f'{name}.pub').read_text()

    def alias(self, name, **options):
        lines = ''.join(f'    {option} {value}\n' for option, value in options.items())
        (self.aliases / name).write_text(f'Host {name}\n{lines}')
        return name

    def _write(self):
        for name in ('user_key', 'host_key', 'stranger_key'):
            keygen = ['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-C', name, '-f', self.dir / name]
            subprocess.run(keygen, check=True)
        # By alias and not by address: the same key answers at every loopback address and through every proxy.
        self.known_hosts.write_text(f'hopvine-host {self.public_key("host_key")}')
        (self.dir / 'known_wrong').write_text(f'hopvine-host {self.public_key("stranger_key")}')
        self.config.write_text(f'''\
Include {self.aliases}/*
Host *
    IdentityFile {self.key}
    IdentitiesOnly yes
    IdentityAgent none
    HostKeyAlias hopvine-host
    UserKnownHostsFile {self.known_hosts}
    GlobalKnownHostsFile /dev/null
    StrictHostKeyChecking yes
''')
        wrapper = self.bin / 'ssh'
        wrapper.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {self.config} "$@"\n')
        wrapper.chmod(0o755)

    def environment(self, run_id, home):
        """What a user's shell would hand to the program, and nothing of this machine's own habits."""
        # pyenv's shims are shell scripts that take 100 ms; a PATH with them would measure pyenv.
        folders = [folder for folder in os.get_exec_path() if not folder.endswith('/shims')]
        return {'PATH': os.pathsep.join([str(self.bin), *folders]), 'HOME': f'{home}/home', 'TMPDIR': f'{home}/tmp',
                'XDG_RUNTIME_DIR': f'{home}/run', 'XDG_STATE_HOME': f'{home}/state',
                'LANG': 'C.UTF-8', 'USER': 'tester', 'HOPVINE_TEST': run_id}
