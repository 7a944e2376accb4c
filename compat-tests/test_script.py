"""`hopvine script`: a whole Python script on another machine, as if that machine's Python had been given it."""

import hashlib
import shutil
import signal
import time

import pytest

from harness.pythons import discover, oldest_and_newest

EACH = pytest.mark.parametrize('python', oldest_and_newest(), ids=repr)
PYTHON_3 = pytest.mark.parametrize('python', [python for python in oldest_and_newest() if python.number >= (3,)],
                                   ids=repr)
BOTH = pytest.mark.parametrize('target', ['local:', 'h1'])


@pytest.fixture
def script(hop, far):
    """`script(python, source, *words)` runs it there, where its file cannot be seen."""
    def script(python, source, *words, target=far, name='job.py', **options):
        hop.write(name, source)
        return hop('script', '-w', target, '--python', python.path, name, *words, **options)
    return script


@pytest.fixture
def start(hop, far):
    """The same, left running."""
    def start(python, source, *words, target=far, **options):
        hop.write('job.py', source)
        return hop.start('script', '-w', target, '--python', python.path, 'job.py', *words, **options)
    return start


def ended(result, rc, out=b'', err=b''):
    assert (result.rc, result.out, result.err) == (rc, out, err), result


# What a script sees

@EACH
def test_it_has_its_arguments_as_text_exactly_as_typed(script, python):
    words = ['a', 'x y', '', '{"json": 1}', '--flag', '-w', '--', '-', "it's", '*', '$HOME', 'a\nb']
    result = script(python, 'import sys\nfor word in sys.argv: print(repr(word))\n', '--', *words)
    ended(result, 0, ''.join(f'{word!r}\n' for word in ['job.py', *words]).encode())


@PYTHON_3
def test_its_file_may_have_a_name_that_is_not_ascii(script, python):
    result = script(python, 'print(ascii(__file__))\n1 / 0\n', name='h\xe9.py')
    assert (result.rc, result.out) == (1, b"'h\\xe9.py'\n") and 'File "h\xe9.py", line 2' in result.said, result


@PYTHON_3
def test_arguments_may_hold_any_character(script, python):
    result = script(python, 'import sys\nprint(ascii(sys.argv[1:]))\n', 'h\xe9 \u20ac \U0001f600')
    ended(result, 0, b"['h\\xe9 \\u20ac \\U0001f600']\n")


@EACH
def test_it_is_the_main_module_and_holds_nothing_of_ours(script, python):
    result = script(python, '''
import sys
print(__name__ + ' ' + __file__)
print(sys.modules['__main__'].__dict__ is globals())
print(sorted(name for name in globals() if name[:2] != '__'))
print([__doc__, __package__])
if __name__ == '__main__':
    print('guarded')
''')
    ended(result, 0, b"__main__ job.py\nTrue\n['sys']\n[None, None]\nguarded\n")


@EACH
def test_it_has_the_names_that_site_gives(script, python):
    if python.number < (2, 5):
        pytest.skip('these are texts in Python 2.4')
    ended(script(python, 'print([f.__name__ for f in (abs, __import__)])\nexit(4)\n'), 4, b"['abs', '__import__']\n")
    ended(script(python, 'quit()\n'), 0)


@EACH
def test_it_finds_what_is_installed_there(hop, script, python):
    (hop.scratch / 'site').mkdir()
    (hop.scratch / 'site/theirs.py').write_text('V = "installed"\n')
    result = script(python, 'import theirs\nprint(theirs.V)\n', env={'PYTHONPATH': str(hop.scratch / 'site')})
    ended(result, 0, b'installed\n')


@EACH
def test_its_classes_can_be_pickled_and_its_functions_inspected(script, python):
    source = '''import inspect
import pickle


class Point(object):
    x = 1


def double(x):
    return 2 * x  # as it stands here


print(pickle.loads(pickle.dumps(Point())).__class__ is Point)
print(inspect.getsource(double))
'''
    ended(script(python, source), 0, b'True\ndef double(x):\n    return 2 * x  # as it stands here\n\n')


