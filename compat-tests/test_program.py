"""What a program sees that `hopvine py` runs: the same as from Python itself, and sources of what is typed."""

import sys
import zipfile

import pytest

from harness.pair import Pair
from harness.pythons import discover, oldest_and_newest, starts_itself_again

EACH = pytest.mark.parametrize('python', [python for python in discover() if python.runs_scripts and starts_itself_again(python)], ids=repr)
# As the program does it, but by a file: newer Pythons show the text behind -c.
LAUNCH = 'import sys\nfrom hopvine import program\ndel sys.path[0]\nprogram.run(sys.argv[1:])\n'
SHOW = 'import sys\nprint(sys.argv, __file__, __name__, sys.path[0], __package__, sorted(n for n in globals() if n[:2] != "__"))\n'
FILES = {
    'job.py': SHOW + 'def f(): return 1 // 0\nf()\n',
    'quiet.py': 'import atexit, sys\natexit.register(sys.stdout.write, "bye\\n")\n'
                'def f(): return sys.modules["__main__"].__dict__ is globals()\nprint(f())\n',
    'code.py': 'import sys\nsys.exit(int(sys.argv[1]))\n', 'text.py': 'raise SystemExit("why")\n',
    'broken.py': 'print(1)\nx = = 1\nprint(2)\n', 'hook.py': 'import sys\nsys.excepthook = lambda *a: print("mine", len(a))\n1 / 0\n',
    'interrupted.py': 'import atexit, os, signal, sys\natexit.register(sys.stdout.write, "bye\\n")\n'
                      'os.kill(os.getpid(), signal.SIGINT)\nimport time\ntime.sleep(9)\n',
    'threads.py': 'import sys, threading\nthreading.Thread(target=sys.stdout.write, args=("thread\\n",)).start()\n',
    'pack/__init__.py': '', 'pack/mod.py': SHOW + 'from . import beside\nraise KeyError(beside.V)\n', 'pack/beside.py': 'V = 3\n',
    'pack/__main__.py': SHOW, 'folder/__main__.py': SHOW + 'import inner\nsys.exit(inner.V)\n', 'folder/inner.py': 'V = 4\n',
    'where/job.py': SHOW,
}
RUNS = ['job.py a b', 'quiet.py', 'code.py 7', 'text.py', 'broken.py', 'threads.py', './where/job.py', 'link.py', 'nowhere.py',
        'where', '-m pack.mod x', '-m pack -v', '-m nowhere', '-m pack.nowhere', 'folder 1', 'job.zip 2', '-c print(__name__) -c',
        '-c 1/0', '-c import(', 'hook.py', 'interrupted.py']


@pytest.fixture
def both(tmp_path):
    """`both(python, *words)`: what Python itself and the package make of it."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / 'link.py').symlink_to('where/job.py')
    with zipfile.ZipFile(tmp_path / 'job.zip', 'w') as archive:
        for name in ('__main__.py', 'inner.py'):
            archive.writestr(name, FILES[f'folder/{name}'])
    (tmp_path / 'launch').mkdir()
    (tmp_path / 'launch/launch.py').write_text(LAUNCH)

    def both(python, *words, stdin=None):
        pair = Pair(python, python, tmp_path)
        return [pair.start(*start, *words, stdin=stdin).finish(20) for start in ([], ['launch/launch.py'])]
    return both


@EACH
@pytest.mark.parametrize('words', RUNS)
def test_it_runs_as_python_itself_would_run_it(both, python, words):
    theirs, ours = both(python, *words.split(' '))
    assert (ours.rc, ours.text, ours.said) == (theirs.rc, theirs.text, theirs.said)


@EACH
@pytest.mark.parametrize('words', [['-'], ['-', 'a'], []])
def test_a_program_may_come_by_standard_input(both, python, words):
    source = SHOW.replace('__file__, ', '').encode() + b'def f():\n    return x\n\nprint(sys.stdin.read())\nf()\n'
    theirs, ours = both(python, *words, stdin=source)
    assert (ours.rc, ours.text, ours.said) == (theirs.rc, theirs.text, theirs.said)


@pytest.mark.parametrize('version', [(2, 6, 9), (3, 5, 2)], ids=str)
def test_a_python_that_is_too_old_for_scripts_is_told_so(hop, version):
    """One that says it is of that version, and in which no more than the start of the package is read."""
    text = f"import sys; sys.version_info = {version}; exec(sys.argv.pop(1))"
    old = hop.write('old', f'#!/bin/sh\nshift\nexec {sys.executable} -c "{text}" "$@"\n', 0o755)
    result = hop('py', '--interpreter', old, 'job.py')
    assert (result.rc, result.out) == (2, b'') and result.err.count(b'\n') == 1, result
    assert result.said.startswith('hopvine: scripts with hopvine need Python 2.7, or 3.6 or newer; this is '), result


@pytest.mark.parametrize('python', [python for python in discover() if not python.runs_scripts], ids=repr)
def test_a_real_python_that_is_too_old_for_scripts_is_told_so(hop, python):
    result = hop('py', '--interpreter', python.path, '-c', 'import hopvine')
    assert (result.rc, result.out) == (2, b'') and f'this is {python.version}: --interpreter' in result.said, result


CALLS = '''
from pair import call, show
limit = 4

def used(x):
    return x + limit

class Point(object):
    x = 5

show(call(used, 1), call(lambda: Point.x), call(lambda x: used(x), 3))
'''


@pytest.mark.parametrize('python', oldest_and_newest(), ids=repr)
@pytest.mark.parametrize('words', [['-'], ['-c', CALLS], ['-m', 'job'], ['job.py'], ['job.zip']], ids=lambda words: words[0])
def test_functions_of_it_can_be_called_elsewhere(both, python, tmp_path, words):
    (tmp_path / 'job.py').write_text(CALLS)
    with zipfile.ZipFile(tmp_path / 'job.zip', 'w') as archive:
        archive.writestr('__main__.py', CALLS)
    ours = Pair(python, python, tmp_path).start('launch/launch.py', *words, stdin=CALLS.encode()).finish(20)
    assert (ours.rc, ours.text) == (0, '5, 5, 7\n'), ours


TYPED = '''from pair import call
def double(x):
  return limit * x

limit = 2
call(double, 4)
call(lambda: double(5))
class Point(object):
  x = 6

call(lambda point: point.x + limit, Point())
def double(x): return 0

call(double, 4)
"%s %s" % (hopvine.__name__, __name__)
def fails():
  return missing

fails()
'''


@pytest.mark.parametrize('python', oldest_and_newest(), ids=repr)
def test_a_prompt_keeps_what_is_typed_so_that_it_can_be_called_elsewhere(both, python, tmp_path):
    typist = Pair(python, python, tmp_path).typist('launch/launch.py', TERM='dumb', HOME=str(tmp_path), PYTHON_BASIC_REPL='1')
    typist.until(b'>>> ')
    for line in TYPED.splitlines():
        prompts = typist.shown.count(b'>>> ') + typist.shown.count(b'... ')
        typist.type(line + '\n')
        while typist.shown.count(b'>>> ') + typist.shown.count(b'... ') == prompts:
            typist.read()
    typist.type('exit(3)\n')
    status = typist.end()
    shown = typist.shown.decode().replace('\r', '')
    lines = [line for line in shown.splitlines() if line[:3] not in ('>>>', '...') and set(line) - set(' ^~')]
    assert f'Python {python.version}' in lines[0] and status == 3, shown
    results = lines[lines.index('8'):]
    assert results[:5] == ['8', '10', '8', '0', "'hopvine __main__'"] and '  return missing' in shown, shown
