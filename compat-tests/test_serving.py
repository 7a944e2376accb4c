"""What a script's interpreter gives of what only it can import, and what it never gives."""

import json
import subprocess
import zipfile

import pytest

from harness.pair import Pair
from harness.pythons import discover

EACH = pytest.mark.parametrize('python', discover(), ids=repr)
START = 'import base64, json, os, sys\nfrom hopvine import serving\nhere = os.getcwd()\n'
END = '''
def plain(value):
    if isinstance(value, bytes) and bytes is not str:
        return value.decode('utf-8')
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    return value

for name in %s:
    before = set(sys.modules)
    got = plain(serving.answer(name))
    print(json.dumps([got, sorted(new for new in set(sys.modules) - before if new.split('.')[0] in ('own', 'mem', 'space', 'zipped'))]))
'''
FILES = {
    'lib/own/__init__.py': 'raise RuntimeError("imported")\n', 'lib/own/leaf.py': 'V = 1\n', 'lib/own/deep/__init__.py': '',
    'lib/own/deep/er.py': 'V = 2\n', 'lib/own/data/a.txt': 'text\n', 'lib/own/folder/x.py': '', 'lib/secret.txt': 'secret\n',
    'lib/one.py': '# -*- coding: latin-1 -*-\nV = 3\n', 'lib/documents/letter.txt': 'dear\n', 'lib/documents/mod.py': 'V = 4\n',
}


