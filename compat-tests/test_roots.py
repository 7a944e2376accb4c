"""What a root holds besides the modules that are imported: data, in folders and zip files; and what lies outside of it.

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
from test_importer import EACH, PYTHON_3, call, ended  # noqa: F401

WITH_PKGUTIL_DATA = pytest.mark.parametrize('python', [python for python in discover() if python.number >= (2, 6)],
                                            ids=repr)
WITH_RESOURCES = pytest.mark.parametrize('python', [python for python in discover() if python.number >= (3, 7)],
                                         ids=repr)

MISSING_FILE = ('IOError', 'FileNotFoundError')


# Data

@WITH_PKGUTIL_DATA
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
    'tool/part.py': 'import os\nV = 5\n\ndef f():\n    import beside, space.leaf\n    data = os.path.join(os.path.dirname(__file__), "data/x.txt")\n'
                    '    return [V, beside.V, space.leaf.V, __loader__.get_data(data).decode()]\n'
                    '\n\ndef g():\n    raise ValueError("from a zip file")\n',
    'tool/data/x.txt': 'words', 'beside.py': 'V = 6\n', 'space/leaf.py': 'V = 7\n',
    'tool-1.0.dist-info/METADATA': 'Name: tool\n'}


@EACH
@pytest.mark.parametrize('name', ['lib.zip', 'tool-1.0-py2.py3-none-any.whl', 'app.pyz', 'no_suffix'])
def test_a_zip_file_is_a_root_as_a_folder_is(hop, call, python, name):
    zipped(hop, name, ZIPPED)
    assert call(python, 'tool.part:f', path=(name,)).value == [5, 6, 7, 'words']
    error = ended(call(python, 'tool.part:g', '--json', path=(name,)))
    assert f'{name}/tool/part.py", line 11, in g' in error['traceback'], error
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


# The borders of a root

@EACH
def test_a_link_out_of_the_root_is_refused_and_the_user_told(hop, call, python):
    secret = hop.scratch / 'secret'
    (secret / 'pack').mkdir(parents=True)
    for name in ('module.py', 'pack/__init__.py', 'data.txt'):
        (secret / name).write_text('V = "secret"\n')
    hop.write_all('lib', {'app/__init__.py': '', 'real.py': 'V = "mine"\n', 'main.py': '''
import os

def f(name):
    return __import__(name, {}, {}, ['V']).V

def data(name):
    import app
    return app.__loader__.get_data(os.path.join(os.path.dirname(app.__file__), name))
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
