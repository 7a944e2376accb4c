"""A Docker daemon of the tests' own, with images made of the Debian root of provision.sh: nothing is fetched."""

import os
import pathlib
import shutil
import subprocess
import tempfile

from .binary import REPO
from .daemon import Daemon
from .process import Process

ROOT = pathlib.Path(os.environ.get('HOPVINE_FORKY', REPO / 'target/forky')).resolve()
IMAGE, BARE, EMPTY = 'hopvine-test:1', 'hopvine-bare:1', 'hopvine-empty:1'
# Of a container with this machine's own programs.
USER, UID = 'worker', 30500
NOT_NEEDED = ['./dev/*', './proc/*', './sys/*', './usr/share/*', './var/cache/*', './var/lib/*', './python3']
NO_PYTHON = ['./usr/bin/python*', './usr/lib/python*']
# Whatever dockerd writes for itself goes into its folders or, in this namespace, nowhere.
OPTIONS = ['--bridge=none', '--iptables=false', '--ip-forward=false', '--ip-masq=false', '--log-level=warn']

WAIT = 'int pause(void); int main(void) { for (;;) pause(); }'


class Docker:
    """`missing` says why there is none. `docker('ps', '-a')` returns what that prints."""

    def __init__(self, site):
        # One for each module; the path of a socket must be short.
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix='docker-', dir=site.dir))
        self.socket = self.dir / 'socket'
        self.log = site.dir / f'{self.dir.name}.log'
        self.daemon = None
        self.env = {'PATH': os.environ['PATH'], 'HOME': str(site.dir), 'DOCKER_HOST': f'unix://{self.socket}'}
        self.missing = self._cannot_be(site)
        if not self.missing:
            self._start(site)

    def __call__(self, *words, **options):
        ran = subprocess.run(['docker', *map(str, words)], env=self.env, capture_output=True, text=True, **options)
        assert ran.returncode == 0, (words, ran.stderr)
        return ran.stdout.strip()

    def with_our_programs(self, name, folder):
        """Starts a container that has this machine's /usr, to read, and that folder at its path; and `USER`, with a home."""
        root = self.dir / name
        for each in ('proc', 'dev', 'sys', 'run', 'usr', 'tmp', 'root', 'sbin', f'home/{USER}', 'etc'):
            (root / each).mkdir(parents=True)
        for each in ('bin', 'lib', 'lib64'):
            (root / each).symlink_to(f'usr/{each}')
        (root / 'tmp').chmod(0o1777)
        os.chown(root / 'home' / USER, UID, UID)
        (root / 'etc/passwd').write_text(f'root:x:0:0::/root:/bin/sh\n{USER}:x:{UID}:{UID}::/home/{USER}:/bin/bash\n')
        (root / 'etc/group').write_text(f'root:x:0:\n{USER}:x:{UID}:\n')
        for each in ('alternatives', 'ld.so.cache'):
            subprocess.run(['cp', '-a', f'/etc/{each}', root / 'etc'], check=True)
        self._import(f'hopvine-{name}:1', ['tar', '-C', root, '-c', '.'])
        mounts = ['-v', '/usr:/usr:ro', '-v', f'{folder}:{folder}']
        self('run', '-d', '--init', f'--name={name}', f'--hostname={name}', *mounts, f'hopvine-{name}:1', 'sleep', 'infinity')

    def containers(self):
        return set(self('ps', '-a', '-q', '--no-trunc').split())

    def running(self, name='app'):
        """The pids, out here, of what runs in a container."""
        return [int(line) for line in self('top', name, '-o', 'pid').splitlines()[1:]]

    def init_of(self, container):
        return int(self('inspect', '-f', '{{.State.Pid}}', container))

    def events(self, *names):
        """A process that prints `EVENT ID` as things happen from now on."""
        filters = [word for name in names for word in ('--filter', f'event={name}')]
        return Process(['docker', 'events', '--since', '0m', *filters, '--format', '{{.Action}} {{.ID}}'], self.env)

    def close(self):
        if self.daemon:
            for container in self.containers():
                self('rm', '-f', container)
            self.daemon.close()

    def _cannot_be(self, site):
        if not site.accounts.private:
            return 'a Docker daemon needs root and unshare'
        for program in ('docker', 'dockerd', 'containerd', 'runc', 'tar', 'cc'):
            if not shutil.which(program, path=os.environ['PATH'] + ':/usr/sbin'):
                return f'{program} is not installed'
        return '' if (ROOT / 'usr/bin').is_dir() else f'{ROOT} is no Debian root to make an image of'

    def _start(self, site):
        self.dir.chmod(0o755)
        folders = [f'--data-root={self.dir}/data', f'--exec-root={self.dir}/exec', f'--pidfile={self.dir}/pid',
                   f'--host=unix://{self.socket}']
        env = {'PATH': os.environ['PATH'] + ':/usr/sbin:/sbin', 'HOME': str(site.dir)}
        try:
            self.daemon = Daemon([*site.accounts.namespace, 'dockerd', *OPTIONS, *folders], self.log, [self.socket], env)
            self._make_image(IMAGE, [])
            self._make_image(BARE, NO_PYTHON)
            self._make_empty_image()
            self('run', '-d', '--init', '--name=app', '--hostname=app', IMAGE, 'sleep', 'infinity')
            self('create', '--name=stopped', IMAGE, 'true')
            self('run', '-d', '--init', '--name=bare', BARE, 'sleep', 'infinity')
            self('run', '-d', '--name=empty', EMPTY, '/wait')
        except AssertionError as error:
            self.missing = f'dockerd does not run here: {self._last_words() or error}'
            self.daemon = self.daemon and self.daemon.close()

    def _make_empty_image(self):
        """Nothing but a program that waits."""
        folder = self.dir / 'empty'
        folder.mkdir()
        (folder / 'wait.c').write_text(WAIT)
        subprocess.run(['cc', '-static', '-o', folder / 'wait', folder / 'wait.c'], check=True)
        self._import(EMPTY, ['tar', '-C', folder, '-c', './wait'])

    def _make_image(self, name, without):
        self._import(name, ['tar', '-C', ROOT, '-c', *(f'--exclude={each}' for each in [*NOT_NEEDED, *without]), '.'])

    def _import(self, name, words):
        tar = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        try:
            self('import', '-', name, stdin=tar.stdout)
        finally:
            tar.stdout.close()
            tar.wait()

    def _last_words(self):
        return (self.log.read_text().strip().splitlines() or [''])[-1]
