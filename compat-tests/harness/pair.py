"""A script's interpreter and another that it calls, without a controller between them: what functions.py makes of a call
goes as it is to the agent's own code. For many pairs of interpreters in little time."""

import atexit
import functools
import itertools
import os
import pathlib
import shutil
import tempfile

import pytest

from .api import need_scripts
from .binary import REPO
from .process import Process
from .typist import Typist

BOOTSTRAP = REPO / 'bootstrap'
# The agent's side: what of the core a call needs, and the parts; messages go through pipes.
FAR = '''
import os, sys
core = type(sys)('hopvine_core')
sys.modules['hopvine_core'] = core
core.started = sys.modules['__main__']
names = core.__dict__
# No frame comes here.
names['receive'] = None
for path in sys.argv[1:]:
    exec(compile(open(path).read() + '\\n', path, 'exec'), names)

def part(name):
    return names[name]

def send(tag, body):
    link.write(core.pack('>BI', tag, len(body)) + body)
    link.flush()

class Stream:
    gone = 0

names.update({'part': part, 'offer': lambda stream, tag, body: send(tag, body)})
link = os.fdopen(os.dup(1), 'wb')
os.dup2(2, 1)
source = os.fdopen(0, 'rb')
while 1:
    header = source.read(4)
    if not header:
        break
    tag, body, end = core.outcome(Stream(), source.read(core.unpack('>I', header)[0])[1:])
    send(tag, body)
'''
# The script's side: `from pair import call, show`.
NEAR = '''
import json, os, subprocess, sys
from hopvine import functions, wire
words = os.environ['PAIR'].split(os.pathsep)

class Failed(Exception):
    pass

class Far(object):
    """One interpreter, with what it has been sent so far."""

    def __init__(self, python=words[0]):
        self.definitions = functions.Definitions()
        self.process = subprocess.Popen([python, '-S', '-E'] + words[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def call(self, function, *args, **kwargs):
        return self.send(*functions.call(function, args, kwargs, self))

    def send(self, imports, message):
        self.imports, self.message = imports, message
        self.process.stdin.write(wire.pack('>I', len(message)) + message)
        self.process.stdin.flush()
        items = None
        while 1:
            tag, size = wire.unpack('>BI', self.process.stdout.read(5))
            body = self.process.stdout.read(size)
            if tag == 39:
                items = []
            elif tag == 23:
                items.append(wire.load(body)[0])
            elif tag == 25:
                return iter(items)
            elif tag == 19:
                return wire.load(body)[0]
            else:
                raise Failed(wire.load(body)[0]['traceback'])

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()

def show(*values):
    print(json.dumps(values, sort_keys=True)[1:-1])

far = Far()
call = far.call
'''
CORE = [BOOTSTRAP / f'core/{name}.py' for name in ('compat', 'frame', 'value', 'call')]
PARTS = [BOOTSTRAP / f'parts/{name}.py' for name in ('rich', 'failure', 'produce', 'remember', 'apply')]
STUBS = 'def part(name):\n    return globals()[name]\n'


@functools.cache
def library():
    """A folder with the package as a script finds it, and the other end's program."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix='hopvine-pair-'))
    atexit.register(shutil.rmtree, folder)
    (folder / 'hopvine').mkdir()
    for path in (BOOTSTRAP / 'hopvine').glob('*.py'):
        (folder / 'hopvine' / path.name).symlink_to(path)
    names = [BOOTSTRAP / f'core/{name}.py' for name in ('compat', 'frame', 'value')] + [BOOTSTRAP / 'parts/rich.py']
    (folder / 'hopvine/wire.py').write_text('\n'.join(name.read_text() for name in names) + '\n' + STUBS)
    (folder / 'pair.py').write_text(NEAR)
    (folder / 'far.py').write_text(FAR)
    return folder


# How a script of a test begins: its first line.
START = 'from pair import call, far, show, Failed, Far\n'


def each_pair(pythons):
    return [pytest.param(pair, id='-'.join(python.version for python in pair))
            for pair in itertools.product(pythons, repeat=2)]


class Pair:
    """`pair(script)` runs it in the one, calling the other; `start` leaves it running."""

    def __init__(self, near, far, cwd):
        self.near, self.far, self.cwd = near, far, cwd

    def __call__(self, script, name='job.py', **env):
        path = self.cwd / name
        path.write_bytes(script if isinstance(script, bytes) else script.encode())
        return self.start(name, **env).finish(30)

    def says(self, script, *lines):
        """The script, behind the import of what it needs, prints these lines."""
        result = self(START + script)
        assert (result.rc, result.text.splitlines(), result.said) == (0, list(lines), ''), result

    def refuses(self, script, *words):
        """The script prints why something is refused, in which there is each of these."""
        result = self(f'{START}from hopvine.functions import Unsendable\n{script}')
        assert result.rc == 0 and all(word in result.text for word in words), result

    def start(self, *words, stdin=None, **env):
        return Process([self.near.path, *words], self.env(env), self.cwd, stdin)

    def typist(self, *words, **env):
        return Typist([self.near.path, *words], self.env(env), self.cwd)

    def env(self, more):
        need_scripts(self.near)
        folder = library()
        far = [self.far.path, str(folder / 'far.py'), *map(str, [*CORE, *PARTS])]
        return {**os.environ, 'PYTHONPATH': str(folder), 'PYTHONDONTWRITEBYTECODE': '1', 'PYTHONIOENCODING': 'utf-8',
                'PAIR': os.pathsep.join(far), **more}