@pytest.fixture
def asked(tmp_path):
    """`asked(python, requests, setup)`: what is answered, after nothing of it has been imported."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / 'lib/own/way_out').symlink_to('../secret.txt')
    (tmp_path / 'lib/own/compiled.so').write_text('')
    with zipfile.ZipFile(tmp_path / 'more.egg', 'w') as archive:
        for name in ('zipped/__init__.py', 'zipped/leaf.py', 'zipped/data/b.txt'):
            archive.writestr(name, f'# {name}\n')

    def asked(python, requests, setup='sys.path.insert(0, os.path.join(here, "lib"))\n'):
        result = Pair(python, python, tmp_path)(START + setup + END % ascii(requests))
        assert result.rc == 0 and not result.err, result
        answers = [json.loads(line) for line in result.text.splitlines()]
        assert not [imported for _, imported in answers if imported], answers
        return [answer for answer, _ in answers]
    return asked


@EACH
def test_modules_and_packages_of_its_path_are_given(asked, python, tmp_path):
    lib = f'{tmp_path}/lib'
    assert asked(python, ['one', 'own', 'own.leaf', 'own.deep', 'own.deep.er', 'own.none', 'none', 'own.leaf.none']) == [
        [0, f'{lib}/one.py', FILES['lib/one.py'], []],
        [1, f'{lib}/own/__init__.py', FILES['lib/own/__init__.py'], ['compiled', 'data', 'deep', 'folder', 'leaf']],
        [0, f'{lib}/own/leaf.py', 'V = 1\n', []], [1, f'{lib}/own/deep/__init__.py', '', ['er']],
        [0, f'{lib}/own/deep/er.py', 'V = 2\n', []], None, None, None]


@pytest.mark.parametrize('python', [python for python in discover() if python.number >= (3,)], ids=repr)
def test_folders_are_namespace_packages_to_python_3(asked, python, tmp_path):
    assert asked(python, ['own.folder', 'documents', 'documents.mod']) == [
        [2, f'{tmp_path}/lib/own/folder', '', ['x']], [2, f'{tmp_path}/lib/documents', '', ['mod']],
        [0, f'{tmp_path}/lib/documents/mod.py', 'V = 4\n', []]]


@EACH
def test_what_is_compiled_is_told_with_its_path(asked, python, tmp_path):
    suffix = subprocess.run([python.path, '-c', 'import imp; print([s[0] for s in imp.get_suffixes() if s[2] == imp.C_EXTENSION][0])'
                             if python.number < (3,) else 'import importlib.machinery as m; print(m.EXTENSION_SUFFIXES[0])'],
                            capture_output=True, text=True).stdout.strip()
    (tmp_path / f'lib/own/fast{suffix}').write_bytes(b'')
    assert asked(python, ['own.fast']) == [[3, f'{tmp_path}/lib/own/fast{suffix}', '', []]]


@EACH
def test_python_itself_and_what_is_ours_are_never_given(asked, python):
    names = ['os', 'json', 'json.decoder', 'sys', 'zlib', 'posixpath', 'xml', 'xml.dom', '_frozen_importlib', 'itertools',
             'distutils', 'thread', '_ctypes', 'hopvine', 'hopvine.local', 'hopvine_core', '__main__', 'data:json:decoder.py',
             'data:hopvine:local.py', 'data:__main__:job.py', 'asyncio', 'lib2to3', 'sqlite3', 'encodings.idna']
    assert asked(python, names) == [None] * len(names)


@EACH
def test_odd_questions_have_no_answer(asked, python):
    names = ['', '.', 'own.', '.own', 'own..leaf', 'own/leaf', '../lib/one', 'own leaf', 'data:', 'data:own', 'data::x', 'data:own:',
             'x' * 5000, 'a.' * 500 + 'b', 'one\0', '\u20ac']
    answers = asked(python, names)
    folder = answers.pop(names.index('data:own:'))
    assert answers == [None] * (len(names) - 1) and ['data', True] in folder and ['leaf.py', False] in folder


@EACH
def test_data_is_given_from_within_its_package_only(asked, python):
    assert asked(python, ['data:own:data/a.txt', 'data:own:data', 'data:own:none', 'data:own.deep:er.py']) == [
        'text\n', [['a.txt', False]], None, 'V = 2\n']
    outside = ['data:own:../secret.txt', 'data:own:way_out', 'data:own:/etc/passwd', 'data:own:data/../../secret.txt',
               'data:documents:letter.txt', 'data:one:one.py', 'data:none:x']
    assert asked(python, outside) == [None] * len(outside)


@EACH
def test_zip_files_are_given_as_folders_are(asked, python, tmp_path):
    setup = 'sys.path.insert(0, os.path.join(here, "more.egg"))\n'
    zipped = f'{tmp_path}/more.egg/zipped'
    assert asked(python, ['zipped', 'zipped.leaf', 'data:zipped:data/b.txt', 'data:zipped:data', 'data:zipped:none'], setup) == [
        [1, f'{zipped}/__init__.py', '# zipped/__init__.py\n', ['leaf']],
        [0, f'{zipped}/leaf.py', '# zipped/leaf.py\n', []], '# zipped/data/b.txt\n', [['b.txt', False]], None]


MEMORY = '''
TEXTS = {'mem': 'V = 1\\n', 'mem.leaf': u'# coding: latin-1\\nV = "\\xe4"\\n', 'mem.deep': '', 'mem.deep.er': 'V = 2\\n'}

class Memory(object):
    def find_module(self, name, path=None):
        if name in TEXTS:
            return self

    def find_spec(self, name, path=None, target=None):
        if name in TEXTS:
            from importlib.machinery import ModuleSpec
            return ModuleSpec(name, self, origin='memory:' + name, is_package=self.is_package(name))

    def is_package(self, name):
        return name in ('mem', 'mem.deep')

    def get_source(self, name):
        return TEXTS[name]

    def load_module(self, name):
        raise ImportError('never')

    create_module = exec_module = load_module

sys.meta_path.insert(0, Memory())
'''


@EACH
def test_what_a_finder_of_the_programs_own_knows_is_given(asked, python):
    answers = asked(python, ['mem', 'mem.leaf', 'mem.none'], MEMORY)
    assert [answer and [answer[0], answer[2]] for answer in answers] == [
        [1, 'V = 1\n'], [0, '# coding latin-1\nV = "\xe4"\n'], None]


@EACH
def test_modules_that_are_loaded_are_given_from_where_they_came(asked, python, tmp_path):
    setup = ('sys.path.insert(0, os.path.join(here, "lib"))\nimport one\nsys.path.pop(0)\n'
             'made = type(sys)("made")\nsys.modules["made"] = made\nsys.modules["noned"] = None\n')
    assert asked(python, ['one', 'made', 'noned'], setup) == [
        [0, f'{tmp_path}/lib/one.py', FILES['lib/one.py'], []], None, None]
