"""Functions of programs that `hopvine py` runs, called on other machines: scripts, modules, texts, a prompt, notebooks."""

import os
import zipfile

import pytest

from harness.binary import BINARY
from harness.notebook import kernels, run_notebook
from harness.pythons import discover, oldest_and_newest, starts_itself_again
from harness.typist import Typist

EACH = pytest.mark.parametrize('python', [python for python in discover() if python.runs_scripts and starts_itself_again(python)], ids=repr)
ENDS = pytest.mark.parametrize('python', [python for python in oldest_and_newest() if python.runs_scripts and starts_itself_again(python)], ids=repr)
START = 'import json, os, sys\nfrom hopvine import Local, Tunnel\n\ndef show(*values):\n    print(json.dumps(values)[1:-1])\n\n'
CASES = '''
import functools
limit = [1]

def used(x):
    return x + len(limit)

def tagged(function):
    @functools.wraps(function)
    def wrapper(*args):
        return ['tagged', function(*args)]
    return wrapper

@tagged
def decorated(x):
    return used(x)

def outer(n):
    def nested(x):
        return used(x) + n
    return nested

class Point(object):
    def __init__(self, x):
        self.x = x

    def twice(self):
        return used(self.x) * 2

    @staticmethod
    def still(x):
        return used(x)

def count(n):
    for each in range(n):
        yield used(each)

def works(tunnel):
    show(tunnel.call(used, 1), tunnel.call(decorated, 1), tunnel.call(outer(5), 1), tunnel.call(lambda x: used(x), 1))
    show(tunnel.call(Point(3).twice), tunnel.call(Point.still, 4), list(tunnel.call(count, 3)))
'''
EXPECTED = '2, ["tagged", 2], 7, 2\n8, 5, [1, 2, 3]\n'
GUARDED = "if __name__ == '__main__':\n    with Local(python=sys.executable) as tunnel:\n        works(tunnel)\n"
UNGUARDED = 'tunnel = Local(python=sys.executable)\nworks(tunnel)\n'


def ran(hop, python, *words, **options):
    return hop('py', '--interpreter', python.path, *words, env={'PYTHONDONTWRITEBYTECODE': '1'}, **options)


@EACH
@pytest.mark.parametrize('end', [GUARDED, UNGUARDED], ids=['guarded', 'unguarded'])
def test_all_shapes_of_functions_of_a_script_are_called_elsewhere(hop, python, end):
    hop.write('job.py', START + CASES + end)
    result = ran(hop, python, 'job.py')
    assert (result.rc, result.text, result.said) == (0, EXPECTED, ''), result


@ENDS
@pytest.mark.parametrize('words', [['-m', 'tasks.job'], ['-'], ['-c', START + CASES + UNGUARDED]], ids=lambda words: words[0])
def test_however_the_program_is_started(hop, python, words):
    text = START + CASES + UNGUARDED
    hop.write_all('tasks', {'__init__.py': '', 'job.py': text})
    result = ran(hop, python, *words, stdin=text.encode())
    assert (result.rc, result.text, result.said) == (0, EXPECTED, ''), result


@ENDS
def test_modules_of_its_package_come_along(hop, python):
    hop.write_all('tasks', {'__init__.py': '', 'beside.py': 'V = 4\n',
                            'job.py': START + 'from tasks import beside\n'
                            'def used():\n    from . import beside as again\n    return again is beside, beside.V\n'
                            'show(*Local(python=sys.executable).call(used))\n'})
    result = ran(hop, python, '-m', 'tasks.job')
    assert (result.rc, result.text) == (0, 'true, 4\n'), result


@ENDS
def test_a_function_that_fails_there_shows_the_lines_of_the_script(hop, python):
    hop.write('job.py', START + 'def fails(x):\n    return 1 // x  # there\n\nLocal(python=sys.executable).call(fails, 0)\n')
    result = ran(hop, python, 'job.py')
    assert result.rc == 1 and 'job.py", line 8, in fails\n' in result.said and 'return 1 // x  # there' in result.said, result


@EACH
def test_a_forked_child_and_who_has_lost_its_controller_start_another(hop, python):
    """No PATH leads to the program."""
    hop.write('job.py', START + '''
import multiprocessing
from hopvine import local

def works(name):
    with Local(name, python=sys.executable) as tunnel:
        show(name, tunnel.call(os.getpid) != os.getpid())
    sys.stdout.flush()

works('at first')
child = os.fork()
if not child:
    works('forked')
    os._exit(0)
os.waitpid(child, 0)
child = getattr(multiprocessing, 'get_context', lambda kind: multiprocessing)('fork').Process(target=works, args=('processed',))
child.start()
child.join()
local.link().close(5)
works('again')
''')
    result = ran(hop, python, 'job.py')
    expected = ''.join(f'"{name}", true\n' for name in ('at first', 'forked', 'processed', 'again'))
    assert (result.rc, result.text, result.said) == (0, expected, ''), result


@EACH
def test_what_a_script_starts_inherits_nothing_of_ours(hop, python):
    hop.write('job.py', START + 'import subprocess\nLocal(python=sys.executable).connect()\n'
              'subprocess.Popen(["ls", "-l", "/proc/self/fd"], close_fds=False).wait()\n')
    result = ran(hop, python, 'job.py')
    assert result.rc == 0 and '/proc/' in result.text and 'hopvine' not in result.text and 'socket' not in result.text, result


