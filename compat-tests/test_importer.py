"""Modules of the user's that remote code imports: found, run and shown as if they were installed there.

`far` cannot see the user's folders, so what works there works with what has been sent.
"""

import base64
import hashlib
import io
import pathlib
import shlex
import sys
import zipfile
import zlib

import pytest

from harness.process import peak_bytes
from harness.pythons import discover, oldest_and_newest

EACH = pytest.mark.parametrize('python', oldest_and_newest(), ids=repr)
ALL = pytest.mark.parametrize('python', discover(), ids=repr)
PYTHON_3 = pytest.mark.parametrize('python', [python for python in oldest_and_newest() if python.number >= (3,)],
                                   ids=repr)
WITH_RESOURCES = pytest.mark.parametrize('python', [python for python in discover() if python.number >= (3, 7)],
                                         ids=repr)

MISSING_FILE = ('IOError', 'FileNotFoundError')


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
    hop.write_all('lib', {'space/inner/leaf.py': 'from .. import inner\nfrom ..top import V\n\ndef f():\n'
                                                 '    import space\n'
                                                 '    return [V, inner.__name__, hasattr(space, "__file__") and'
                                                 ' space.__file__ is not None]\n',
                          'space/top.py': 'V = 3\n'})
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
    absent |= {'urllib2'} if python.number >= (3,) else set()
    assert call(python, 'main:f').value == [name for name in STANDARD if name not in absent]


# Data

@EACH
def test_data_beside_a_module_is_read_by_pkgutil(hop, call, python):
    hop.write_all('lib', {'app/__init__.py': '', 'app/words.txt': 'h\u00e9\n', 'app/deep/table.bin': b'\x00\xff\r\n',
                          'app/part.py': 'import pkgutil\n\ndef f(package, name):\n'
                                         '    data = pkgutil.get_data(package, name)\n'
                                         '    return data is not None and data.decode("latin-1")\n'})
    names = ('words.txt', 'deep/table.bin', 'deep/../words.txt')
    shown = [call(python, 'app.part:f', 'app', name).value for name in names]
    assert shown == ['h\xc3\xa9\n', '\0\xff\r\n', 'h\xc3\xa9\n']
    error = ended(call(python, 'app.part:f', 'app', 'nothing.txt', '--json'))
    assert error['type'] in MISSING_FILE and 'nothing.txt' in error['message'], error


@EACH
def test_data_is_read_beside_the_file_by_the_loader(hop, call, python):
    hop.write_all('lib', {'app/__init__.py': 'import os\n\ndef f():\n    here = os.path.dirname(__file__)\n'
                                             '    return __loader__.get_data(os.path.join(here, "x.txt")).decode()\n',
                          'app/x.txt': 'words'})
    assert call(python, 'app:f').value == 'words'


RESOURCES = '''
import sys
import importlib.resources as resources
from app import data


def legacy():
    """The functions of 3.7, as far as this version has them."""
    found = {}
    for name, args in [('read_text', ('app', 'words.txt')), ('read_binary', ('app', 'words.txt')),
                       ('is_resource', ('app', 'words.txt')), ('is_resource', ('app', 'data')),
                       ('is_resource', ('app', 'nothing')), ('contents', ('app',)), ('contents', ('app.data',)),
                       ('read_text', ('app.data', 'deep.txt')), ('read_text', (data, 'deep.txt')),
                       ('read_text', ('app.data', 'nothing.txt'))]:
        if hasattr(resources, name):
            try:
                value = getattr(resources, name)(*args)
            except Exception as error:
                value = isinstance(error, FileNotFoundError)
            if name == 'contents':
                value = sorted(value)
            words = [getattr(arg, '__name__', arg) for arg in args]
            found[' '.join([name] + words)] = value
    if hasattr(resources, 'open_text'):
        with resources.open_text('app', 'words.txt') as file:
            found['open_text'] = [line for line in file]
        with resources.open_binary('app', 'words.txt') as file:
            found['open_binary'] = file.read()
    if hasattr(resources, 'path'):
        with resources.path('app', 'words.txt') as path:
            found['path'] = path.read_text('utf-8')
        found['path after'] = path.exists()
    return found


def modern():
    top = resources.files('app')
    with (top / 'words.txt').open(encoding='utf-8') as text, (top / 'words.txt').open('rb') as binary:
        opened = [text.read(), binary.read()]
    found = {
        'names': sorted(each.name for each in top.iterdir()),
        'files': sorted(each.name for each in top.iterdir() if each.is_file()),
        'folders': sorted(each.name for each in top.iterdir() if each.is_dir()),
        'opened': opened,
        'read': [(top / 'words.txt').read_text(encoding='utf-8'), top.joinpath('data', 'deep.txt').read_bytes(),
                 (top / 'data/deep.txt').read_text(), resources.files(data).joinpath('deep.txt').read_text()],
        'is': [(top / 'nothing').is_file(), (top / 'nothing').is_dir(), top.is_dir(), (top / 'data').is_dir()],
        'name': [top.name, (top / 'data' / 'deep.txt').name],
    }
    with resources.as_file(top / 'words.txt') as path:
        found['as_file'] = [path.is_file(), path.suffix, path.read_bytes()]
    found['as_file after'] = path.exists()
    try:
        (top / 'nothing').read_text()
    except FileNotFoundError as error:
        found['missing'] = 'nothing' in str(error)
    if sys.version_info >= (3, 12):
        with resources.as_file(top / 'data') as folder:
            found['folder'] = [(folder / 'deep.txt').read_text(), sorted(each.name for each in folder.iterdir())]
    return found
'''
WORDS = 'h\u00e9 words\n'
DATA = {'app/__init__.py': '', 'app/words.txt': WORDS, 'app/data/__init__.py': '', 'app/data/deep.txt': 'deep',
        'main.py': RESOURCES}
