"""Modules of the user's that remote code imports: found, run and shown as if they were installed there.

`far` cannot see the user's folders, so what works there works with what has been sent.
"""

import pytest

from harness.pythons import discover, oldest_and_newest

EACH = pytest.mark.parametrize('python', oldest_and_newest(), ids=repr)
ALL = pytest.mark.parametrize('python', discover(), ids=repr)
PYTHON_3 = pytest.mark.parametrize('python', [python for python in oldest_and_newest() if python.number >= (3,)],
                                   ids=repr)


@pytest.fixture
def call(hop, far):
    """`call(python, 'module:function', *words)` there, with the modules of `lib`."""
    def call(python, function, *words, path=('lib',), target=far, **options):
        roots = [word for folder in path for word in ('--path', folder)]
        return hop('call', '-w', target, '--python', python.path, *roots, function, *words, **options)
    return call


def ended(result, kind='exception'):
    error = result.only['error']
    assert result.rc == 1 and error['kind'] == kind and 'Traceback' not in result.said, result
    return error


# Packages

@EACH
def test_a_package_imports_its_parts_by_every_kind_of_import(hop, call, python):
    if python.number < (2, 5):
        pytest.skip('Python 2.5 is the first with imports that begin with a dot')
    hop.write_all('lib', {
        'app/__init__.py': 'from .names import NAME\nfrom app.deep import below\n',
        'app/names.py': 'NAME = "app"\n',
        'app/deep/__init__.py': 'import app.names\nBELOW = app.names.NAME\n',
        'app/deep/below.py': 'from . import BELOW\nfrom .. import names\nfrom ..names import NAME\n'
                             'from .last import (  # a comment\n    first as one,\n    second)\n',
        'app/deep/last.py': 'first, second = 1, 2\n',
        'app/deep/more/__init__.py': '',
        'app/deep/more/far.py': 'import app.deep.last as last, app.names\nfrom ...deep.last import *\n\n'
                                'def f():\n    from ..below import NAME, one\n    import app\n'
                                '    return [NAME, one, first, second, last.first, app.below.__name__, __package__]\n',
    })
    assert call(python, 'app.deep.more.far:f').value == ['app', 1, 1, 2, 1, 'app.deep.below', 'app.deep.more']


def test_python_2_imports_a_sibling_by_its_bare_name(hop, call):
    old = oldest_and_newest()[0]
    if old.number >= (3,):
        pytest.skip('no Python 2 is here')
    hop.write_all('lib', {'app/__init__.py': '', 'app/main.py': 'import side\n\ndef f():\n    return side.__name__\n',
                          'app/side.py': 'import deeper.x\n', 'app/deeper/__init__.py': '', 'app/deeper/x.py': ''})
    assert call(old, 'app.main:f').value == 'app.side'


SHOWN = '''
import sys

def f(name):
    __import__(name)
    module = sys.modules[name]
    return [module.__name__, module.__package__, getattr(module, '__file__', None), hasattr(module, '__path__'),
            getattr(getattr(module, '__spec__', None), 'name', name), module.__doc__]
'''


@EACH
def test_a_module_knows_its_name_its_package_and_its_file(hop, call, python):
    hop.write_all('lib', {'ask.py': SHOWN, 'app/__init__.py': '"""A package."""\n', 'app/part.py': '"""A part."""\n'})
    lib = hop.cwd / 'lib'
    assert call(python, 'ask:f', 'app').value == ['app', 'app', f'{lib}/app/__init__.py', True, 'app', 'A package.']
    assert call(python, 'ask:f', 'app.part').value == [
        'app.part', 'app', f'{lib}/app/part.py', False, 'app.part', 'A part.']


@EACH
def test_a_module_may_put_another_object_in_its_place(hop, call, python):
    hop.write_all('lib', {
        'lazy/__init__.py': 'import sys\n\nclass Stand(object):\n    number = 7\n    __name__ = "stand-in"\n'
                            '    __path__ = []\n\nsys.modules[__name__] = Stand()\n',
        'single.py': 'import sys\n\nclass Stand(object):\n    def f(self):\n        import lazy\n'
                     '        return [lazy.number, lazy.__name__]\n\nsys.modules[__name__] = Stand()\n'})
    assert call(python, 'single:f').value == [7, 'stand-in']