@ENDS
def test_what_cannot_travel_is_refused_before_anything_is_started(hop, python):
    hop.write('job.py', START + 'tunnel = Local(python=sys.executable)\nother = Local("other")\nout = open("job.py")\n'
              'for function in (lambda: other), (lambda: out):\n'
              '    try:\n        tunnel.call(function)\n    except TypeError as error:\n        print(error)\nshow(tunnel.connected)\n')
    result = ran(hop, python, 'job.py')
    assert result.rc == 0 and 'other' in result.text and 'pass it as an argument' in result.text, result
    assert 'uses out of __main__' in result.text and 'open it in the function' in result.text, result


@ENDS
def test_a_function_calls_functions_of_its_program_further_on(hop, python):
    hop.write('job.py', START + 'limit = 3\n\ndef last(x):\n    return x + limit\n\ndef first(x):\n'
              '    with Local(python=sys.executable) as inner:\n'
              '        return [inner.call(last, x), inner.call(lambda: last(x) + limit), inner.call(os.getpid) != os.getpid()]\n\n'
              'show(Local(python=sys.executable).call(first, 1))\n')
    result = ran(hop, python, 'job.py')
    assert (result.rc, result.text, result.said) == (0, '[4, 7, true]\n', ''), result


@ENDS
def test_at_the_prompt_as_well(hop, python):
    typist = Typist([BINARY, 'py', '--interpreter', python.path], {**hop.env, 'TERM': 'dumb', 'PYTHON_BASIC_REPL': '1', 'HOME': str(hop.scratch)}, hop.scratch)
    typist.until(b'>>> ')
    for line, mark in [('limit = 4', b'>>> '), ('def f(x):', b'... '), ('  return x + limit', b'... '), ('', b'>>> '),
                       ('import sys; tunnel = hopvine.Local(python=sys.executable)', b'>>> '), ('tunnel.call(f, 3000)', b'3004\r\n>>> '),
                       ('tunnel.call(lambda: f(4000))', b'4004\r\n>>> ')]:
        typist.shown = b''
        typist.type(line + '\n')
        typist.until(mark)
    typist.type('exit(5)\n')
    assert typist.end() == 5


NOTEBOOK = [
    'import sys\nfrom hopvine import Local\ntunnel = Local(python=sys.executable)\nlimit = 1',
    'def used(x):\n    return x + limit\n\nclass Point(object):\n    def __init__(self, x):\n        self.x = x\n',
    'tunnel.call(used, 1)',
    'limit = 10\ndef used(x):\n    return -x - limit',
    'tunnel.call(used, 1)',
    '[tunnel.call(lambda p: used(p.x), Point(5)), list(tunnel.call(lambda: (x for x in [1, 2])))]',
    'def fails():\n    return used(None)  # in its cell\n',
    'try:\n    tunnel.call(fails)\nexcept Exception as error:\n    print(error)',
    'out = open("/dev/null")\ntunnel.call(lambda: out)',
    'class Point(object):\n    def __init__(self, x):\n        self.x = x * 2\n\ntunnel.call(lambda p: p.x, Point(5))',
    'tunnel.close()',
]


@pytest.mark.parametrize('python', kernels(), ids=repr)
def test_cells_of_a_notebook_are_called_elsewhere_as_they_are_now(hop, python):
    shown = run_notebook(hop, python, NOTEBOOK)
    assert [shown[at] for at in (0, 1, 2, 3, 4, 5, 6, 9, 10)] == ['', '', '2', '', '-11', '[-15, [1, 2]]', '', '10', ''], shown
    assert 'return used(None)  # in its cell' in shown[7] and 'TypeError' in shown[7], shown
    assert shown[8].startswith('Unsendable: ') and 'uses out of __main__' in shown[8], shown


@ENDS
def test_what_a_cancelled_call_was_to_bring_comes_with_the_next(hop, python):
    gate = str(hop.scratch / 'gate')
    os.mkfifo(gate)
    hop.write('job.py', START + f'''from hopvine import TimedOut
limit = 3

def used(x):
    return x + limit

def waits(path):
    return open(path).readline()

tunnel = Local(python=sys.executable)
waiting = tunnel.call_async(waits, {gate!r})
try:
    tunnel.call(used, 1, timeout=0.3)
except TimedOut:
    show('late')
with open({gate!r}, 'w') as file:
    file.write('opened')
show(waiting.get(), tunnel.call(used, 2))
''')
    result = ran(hop, python, 'job.py')
    assert (result.rc, result.text) == (0, '"late"\n"opened", 5\n'), result


@ENDS
def test_what_only_the_script_can_import_is_served_through_it(hop, python):
    with zipfile.ZipFile(hop.write('more.zip', b''), 'w') as archive:
        archive.writestr('zipped/__init__.py', 'V = 1\n')
        archive.writestr('zipped/leaf.py', 'import zipped\nW = zipped.V + 1\n')
        archive.writestr('zipped/data.txt', 'text')
    hop.write('job.py', START + '''import pkgutil

class Finder(object):
    """Makes a module for each name that begins with made_."""

    def find_module(self, name, path=None):
        if name.startswith('made_'):
            return self

    def find_spec(self, name, path=None, target=None):
        if name.startswith('made_'):
            from importlib.machinery import ModuleSpec
            return ModuleSpec(name, self)

    def is_package(self, name):
        return False

    def get_source(self, name):
        return 'NAME = %r\\n' % str(name)

sys.path.insert(0, os.path.abspath('more.zip'))
sys.meta_path.insert(0, Finder())

def used():
    import made_up
    import zipped.leaf
    try:
        import made.up
    except ImportError:
        return made_up.NAME, zipped.leaf.W, pkgutil.get_data('zipped', 'data.txt').decode('ascii')

show(*Local(python=sys.executable).call(used))
''')
    result = ran(hop, python, 'job.py')
    assert (result.rc, result.text, result.said) == (0, '"made_up", 2, "text"\n', ''), result
