"""Test accounts with every login shell, in a mount namespace of their own: the machine's own files stay as they are."""

import os
import pathlib
import pwd
import shutil

from .privileges import USERS, Privileges

# What each account's shell is found as. busybox is its `ash` when called by that name.
SHELLS = {'dash': 'dash', 'bash': 'bash', 'ash': 'busybox', 'ksh': 'ksh', 'zsh': 'zsh', 'fish': 'fish', 'tcsh': 'tcsh'}

# Runs as the first thing in the namespace; "$1" is the folder with the private files, "$2" one with interpreters,
# or empty. All else of /etc is seen as it is; what servers and logins write of their own goes nowhere.
ENTER = '''
set -e
mount -t tmpfs -o mode=755 tmpfs /run
mkdir /run/sshd /run/etc
mount --rbind /etc /run/etc
mount -t tmpfs -o mode=755 tmpfs /etc
mount -t tmpfs -o mode=755 tmpfs /var/log
find /run/etc -mindepth 1 -maxdepth 1 -type l -exec cp -a -t /etc {} +
find /run/etc -mindepth 1 -maxdepth 1 ! -type l -exec ln -s -t /etc {} +
for file in "$1"/*; do rm -f "/etc/${file##*/}"; done
cp -a "$1"/. /etc
mkdir /run/pythons
[ -z "$2" ] || mount --bind "$2" /run/pythons
shift 2
exec "$@"
'''


class Accounts:
    """As root: `hv` (the present uid, so that it reaches every interpreter), `hvbash`, `hvzsh` ..., `hvbare`, and
    `hvfalse` and `hvnologin`, whose shells let nobody in. Those of privileges.py have a password.

    As anybody else only the present user exists, with the shell that it has.
    """

    def __init__(self, run_dir):
        self.dir = pathlib.Path(run_dir)
        self.private = os.getuid() == 0 and shutil.which('unshare') is not None
        # Often below a home that nobody else may enter.
        self.pythons = os.path.join(os.environ.get('PYENV_ROOT') or os.path.expanduser('~/.pyenv'), 'versions')
        self.shells = {}
        self.missing = {}
        if self.private:
            self.privileges = Privileges(self.dir)
            self._find_shells()
            self._write_etc()
        else:
            self.missing = {shell: 'other login shells need root and unshare' for shell in SHELLS}

    @property
    def user(self):
        return 'hv' if self.private else pwd.getpwuid(os.getuid()).pw_name

    @property
    def namespace(self):
        """What to put before a command so that it sees these accounts."""
        if not self.private:
            return []
        return ['unshare', '-m', '--propagation', 'private', 'sh', '-c', ENTER, 'enter', self.dir / 'etc',
                self.pythons if os.path.isdir(self.pythons) else '']

    def become(self, user, server_pid, folder):
        """What to put before a command so that `user` runs it, in the namespace of a server that is up."""
        enter = ['nsenter', f'--mount=/proc/{server_pid}/ns/mnt', f'--wd={folder}']
        return [*enter, 'setpriv', f'--reuid={user}', f'--regid={user}', '--init-groups']

    def reachable(self, python):
        """The path by which every account can start it in the namespace; None where there is none."""
        if python.path.startswith(self.pythons + '/'):
            moved = pathlib.PurePath('/run/pythons', *pathlib.Path(python.path).relative_to(self.pythons).parts)
            wrapper = self.dir / f'python-{python.version}'
            # A shared library of its own is looked for where it was built to be.
            libraries = moved.parent.parent / 'lib'
            wrapper.write_text(f'#!/bin/sh\nLD_LIBRARY_PATH={libraries} exec {moved} "$@"\n')
            wrapper.chmod(0o755)
            return wrapper
        path = pathlib.Path(os.path.realpath(python.path))
        return path if all(each.stat().st_mode & 1 for each in path.parents) else None

    def home(self, user):
        return self.dir / 'homes' / user if self.private else pathlib.Path(pwd.getpwnam(user).pw_dir)

    def _find_shells(self):
        links = self.dir / 'shells'
        links.mkdir()
        for shell, program in SHELLS.items():
            path = shutil.which(program)
            if not path:
                self.missing[shell] = f'{program} is not installed'
            elif shell == program:
                self.shells[shell] = path
            else:
                (links / shell).symlink_to(path)
                self.shells[shell] = str(links / shell)

    def _write_etc(self):
        users = [('hv', 0, '/bin/sh'), ('hvbare', 30000, '/bin/sh'), ('hvfalse', 30100, '/bin/false'),
                 ('hvnologin', 30101, '/usr/sbin/nologin')]
        users += [(f'hv{shell}', 30001 + n, path) for n, (shell, path) in enumerate(self.shells.items())]
        users += [(user, 31000 + n, '/bin/sh') for n, user in enumerate(USERS)]
        added = {'passwd': ['sshd:x:29999:65534::/run/sshd:/usr/sbin/nologin'], 'shadow': [], 'group': []}
        for user, uid, shell in users:
            home = self._make_home(user, uid)
            added['passwd'].append(f'{user}:x:{uid}:{uid}::{home}:{shell}')
            hidden = self.privileges.shadow(user) if user in USERS else f'{user}:*:19000:0:99999:7:::'
            added['shadow'].append(hidden)
            added['group'].append(f'{user}:x:{uid}:')
        # dropbear lets nobody in whose shell is not listed
        added['shells'] = ['/bin/sh', *self.shells.values()]
        etc = self.dir / 'etc'
        etc.mkdir()
        for name, lines in added.items():
            (etc / name).touch(mode=0o600 if name == 'shadow' else 0o644)
            (etc / name).write_text(pathlib.Path('/etc', name).read_text() + '\n'.join(lines) + '\n')
        self.privileges.write(etc)

    def _make_home(self, user, uid):
        home = self.home(user)
        keys = home / '.ssh/authorized_keys'
        keys.parent.mkdir(parents=True)
        keys.write_text((self.dir / 'user_key.pub').read_text())
        for path in (home, keys.parent, keys):
            os.chown(path, uid, uid)
        return home