@EACH
def test_a_circle_of_imports_ends(hop, call, python):
    hop.write_all('lib', {'one.py': 'import two\nV = 1\n\ndef f():\n    return two.get()\n',
                          'two.py': 'import one\n\ndef get():\n    return one.V\n'})
    assert call(python, 'one:f').value == 1


@EACH
def test_a_module_may_be_imported_by_a_name_that_only_runs_know(hop, call, python):
    hop.write_all('lib', {'plugins/__init__.py': '', 'plugins/a_1.py': 'V = "one"\n',
                          'main.py': 'import pkgutil\nimport plugins\n\ndef f():\n'
                                     '    name = "plugins.a_%d" % 1\n    return __import__(name, {}, {}, ["V"]).V\n'})
    assert call(python, 'main:f').value == 'one'


@EACH
def test_sources_may_have_any_encoding_and_line_ending(hop, call, python):
    hop.write_all('lib', {
        'dos.py': b'def f():\r\n    text = """a\r\nb"""\r\n    return [text, latin.V, bom.V]\r\n\r\nimport latin, bom',
        'latin.py': '# -*- coding: latin-1 -*-\nV = len(u"\xe4\xf6")\n'.encode('latin-1'),
        'bom.py': b'\xef\xbb\xbfV = len(u"\xe2\x82\xac")\n'})
    assert call(python, 'dos:f').value == ['a\nb', 2, 1]


@PYTHON_3
def test_the_folders_and_modules_of_the_user_may_have_names_that_are_not_ascii(hop, call, python):
    hop.write_all('h\xe9', {'app.py': 'import m\xe9 as m\n\ndef f():\n    return m.V\n',
                            'm\xe9.py': 'V = __file__.split("/")[-2:]\n'})
    assert call(python, 'app:f', path=('h\xe9',)).value == ['h\xe9', 'm\xe9.py']


# Namespace packages

@EACH
def test_a_folder_without_an_init_file_is_a_package(hop, call, python):
    leaf = ('from .. import inner\nfrom ..top import V\n\ndef f():\n    import space\n'
            '    return [V, inner.__name__, hasattr(space, "__file__") and space.__file__ is not None]\n')
    if python.number < (2, 5):
        leaf = leaf.replace('from ..top', 'from space.top').replace('from ..', 'from space')
    hop.write_all('lib', {'space/inner/leaf.py': leaf, 'space/top.py': 'V = 3\n'})
    assert call(python, 'space.inner.leaf:f').value == [3, 'space.inner', False]


@EACH
def test_the_portions_of_a_namespace_package_in_two_roots_are_one_package(hop, call, python):
    hop.write_all('one', {'space/a.py': 'V = "a"\n', 'space/both.py': 'V = "first"\n'})
    hop.write_all('two', {'space/b.py': 'from space import a, both\n\ndef f():\n    return [a.V, both.V]\n',
                          'space/both.py': 'V = "second"\n'})
    assert call(python, 'space.b:f', path=('one', 'two')).value == ['a', 'first']
    assert call(python, 'space.b:f', path=('two', 'one')).value == ['a', 'second']


@pytest.fixture
def installed(hop):
    """`installed(files)`: what is installed there already; goes into `env`."""
    def install(files):
        for name, text in files.items():
            path = hop.scratch / 'site' / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return {'PYTHONPATH': str(hop.scratch / 'site')}
    return install


@PYTHON_3
def test_a_folder_hides_no_package_that_is_installed_there(hop, call, installed, python):
    hop.write_all('lib', {'space/mine.py': 'V = 1\n', 'main.py': 'import space\n\ndef f():\n    return space.V\n'})
    env = installed({'space/__init__.py': 'V = "installed"\n'})
    assert call(python, 'main:f', env=env).value == 'installed'


@PYTHON_3
def test_a_folder_hides_no_module_that_is_installed_there(hop, call, installed, python):
    hop.write_all('lib', {'space/mine.py': 'V = 1\n', 'main.py': 'import space\n\ndef f():\n    return space.V\n'})
    assert call(python, 'main:f', env=installed({'space.py': 'V = "installed"\n'})).value == 'installed'