WORDS_BYTES = {'$bytes': 'aMOpIHdvcmRzCg=='}


@WITH_RESOURCES
def test_data_is_read_by_the_first_functions_of_importlib_resources(hop, call, python):
    hop.write_all('lib', DATA)
    expected = {'read_text app words.txt': WORDS, 'read_binary app words.txt': WORDS_BYTES,
                'is_resource app words.txt': True, 'is_resource app data': False, 'is_resource app nothing': False,
                'contents app': ['__init__.py', 'data', 'words.txt'], 'contents app.data': ['__init__.py', 'deep.txt'],
                'read_text app.data deep.txt': 'deep', 'read_text app.data nothing.txt': True,
                'open_text': [WORDS], 'open_binary': WORDS_BYTES, 'path': WORDS, 'path after': False}
    result = call(python, 'main:legacy')
    shown = result.value
    assert shown == {name: expected[name] for name in shown}, result
    assert len(shown) == len(expected), result  # no version has dropped them for good


@pytest.mark.parametrize('python', [python for python in discover() if python.number >= (3, 10)], ids=repr)
def test_data_is_read_by_files_of_importlib_resources(hop, call, python):
    hop.write_all('lib', DATA)
    result = call(python, 'main:modern')
    expected = {'names': ['__init__.py', 'data', 'words.txt'], 'files': ['__init__.py', 'words.txt'],
                'folders': ['data'], 'opened': [WORDS, WORDS_BYTES],
                'read': [WORDS, {'$bytes': 'ZGVlcA=='}, 'deep', 'deep'], 'is': [False, False, True, True],
                'name': ['app', 'deep.txt'], 'as_file': [True, '.txt', WORDS_BYTES], 'as_file after': False,
                'missing': True}
    if python.number >= (3, 12):
        expected['folder'] = ['deep', ['__init__.py', 'deep.txt']]
    assert result.value == expected, result


@PYTHON_3
def test_data_of_a_namespace_package_is_that_of_all_its_portions(hop, call, python):
    if python.number < (3, 10):
        pytest.skip('importlib.resources reads namespace packages from 3.10 on')
    hop.write_all('one', {'space/a.txt': 'a', 'space/data/x.txt': 'x'})
    hop.write_all('two', {'space/b.txt': 'b', 'space/main.py':
                          'import importlib.resources as resources\nimport pkgutil\n\ndef f():\n'
                          '    top = resources.files("space")\n'
                          '    return [sorted(each.name for each in top.iterdir()), (top / "a.txt").read_text(),\n'
                          '            (top / "b.txt").read_text(), (top / "data" / "x.txt").read_text()]\n'})
    assert call(python, 'space.main:f', path=('one', 'two')).value == [
        ['a.txt', 'b.txt', 'data', 'main.py'], 'a', 'b', 'x']


LARGE = 130 << 20