@EACH
def test_a_child_of_it_that_is_forked_works_with_its_functions(script, python):
    if python.number < (2, 6):
        pytest.skip('Python 2.6 is the first with multiprocessing')
    ended(script(python, '''
import multiprocessing

def double(x):
    return 2 * x

context = getattr(multiprocessing, 'get_context', lambda how: multiprocessing)('fork')
pool = context.Pool(2)
print(pool.map(double, [1, 2, 3]))
pool.close()
pool.join()
'''), 0, b'[2, 4, 6]\n')


@EACH
def test_it_imports_what_is_beside_it(hop, script, python):
    hop.write_all('tools', {'beside.py': 'from deep.down import V\n', 'deep/__init__.py': '', 'deep/down.py': 'V = 5\n',
                            'space/leaf.py': 'V = 6\n'})
    result = script(python, 'import beside\nfrom space import leaf\nprint([beside.V, leaf.V])\n', name='tools/job.py')
    ended(result, 0, b'[5, 6]\n')


@EACH
@pytest.mark.parametrize('name', ['my-job.2.py', 'job', '1.py', 'a b.py', 'json.py', "it's.py"])
def test_its_file_may_have_any_name(script, python, name):
    standard = 'import json\nprint(json.dumps(1))' if python.number >= (2, 6) else 'import sys\nprint(1)'
    result = script(python, standard + '\nraise ValueError("here")\n', name=name)
    assert (result.rc, result.out) == (1, b'1\n'), result
    place = '<module>' if python.number >= (2, 5) else '?'
    assert f'File "{name}", line 3, in {place}\n' in result.said, result


@EACH
def test_sources_of_any_encoding_and_line_ending_run(hop, script, python):
    latin = b'# -*- coding: latin-1 -*-\r\nprint(len(u"\xe4\xf6"))\r\nif 1:\r\n    print(2)'
    ended(script(python, latin), 0, b'2\n2\n')
    ended(script(python, b'\xef\xbb\xbfprint(3)\n'), 0, b'3\n')
    ended(script(python, '#!/usr/bin/env python3\n"""Doc."""\nfrom __future__ import division\nprint(__doc__)\n'
                         'print(1 / 2)\n'), 0, b'Doc.\n0.5\n')
    ended(script(python, ''), 0)


@EACH
def test_it_may_itself_come_from_standard_input(hop, far, python):
    hop.write('beside.py', 'V = 1\n')
    source = b'import beside, sys\nprint([sys.argv, __file__, beside.V, sys.stdin.read()])\n'
    result = hop('script', '-w', far, '--python', python.path, '-', 'a', stdin=source)
    ended(result, 0, b"[['-', 'a'], '-', 1, '']\n")


# How it ends

ENDS = [
    ('pass', 0, ''), ('import sys; sys.exit()', 0, ''), ('import sys; sys.exit(None)', 0, ''),
    ('import sys; sys.exit(0)', 0, ''), ('import sys; sys.exit(3)', 3, ''), ('import sys; sys.exit(255)', 255, ''),
    ('import sys; sys.exit(256)', 0, ''), ('import sys; sys.exit(-1)', 255, ''), ('import sys; sys.exit(True)', 1, ''),
    ('import sys; sys.exit("why")', 1, 'why\n'), ('import sys; sys.exit((1, 2))', 1, '(1, 2)\n'),
    ('raise SystemExit(5)', 5, ''), ('exit("text")', 1, 'text\n'),
    ('import sys; sys.exit(u"\\u20ac")', 1, '\u20ac\n'),
]


@EACH
@pytest.mark.parametrize('source, rc, err', ENDS, ids=[source for source, _, _ in ENDS])
def test_its_status_is_what_python_would_have_ended_with(script, python, source, rc, err):
    if 'u20ac' in source and python.number < (3,):
        pytest.skip('Python 2 writes text to standard error by its encoding, which is ASCII in a pipe')
    if source[:4] == 'exit' and python.number < (2, 5):
        pytest.skip('it is a text in Python 2.4')
    ended(script(python, source + '\n'), rc, err=err.encode())


