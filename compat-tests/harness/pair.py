"""A script's interpreter and another that it calls, without a controller between them: what functions.py makes of a call
goes as it is to the agent's own code. For many pairs of interpreters in little time."""

import functools
import os
import pathlib
import tempfile

from .binary import REPO
from .process import Process

BOOTSTRAP = REPO / 'bootstrap'
# The agent's side: what of the core a call needs, and the parts; messages go through pipes.
FAR = '''
import os, sys
core = type(sys)('hopvine_core')
sys.modules['hopvine_core'] = core
core.started = sys.modules['__main__']
names = core.__dict__
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
# The script's side: `from pair import call, Far`.
NEAR = '''
import os, subprocess, sys
from hopvine import functions, wire
words = os.environ['PAIR'].split(os.pathsep)

class Failed(Exception):
    pass

class Far(object):
    """One interpreter, with what it has been sent so far."""

    def __init__(self, python=words[0]):
        self.definitions = {}
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

far = Far()
call = far.call
'''
CORE = [BOOTSTRAP / f'core/{name}.py' for name in ('compat', 'frame', 'value', 'call')]
PARTS = [BOOTSTRAP / f'parts/{name}.py' for name in ('rich', 'failure', 'produce', 'apply')]
STUBS = 'thread_lock = lock = thread.allocate_lock()\ndef part(name):\n    return globals()[name]\n'


@functools.cache
def library():
    """A folder with the package as a script finds it, and the other end's program."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix='hopvine-pair-'))
    (folder / 'hopvine').mkdir()
    for path in (BOOTSTRAP / 'hopvine').glob('*.py'):
        (folder / 'hopvine' / path.name).symlink_to(path)
    names = [BOOTSTRAP / f'core/{name}.py' for name in ('compat', 'frame', 'value')] + [BOOTSTRAP / 'parts/rich.py']
    (folder / 'hopvine/wire.py').write_text('\n'.join(name.read_text() for name in names) + '\n' + STUBS)
    init = folder / 'hopvine/__init__.py'
    if not init.exists():
        init.write_text('')
    (folder / 'pair.py').write_text(NEAR)
    (folder / 'far.py').write_text(FAR)
    return folder


class Pair:
    """`Pair(near, far).run(script)`: in the one, calling the other."""

    def __init__(self, near, far):
        self.near, self.far = near, far

    def start(self, words, cwd, stdin=None, **env):
        folder = library()
        pair = [self.far.path, str(folder / 'far.py'), *map(str, [*CORE, *PARTS])]
        env = {**os.environ, 'PYTHONPATH': f'{folder}', 'PYTHONDONTWRITEBYTECODE': '1', 'PAIR': os.pathsep.join(pair), **env}
        return Process([self.near.path, *words], env, cwd, stdin)