@PYTHON_3
def test_a_namespace_package_has_portions_here_and_there(hop, call, installed, python):
    hop.write_all('lib', {'space/here.py': 'from space import there\n\ndef f():\n    return there.V\n',
                          'space/both.py': 'V = "mine"\n',
                          'main.py': 'import space.there, space.here, space.both, space.deep.down\n\ndef f():\n'
                                     '    return [space.here.f(), space.both.V, space.deep.down.V]\n'})
    env = installed({'space/there.py': 'V = "installed"\n', 'space/both.py': 'V = "installed"\n',
                     'space/deep/down.py': 'V = "deep"\n'})
    assert call(python, 'space.here:f', env=env).value == 'installed'
    assert call(python, 'main:f', env=env).value == ['installed', 'mine', 'deep']


@EACH
def test_a_folder_that_is_no_package_hides_nothing(hop, call, installed, python):
    hop.write('lib/data/table.txt', 'x')
    hop.write('lib/main.py', 'import data\n\ndef f():\n    return data.V\n')
    assert call(python, 'main:f', env=installed({'data.py': 'V = "installed"\n'})).value == 'installed'


# What wins

@EACH
def test_the_users_module_wins_over_an_installed_one(hop, call, installed, python):
    hop.write_all('lib', {'both/__init__.py': '', 'both/part.py': 'V = "mine"\n', 'single.py': 'V = "mine"\n',
                          'main.py': 'import both.part, single\n\ndef f():\n    return [both.part.V, single.V]\n'})
    env = installed({'both/__init__.py': '', 'both/part.py': 'V = "installed"\n', 'single.py': 'V = "installed"\n'})
    assert call(python, 'main:f', env=env).value == ['mine', 'mine']


@EACH
def test_what_only_the_other_side_has_is_found_there(hop, call, installed, python):
    hop.write('lib/main.py', 'import theirs\nfrom theirs import part\n\ndef f():\n    return [theirs.V, part.V]\n')
    env = installed({'theirs/__init__.py': 'V = 1\n', 'theirs/part.py': 'V = 2\n'})
    assert call(python, 'main:f', env=env).value == [1, 2]


STANDARD = ['os', 'json', 'token', 'dataclasses', 'urllib2', 'string', 'logging', 'colorsys']
BOOBY_TRAP = 'raise SystemExit("the standard library of the user was sent")\n'


@ALL
def test_the_standard_library_is_never_sent(hop, call, python):
    traps = [f'{name}/__init__.py' if name in ('json', 'logging') else f'{name}.py' for name in STANDARD]
    hop.write_all('lib', {trap: BOOBY_TRAP for trap in traps})
    hop.write('lib/main.py', f'''
def f():
    found = []
    for name in {STANDARD!r}:
        try:
            __import__(name)
            found.append(name)
        except ImportError:
            pass
    return found
''')
    absent = {'dataclasses'} if python.number < (3, 7) else set()
    absent |= {'json'} if python.number < (2, 6) else set()
    absent |= {'urllib2'} if python.number >= (3,) else set()
    assert call(python, 'main:f').value == [name for name in STANDARD if name not in absent]


# Sources for people

@EACH
def test_inspect_shows_the_source(hop, call, python):
    source = 'def shown(x):\n    """What it does."""\n    return x  # as it is\n'
    hop.write_all('lib', {'ask.py': 'import inspect\nimport app.part\n\ndef f():\n'
                                    '    return [inspect.getsource(app.part.shown), inspect.getsource(app.part),\n'
                                    '            inspect.getsourcefile(app.part.shown),\n'
                                    '            inspect.getdoc(app.part.shown)]\n',
                          'app/__init__.py': '', 'app/part.py': f'import os\n\n\n{source}'})
    # Python 2.4 names no file that is not there.
    file = f'{hop.cwd}/lib/app/part.py' if python.number >= (2, 5) else None
    assert call(python, 'ask:f').value == [source, f'import os\n\n\n{source}', file, 'What it does.']


@EACH
def test_a_traceback_shows_the_lines_of_all_modules_it_goes_through(hop, call, python):
    hop.write_all('lib', {'one.py': 'import deep.two\n\ndef f():\n    return deep.two.g(1)  # here\n',
                          'deep/__init__.py': '', 'deep/two.py': 'def g(x):\n    y = x\n    return y + "text"\n'})
    text = ended(call(python, 'one:f', '--json'))['traceback']
    lib = hop.cwd / 'lib'
    for line in (f'File "{lib}/one.py", line 4, in f', 'return deep.two.g(1)  # here',
                 f'File "{lib}/deep/two.py", line 3, in g', 'return y + "text"'):
        assert line in text, (line, text)
    assert 'hopvine' not in text.replace(str(lib), ''), text