@pytest.mark.parametrize('python', [python for python in discover() if python.number >= (3, 13)], ids=repr)
def test_what_it_raises_is_shown_with_its_lines_as_python_does(hop, script, python):
    hop.write('beside.py', 'def g(x):\n    return x["missing"]  # here\n')
    result = script(python, 'import beside\n\ndef f():\n    return beside.g({})  # there\n\nprint("first")\nf()\n')
    assert (result.rc, result.out) == (1, b'first\n'), result
    lines = [line for line in result.said.splitlines() if set(line) - set(' ^~')]  # newer ones underline
    assert lines == ['Traceback (most recent call last):',
                     '  File "job.py", line 7, in <module>', '    f()',
                     '  File "job.py", line 4, in f', '    return beside.g({})  # there',
                     f'  File "{hop.cwd}/beside.py", line 2, in g', '    return x["missing"]  # here',
                     "KeyError: 'missing'"], result


@EACH
def test_a_syntax_error_in_it_shows_the_line(script, python):
    result = script(python, 'print("first")\nx = (\n')
    assert (result.rc, result.out) == (1, b''), result
    assert 'File "job.py", line' in result.said and 'SyntaxError' in result.said, result
    assert python.version in result.said and 'hopvine' not in result.said, result


@EACH
def test_a_hook_for_exceptions_of_its_own_is_used(script, python):
    source = 'import sys\nsys.excepthook = lambda kind, error, trace: sys.stderr.write("mine: %s\\n" % error)\n'
    ended(script(python, source + 'raise ValueError("x")\n'), 1, err=b'mine: x\n')


@EACH
def test_what_is_registered_for_the_end_runs_last_first(script, python):
    ended(script(python, '''
import atexit, sys
for word in ('one', 'two'):
    atexit.register(sys.stdout.write, word + '\\n')
print('main')
sys.exit(3)
'''), 3, b'main\ntwo\none\n')


@EACH
def test_threads_that_are_no_daemons_are_waited_for(script, python, fifo):
    gate = fifo('gate')
    gate.write(b'on\n')
    ended(script(python, f'''
import sys, threading
said = threading.Event()

def work():
    said.wait()
    open({str(gate)!r}).readline()
    sys.stdout.write('thread\\n')

threading.Thread(target=work).start()
print('main')
said.set()
'''), 0, b'main\nthread\n')


@EACH
def test_threads_that_are_daemons_hold_nothing_up(script, python, fifo):
    gate = fifo('gate')
    daemon = 'daemon = True' if python.number >= (2, 6) else 'setDaemon(True)'
    result = script(python, f'''
import threading
thread = threading.Thread(target=lambda: open({str(gate)!r}).readline())
thread.{daemon}
thread.start()
print('main')
''', timeout=10)
    ended(result, 0, b'main\n')


@EACH
def test_megabytes_of_output_arrive_whole(script, python):
    result = script(python, '''
import os, sys
for number in range(300000):
    sys.stdout.write('%09d\\n' % number)
sys.stderr.write('x' * 1000000 + '\\n')
os.system('head -c 1000000 /dev/zero | tr "\\\\0" y')
sys.stdout.write('no newline')
sys.exit(2)
''')
    out = ''.join('%09d\n' % number for number in range(300000)) + 'y' * 1000000 + 'no newline'
    assert result.rc == 2 and result.err == b'x' * 1000000 + b'\n'
    assert hashlib.sha1(result.out).hexdigest() == hashlib.sha1(out.encode()).hexdigest(), len(result.out)


@EACH
def test_bytes_that_are_no_text_pass_through(script, python):
    data = 'bytes(bytearray(range(256)))' if python.number >= (2, 6) else '"".join(map(chr, range(256)))'
    source = f'import sys\ngetattr(sys.stdout, "buffer", sys.stdout).write({data})\n'
    ended(script(python, source), 0, bytes(range(256)))


# Ways to run it

@BOTH
def test_it_runs_alike_at_every_place(hop, ssh, target):
    hop.write('job.py', 'import sys\nprint(sys.argv[1:])\nsys.stderr.write("err\\n")\nsys.exit(7)\n')
    ended(hop('script', '-w', target, 'job.py', 'a'), 7, b"['a']\n", b'err\n')