@PYTHON_3
def test_a_large_data_file_arrives_whole_in_a_few_times_its_size(hop, call, python):
    """More than Mitogen's and many others' largest message."""
    hop.write('lib/app/__init__.py', 'import hashlib, pkgutil, resource\n\ndef f():\n'
                                     '    data = pkgutil.get_data("app", "large.bin")\n'
                                     '    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10\n'
                                     '    return [len(data), data[-4:], hashlib.sha1(data).hexdigest(), peak]\n')
    block = bytes(range(256)) * 4096
    with open(hop.write('lib/app/large.bin', ''), 'wb') as file:
        for _ in range(LARGE // len(block)):
            file.write(block)
    digest = hashlib.sha1()
    for _ in range(LARGE // len(block)):
        digest.update(block)
    size, tail, sha1, peak = call(python, 'app:f', timeout=60).value
    assert (size, tail, sha1) == (LARGE, {'$bytes': '/P3+/w=='}, digest.hexdigest())
    assert peak < 5 * LARGE, peak


# Zip files

def zipped(hop, name, files):
    data = io.BytesIO()
    with zipfile.ZipFile(data, 'w', zipfile.ZIP_DEFLATED) as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    hop.write(name, data.getvalue())
    return name


ZIPPED = {
    'tool/__init__.py': 'from .part import V\n',
    'tool/part.py': 'import pkgutil\nV = 5\n\ndef f():\n    import beside, space.leaf\n'
                    '    return [V, beside.V, space.leaf.V, pkgutil.get_data("tool", "data/x.txt").decode()]\n'
                    '\n\ndef g():\n    raise ValueError("from a zip file")\n',
    'tool/data/x.txt': 'words', 'beside.py': 'V = 6\n', 'space/leaf.py': 'V = 7\n',
    'tool-1.0.dist-info/METADATA': 'Name: tool\n'}


@EACH
@pytest.mark.parametrize('name', ['lib.zip', 'tool-1.0-py2.py3-none-any.whl', 'app.pyz', 'no_suffix'])
def test_a_zip_file_is_a_root_as_a_folder_is(hop, call, python, name):
    zipped(hop, name, ZIPPED)
    assert call(python, 'tool.part:f', path=(name,)).value == [5, 6, 7, 'words']
    error = ended(call(python, 'tool.part:g', '--json', path=(name,)))
    assert f'{name}/tool/part.py", line 10, in g' in error['traceback'], error
    assert 'raise ValueError("from a zip file")' in error['traceback'], error


def test_a_zip_file_and_a_folder_together_keep_the_order_that_was_typed(hop, call):
    python = oldest_and_newest()[-1]
    zipped(hop, 'lib.zip', {'both.py': 'V = "zip"\n'})
    hop.write_all('lib', {'both.py': 'V = "folder"\n', 'main.py': 'import both\n\ndef f():\n    return both.V\n'})
    assert call(python, 'main:f', path=('lib.zip', 'lib')).value == 'zip'
    assert call(python, 'main:f', path=('lib', 'lib.zip')).value == 'folder'


@pytest.mark.parametrize('data', [b'', b'PK\x05\x06 not really', b'#!/bin/sh\necho no zip\n'])
def test_a_root_that_is_neither_a_folder_nor_a_zip_file_is_refused(hop, data):
    hop.write('lib.zip', data)
    result = hop('call', '-w', 'local:', '--path', 'lib.zip', 'os:getpid')
    assert result.rc == 2 and 'lib.zip' in result.said and result.out == b'', result


# Sources for people

@EACH
def test_inspect_shows_the_source(hop, call, python):
    source = 'def shown(x):\n    """What it does."""\n    return x  # as it is\n'
    hop.write_all('lib', {'ask.py': 'import inspect\nimport app.part\n\ndef f():\n'
                                    '    return [inspect.getsource(app.part.shown), inspect.getsource(app.part),\n'
                                    '            inspect.getsourcefile(app.part.shown),\n'
                                    '            inspect.getdoc(app.part.shown)]\n',
                          'app/__init__.py': '', 'app/part.py': f'import os\n\n\n{source}'})
    assert call(python, 'ask:f').value == [
        source, f'import os\n\n\n{source}', f'{hop.cwd}/lib/app/part.py', 'What it does.']


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
    hop.write_all('lib', {'fast/__init__.py': 'from . import _speed\n',
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


NEWER_SYNTAX = {'2.7': 'def f(*, a): pass\n', '3.6': 'if (n := 1): pass\n'}


@pytest.mark.parametrize('python', [python for python in discover() if python.number < (3, 7)], ids=repr)
def test_a_source_that_is_too_new_for_this_python_says_so(hop, call, python):
    hop.write('lib/modern.py', 'import os\n\n' + NEWER_SYNTAX['{}.{}'.format(*python.number)])
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
        except BaseException:
            results[number] = repr(sys.exc_info()[1])
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


# The borders of a root

@EACH
def test_a_link_out_of_the_root_is_refused_and_the_user_told(hop, call, python):
    secret = hop.scratch / 'secret'
    (secret / 'pack').mkdir(parents=True)
    for name in ('module.py', 'pack/__init__.py', 'data.txt'):
        (secret / name).write_text('V = "secret"\n')
    hop.write_all('lib', {'app/__init__.py': '', 'real.py': 'V = "mine"\n', 'main.py': '''
import pkgutil

def f(name):
    return __import__(name, {}, {}, ['V']).V

def data(name):
    return pkgutil.get_data('app', name)
'''})
    for name, target in (('module.py', 'module.py'), ('pack', 'pack'), ('app/part.py', 'module.py'),
                         ('app/data.txt', 'data.txt'), ('app/folder', '.')):
        (hop.cwd / 'lib' / name).symlink_to(secret / target)
        hop.written.add(hop.cwd / 'lib' / name)
    (hop.cwd / 'lib/inside.py').symlink_to('real.py')
    hop.written.add(hop.cwd / 'lib/inside.py')
    assert call(python, 'main:f', 'inside').value == 'mine'
    for name in ('module', 'pack'):
        result = call(python, 'main:f', name, '--json')
        assert name.split('.')[-1] in ended(result)['message'] and b'secret' not in result.out, result
        assert 'refused' in result.said and name in result.said, result
    for name in ('data.txt', 'folder/data.txt'):
        result = call(python, 'main:data', name, '--json')
        assert ended(result)['type'] in MISSING_FILE and b'V = ' not in result.out, result
        assert 'refused' in result.said and name in result.said, result


ASKER = pathlib.Path(__file__).with_name('harness') / 'asker.py'
SECRET = 'V = "what nobody may read"\n'


@pytest.fixture
def hostile(hop):
    """Starts a call at a target that sends these requests instead of serving it; an honest one is beside it."""
    def start(*requests):
        target = hop.way_in(shlex.join([sys.executable, str(ASKER), *map(str, requests)]), 'asker')
        return hop.start('call', '-w', f'{target},local:', '--path', 'lib', '--json', 'time:time')
    return start


def answers(result):
    """What the requests were answered with, unpacked."""
    assert result.json['local']['ok'] and 'panicked' not in result.said, result
    for each in result.json['exec:asker']['value']:
        data = base64.b64decode(each['$bytes']) if each else None
        yield zlib.decompress(data[1:], -15) if data and data[0] == 5 else data


REQUESTS = [
    '../secret', 'lib/../../secret', '/etc/passwd', 'app/../../secret', 'app.../secret', '..', '', '.', 'app..part',
    'secret', 'app.\0', 'x' * 300, 'data:app:../../secret.py', 'data:app:../../../../../../etc/passwd',
    'data:app:/etc/passwd', 'data:app:deep/../../../secret.py', 'data:../:secret.py', 'data:/etc:passwd',
    'data::secret.py', 'data:..:secret.py', 'data:app.:../secret.py', 'data:app', 'data:', 'data:os:os.py',
    'data:app:../beside.py', 'data:app:a\0b', 'part:../../secret', 'part:/etc/passwd', 'part:', 'nothing:x', 'os',
    'data:app:' + '../' * 50 + 'etc/passwd', 'data:app:' + 'deep/../' * 1000 + '../../secret.py',
]


def test_a_hostile_agent_gets_nothing_from_outside_of_the_roots(hop, hostile):
    hop.write_all('.', {'secret.py': SECRET, 'lib/app/__init__.py': '', 'lib/app/deep/x.txt': 'x',
                        'lib/beside.py': SECRET})
    result = hostile(*[request.replace('\0', '%00') for request in REQUESTS]).finish()
    shown = list(answers(result))
    assert len(shown) == len(REQUESTS), result
    for request, answer in zip(REQUESTS, shown):
        assert answer is None or (b'nobody may read' not in answer and b'root:' not in answer), (request, answer)
    for words in ('module "../secret"', 'module "/etc/passwd"', '"../../secret.py" of package "app"',
                  '"/etc/passwd" of package "app"', '"secret.py" of package "../"'):
        assert f'hopvine: exec:asker: asked for {words}: refused' in result.said, (words, result)


def test_the_stand_in_gets_what_it_may_ask_for(hop, hostile):
    """So that the test above refuses what would otherwise have come."""
    hop.write_all('lib', {'app/__init__.py': '', 'app/deep/x.txt': 'x', 'beside.py': SECRET})
    result = hostile('beside', 'data:app:deep/../deep/x.txt', 'data:app:', 'part:rich').finish()
    module, file, folder, part = answers(result)
    assert SECRET.encode() in module and file == b'\x06b\0\0\0\x01x' and b'__init__.py' in folder and len(part) > 500


def test_requests_without_end_do_not_fill_the_memory(hop, hostile, fifo):
    hop.write_all('lib', {'app/__init__.py': '', 'app/large.bin': b'x' * (4 << 20)})
    bell, gate = fifo('bell'), fifo('gate')
    live = hostile('--flood', 200, bell, gate, 'data:app:large.bin')
    bell.read_lines(1)
    peak = peak_bytes(live.pid)
    gate.write(b'on\n')
    assert live.finish().json['exec:asker']['ok']
    assert peak < 600 << 20, peak