@EACH
def test_remote_code_can_print_a_traceback_of_its_own_with_its_lines(hop, call, python):
    hop.write('lib/app.py', 'import traceback\n\ndef f():\n    try:\n        1 / 0  # why not\n'
                            '    except ZeroDivisionError:\n        return traceback.format_exc()\n')
    assert '1 / 0  # why not' in call(python, 'app:f').value


# Errors that say why

@EACH
def test_a_module_that_is_nowhere_is_named(hop, call, python):
    hop.write('lib/app.py', 'def f():\n    import nowhere.at.all\n')
    result = call(python, 'app:f', '--json')
    error = ended(result)
    assert error['type'] == ('ModuleNotFoundError' if python.number >= (3, 6) else 'ImportError'), error
    assert 'nowhere' in error['message'] and 'import nowhere.at.all' in error['traceback'], error


@EACH
def test_a_part_that_a_package_does_not_have_is_named(hop, call, python):
    hop.write_all('lib', {'app/__init__.py': '', 'main.py': 'def f():\n    from app import nothing\n\n'
                                                            'def g():\n    import app.nothing\n'})
    for function in ('main:f', 'main:g'):
        error = ended(call(python, function, '--json'))
        assert error['type'] in ('ImportError', 'ModuleNotFoundError') and 'nothing' in error['message'], error


@EACH
def test_a_compiled_module_says_that_it_must_be_installed_there(hop, call, python):
    hop.write_all('lib', {'fast/__init__.py': 'import fast._speed\n',
                          'fast/_speed.cpython-311-x86_64-linux-gnu.so': '',
                          'native.abi3.so': '', 'main.py': 'def f(name):\n    __import__(name)\n'})
    for name, file in (('fast', '_speed.cpython-311-x86_64-linux-gnu.so'), ('native', 'native.abi3.so')):
        error = ended(call(python, 'main:f', name, '--json'))
        assert error['type'] == 'ImportError' and file in error['message'] and 'install' in error['message'], error


@EACH
def test_an_optional_compiled_module_is_done_without(hop, call, python):
    hop.write_all('lib', {'fast.py': 'try:\n    from _speed import f\nexcept ImportError:\n'
                                     '    def f():\n        return "slow"\n',
                          '_speed.so': ''})
    assert call(python, 'fast:f').value == 'slow'


NEWER_SYNTAX = {2: 'def f(*, a): pass\n', 3: 'if (n := 1): pass\n'}


@pytest.mark.parametrize('python', [python for python in discover() if python.number < (3, 7)], ids=repr)
def test_a_source_that_is_too_new_for_this_python_says_so(hop, call, python):
    hop.write('lib/modern.py', 'import os\n\n' + NEWER_SYNTAX[python.number[0]])
    error = ended(call(python, 'modern:f', '--json'))
    assert error['type'] == 'SyntaxError' and f'Python {python.version}' in error['message'], error
    assert 'lib/modern.py", line 3' in error['traceback'], error


@PYTHON_3
def test_a_source_of_python_2_says_which_python_this_is(hop, call, python):
    hop.write('lib/old.py', 'print "words"\n')
    error = ended(call(python, 'old:f', '--json'))
    assert error['type'] == 'SyntaxError' and f'Python {python.version}' in error['message'], error


@EACH
def test_a_module_that_raises_can_be_imported_again(hop, call, python):
    hop.write_all('lib', {'picky.py': 'import os\nif not os.environ.get("READY"):\n    raise KeyError("not ready")\n'
                                      'V = 1\n',
                          'main.py': 'import os, sys\n\ndef f():\n    try:\n        import picky\n'
                                     '    except KeyError:\n'
                                     '        gone = "picky" not in sys.modules\n    os.environ["READY"] = "1"\n'
                                     '    import picky\n    return [gone, picky.V]\n'})
    assert call(python, 'main:f').value == [True, 1]


@EACH
def test_an_import_that_fails_is_asked_for_once(hop, call, python):
    """`x` and `y` are in the package's folder, but no modules."""
    hop.write_all('lib', {'app/__init__.py': '', 'app/x.txt': '', 'app/y.txt': '', 'main.py': '''
def f():
    failed = 0
    for name in ['nowhere', 'app.x', 'app.y', 'app.z', 'nowhere.deeper', 'app.x.deeper'] * 50:
        try:
            __import__(name)
        except ImportError:
            failed += 1
    return failed
'''})
    result = call(python, 'main:f', '-v')
    asked = [line for line in result.said.splitlines() if 'asked for module' in line]
    assert result.value == 300 and len(asked) == 2, result
    assert any('app.x,' in line for line in asked) and any('app.y,' in line for line in asked), result