def test_many_hosts_have_their_names_before_their_lines(hop, ssh):
    hop.write('job.py', 'import sys\nprint("out")\nsys.stderr.write("err\\n")\nsys.stdout.write("rest")\n')
    result = hop('script', '-w', 'local:c[1-3],h1', 'job.py')
    names = ['local:c1', 'local:c2', 'local:c3', 'h1']
    assert sorted(result.lines) == sorted(f'{name}: {word}' for name in names for word in ('out', 'rest')), result
    assert sorted(result.said.splitlines()) == sorted(f'{name}: err' for name in names), result
    assert result.rc == 0, result


def test_json_has_the_outputs_and_the_status(hop):
    hop.write('job.py', 'import sys\nprint("out")\nsys.exit("why")\n')
    result = hop('script', '-w', 'local:', '--json', 'job.py')
    each = result.only
    assert (each['rc'], each['ok'], each['stdout'], each['stderr']) == (1, False, 'out\n', 'why\n'), each
    assert set(each) == {'target', 'ok', 'rc', 'stdout', 'stderr', 'seconds'} and result.rc == 1, each


@BOTH
def test_one_that_is_late_is_ended_with_all_it_has_started(hop, ssh, fifo, target):
    leash = fifo('leash')
    hop.write('job.py', f'import subprocess, time\nsubprocess.Popen(["sleep", "1000"])\n'
                        f'open({str(leash)!r}, "w").write("up\\n")\ntime.sleep(1000)\n')
    result = hop('script', '-w', target, '-t', '1', '--json', 'job.py')
    leash.read_lines(1)
    assert result.rc == 124 and result.only['error']['kind'] == 'timed_out' and result.seconds < 5, result


@EACH
def test_an_interrupt_ends_it_and_what_it_has_started(start, python):
    live = start(python, 'import subprocess, time\nsubprocess.Popen(["sleep", "1000"])\nprint("up")\n'
                         'time.sleep(1000)\n')
    live.until(b'up')
    sent = time.monotonic()
    live.signal(signal.SIGINT)
    result = live.finish(10)
    assert result.rc == 130 and time.monotonic() - sent < 1.5, result
    assert 'Traceback' not in result.said, result


def test_a_script_that_is_not_there_is_refused_before_anything_starts(hop):
    result = hop('script', '-w', 'local:', 'nowhere.py')
    assert (result.rc, result.out) == (2, b'') and 'nowhere.py' in result.said, result
    result = hop('script', '-w', 'local:', '.')
    assert result.rc == 2, result


CHANGES = ('O_WRONLY', 'O_RDWR', 'O_CREAT', 'mkdir', 'rename', 'unlink', 'symlink', 'mknod', 'creat(', 'chmod',
           'truncate')


@EACH
def test_nothing_is_written_to_the_disk_of_the_other_side(hop, python):
    """As the system saw it; and so that a file would be seen, what the script itself writes."""
    if not shutil.which('strace'):
        pytest.skip('strace is not installed')
    own = hop.scratch / 'own'
    trace = hop.scratch / 'trace'
    target = hop.way_in(f'strace -f -qq -o {trace} -e trace=%file -e signal=none sh -c {{}}')
    hop.write_all('lib', {'beside.py': 'import string\nV = 1\n', 'deep/__init__.py': '', 'deep/x.txt': 'x'})
    hop.write('job.py', 'import beside, deep, logging, sys\nprint(deep.__loader__.get_data(deep.__path__[0] + "/x.txt"))\n'
                        'logging.warning("words")\nprint("words")\n'
                        f'open({str(own)!r}, "w").close()\n')
    result = hop('script', '-w', target, '--python', python.path, '--path', 'lib', 'job.py')
    assert result.rc == 0 and b'words' in result.out, result
    wrote = [line for line in trace.read_text(errors='replace').splitlines()
             if any(change in line for change in CHANGES) and '/dev/' not in line]
    # The title that ps shows is written into the process itself, and the watchdog answers through a pipe of the agent's.
    wrote = [line for line in wrote if '"/proc/' not in line]
    assert len(wrote) == 1 and str(own) in wrote[0], wrote
