"""The program under test, as a user starts it."""

import json
import os
import pathlib
import re
import shlex

from .process import Process

REPO = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get('HOPVINE', REPO / 'target/hopvine'))
REMOTE = REPO / 'compat-tests/remote'


# "$1" is the folder, "$2" the start command.
HIDE = 'mount -t tmpfs tmpfs "$1" && cd "$1" && exec sh -c "$2"'


class Hopvine:
    """`hop('run', '-w', 'local:', '--', 'echo', 'hi')` runs it to its end; `.start(...)` leaves it running."""

    remote = REMOTE

    def __init__(self, path, env, cwd):
        self.path, self.env, self.cwd = path, env, pathlib.Path(cwd)
        self.scratch = self.cwd.parent / 'scratch'  # the test's own, where nothing is litter
        self.written = set()
        self.processes = []
        self.options = {}  # what is said with each verb, beside what a test says

    def __call__(self, *words, stdin=None, timeout=30, env=None):
        return self.start(*words, stdin=stdin, env=env).finish(timeout)

    def start(self, *words, prefix=(), **options):
        own = self.options.get(words[0], []) if words else []
        return self.program(*prefix, self.path, *words[:1], *own, *words[1:], **options)

    def program(self, *words, stdin=None, env=None, **popen):
        """Any program, where this one would be started."""
        process = Process(words, {**self.env, **(env or {})}, self.cwd, stdin, **popen)
        self.processes.append(process)
        return process

    def call(self, target, function, *args, **options):
        """`hopvine call` with the functions of `remote/` importable."""
        return self('call', '-w', target, '--path', REMOTE, function, *args, **options)

    def run(self, target, *command, **options):
        return self('run', '-w', target, '--', *command, **options)

    def sizes(self):
        return json.loads(self('bootstrap', 'sizes', '--json').out)

    def write(self, name, text, mode=0o644):
        """A file of the user's in the working directory, where anything else counts as litter."""
        path = self.cwd / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        path.chmod(mode)
        self.written.add(path)
        return path

    def write_all(self, folder, files):
        """A folder of such files, by their names; returns it, for --path."""
        for name, text in files.items():
            self.write(f'{folder}/{name}', text)
        return folder

    def folder_with(self, program, name):
        """One folder for a PATH, that has `sh` and what was put there by this."""
        folder = self.scratch / 'path'
        folder.mkdir(exist_ok=True)
        for link, path in (('sh', '/bin/sh'), (name, program)):
            if not (folder / link).is_symlink():
                (folder / link).symlink_to(path)
        return str(folder)

    def way_in(self, command, name='way'):
        """An `exec:` target that starts by `command`, where `{}` stands for the start command."""
        inventory = self.cwd / 'hopvine.toml'
        lines = inventory.read_text() if inventory.exists() else '[exec]\n'
        self.write('hopvine.toml', f'{lines}{name} = {toml_string(command)}\n')
        return f'exec:{name}'

    def way_through(self, script, name='way'):
        """An `exec:` target behind a shell script of the test, which has the start command as "$1"."""
        path = self.scratch / f'{name}.sh'
        path.write_text(script)
        return self.way_in(shlex.join(['sh', str(path)]) + ' {}', name)

    def way_without_our_files(self):
        """An `exec:` target that does not see the working directory, as on another machine. Needs root."""
        hide = ['unshare', '-m', '--propagation', 'private', 'sh', '-c', HIDE, 'hide', str(self.cwd)]
        return self.way_in(shlex.join(hide) + ' {}', 'far')

    @property
    def runtime(self):
        """The folder of this test's sockets."""
        return self.cwd.parent / 'run/hopvine'

    def close(self):
        for process in self.processes:
            if process.popen.returncode is None:
                process.popen.kill()
                process.close()
        if (self.runtime / 'session').exists():
            self('down')  # what of it stays is a leak


def toml_string(text):
    escaped = re.sub(r'[\x00-\x1f\x7f"\\]', lambda odd: f'\\u{ord(odd.group()):04x}', text)
    return f'"{escaped}"'