# Many threads

MANY = '''
import sys
import threading


def together(works):
    """What each of them returns, or raises, when all begin at once."""
    results, gate = [None] * len(works), threading.Event()

    def run(number):
        gate.wait()
        try:
            results[number] = works[number]()
        except:
            results[number] = '%s: %s' % (sys.exc_info()[0].__name__, sys.exc_info()[1])
    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(works))]
    for thread in threads:
        thread.start()
    gate.set()
    for thread in threads:
        thread.join()
    return results


def load(names):
    def work():
        return [getattr(__import__(name, {}, {}, ['V']), 'V') for name in names]
    return work


def same():
    return together([load(['app.m0', 'app.m1'])] * 8)


def different():
    return together([load(['app.m%d' % number]) for number in range(8)])


def mixed():
    names = ['app.m%d' % number for number in range(8)]
    return together([load(names[number:] + names[:number]) for number in range(8)])


def missing():
    return together([load(['nowhere']), load(['app.nothing'])] * 4)
'''
# Each counts how often it is run, and imports others while it is.
PART = 'import app\napp.RUNS.append(__name__)\nfrom app import common, common_{twin}\nV = {number}\n'
MANY_FILES = {'main.py': MANY, 'app/__init__.py': 'RUNS = []\n', 'app/common.py': 'from app import deepest\n',
              'app/common_0.py': 'import app.common\n', 'app/common_1.py': 'import app.common\n', 'app/deepest.py': '',
              **{f'app/m{number}.py': PART.format(number=number, twin=number % 2) for number in range(8)}}


@EACH
@pytest.mark.parametrize('target', ['far', 'h1'])
def test_threads_import_the_same_and_different_modules_at_once(hop, ssh, call, far, python, target):
    hop.write_all('lib', MANY_FILES)
    where = far if target == 'far' else target
    assert call(python, 'main:same', target=where).value == [[0, 1]] * 8
    assert call(python, 'main:different', target=where).value == [[number] for number in range(8)]
    numbers = list(range(8))
    assert call(python, 'main:mixed', target=where).value == [numbers[n:] + numbers[:n] for n in numbers]
    shown = call(python, 'main:missing', target=where).value
    assert all('Error' in each and 'nowhere' in each for each in shown[::2]), shown
    assert all('Error' in each and 'nothing' in each for each in shown[1::2]), shown


@EACH
def test_a_module_that_threads_import_at_once_is_run_once(hop, call, python):
    hop.write_all('lib', {**MANY_FILES, 'count.py': 'import main\n\ndef f():\n    main.mixed()\n    import app\n'
                                                    '    return sorted(app.RUNS)\n'})
    for _ in range(3):
        assert call(python, 'count:f').value == [f'app.m{number}' for number in range(8)]


# Nothing of ours has been imported before; `eval` is of the standard library.
FIRST_MISSES = '''(lambda threading, gate, results: [
    [thread.start() for thread in threads] and gate.set() or [thread.join() for thread in threads] and sorted(results)
    for threads in [[threading.Thread(target=lambda name="m%d" % (number % 4): (
        gate.wait(), results.append(__import__(name).V))) for number in range(8)]]][0]
)(__import__("threading"), __import__("threading").Event(), [])'''.replace('\n', ' ')


@EACH
@pytest.mark.parametrize('where', ['in the roots', 'installed there'])
def test_the_first_misses_of_a_process_may_come_from_threads_at_once(hop, call, installed, python, where):
    files = {f'm{number}.py': f'V = {number}\n' for number in range(4)}
    env = {}
    if where == 'installed there':
        env = installed(files)
        hop.write_all('lib', {'other.py': ''})
    else:
        hop.write_all('lib', files)
    eval_ = '__builtin__:eval' if python.number < (3,) else 'builtins:eval'
    for path in (('lib',), ()) if env else (('lib',),):
        assert call(python, eval_, FIRST_MISSES, path=path, env=env).value == [0, 0, 1, 1, 2, 2, 3, 3]
