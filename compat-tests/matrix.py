"""Every interpreter x {local, ssh} x feature. Run by hand it prints the table; test_matrix.py runs the same cells."""

import base64
import json
import sys
import time

from harness.leaks import Leaks
from harness.pythons import discover
from harness.site import Site

PLACES = {'local': 'local:', 'ssh': 'h1'}
BIG = 3 ** 200


class Cell:
    """One interpreter at one place. What a feature asks of it is what a user would type."""

    def __init__(self, site, hop, place, python):
        self.site, self.hop, self.target = site, hop, PLACES[place]
        self.options = ['--python', python.path]

    def call(self, function, *words):
        return self.hop.call(self.target, function, *words, *self.options)

    def run(self, command, **options):
        return self.hop('run', '-w', self.target, *self.options, '--', command, **options)


def call(cell):
    before = time.time()
    result = cell.call('time:time')
    assert before - 1 <= float(result.text) <= time.time() + 1, result


def args(cell):
    nested = {'a': [1, None, True, 2.5, {'b': []}]}
    result = cell.call('answers:echo', '1', '"two"', 'three', json.dumps(nested), '--kw', 'n=[[], {}]', '--kw', 't=x y')
    assert result.value == {'args': [1, 'two', 'three', nested], 'kw': {'n': [[], {}], 't': 'x y'}}, result
    result = cell.call('answers:text_and_bytes')
    assert result.value == ['h\xe9 \u20ac', {'$bytes': base64.b64encode(b'\x00\x7f\xff').decode()}], result


def stdout(cell):
    result = cell.call('output:both_ways', '--json')
    assert result.only['value'] == 1 and result.only['stdout'] == 'printed\nfrom a shell\n', result


def stderr(cell):
    result = cell.call('output:to_stderr', '--json')
    assert result.only['value'] == 2 and result.only['stderr'] == 'complained\na shell complained\n', result


def exception(cell):
    result = cell.call('failing:with_value_error', '--json')
    error = result.only['error']
    assert result.rc == 1 and error['kind'] == 'exception', result
    assert error['type'] == 'ValueError' and error['message'] == 'the reason given', result
    assert 'in with_value_error' in error['traceback'] and 'raise ValueError(message)' in error['traceback'], result


def import_(cell):
    cell.hop.write('lib/single.py', 'import os.path\n\ndef where():\n    return os.path.join("a", __name__)\n')
    result = cell.hop('call', '-w', cell.target, '--path', 'lib', 'single:where', '--json', *cell.options)
    assert result.only['value'] in ('a/single', {'$bytes': 'YS9zaW5nbGU='}), result


def run(cell):
    result = cell.run('echo out; echo err >&2; exit 7')
    assert (result.rc, result.out) == (7, b'out\n') and b'err\n' in result.err, result


def run_stdin(cell):
    data = bytes(range(256)) * 1000
    result = cell.run('cat', stdin=data)
    assert result.rc == 0 and result.out == data, result


def unicode(cell):
    words = 'h\xe9 \u20ac \u6f22 \U0001f600'
    result = cell.call('answers:echo', words)
    assert result.value['args'] == [words], result


def bigint(cell):
    result = cell.call('operator:mul', str(-BIG), str(BIG))
    assert result.lines == [str(-BIG * BIG)], result


def title(cell):
    result = cell.call('presence:title', '--name', 'spider 7', '--json')
    shown = [text if isinstance(text, str) else base64.b64decode(text['$bytes']).decode()
             for text in result.only['value']]
    assert all(text.startswith('spider 7') for text in shown), result


def exit_(cell):
    leaks = Leaks(cell.site, None)
    result = cell.call('presence:pid')
    assert result.rc == 0 and result.text.strip().isdigit(), result
    left = leaks.found()
    assert not left, left


FEATURES = {'call': call, 'args': args, 'stdout': stdout, 'stderr': stderr, 'exception': exception, 'import': import_,
            'run': run, 'run-stdin': run_stdin, 'unicode': unicode, 'bigint': bigint, 'title': title, 'exit': exit_}


def check(site, place, python, feature):
    """'ok', 'skip', or what went wrong."""
    if place in site.missing:
        return 'skip'
    hop = site.hopvine()
    try:
        FEATURES[feature](Cell(site, hop, place, python))
    except Exception as error:  # a broken cell must not hide the rest of the table
        return f'{type(error).__name__}: {error}'
    finally:
        hop.close()
    return 'ok'


def main():
    site, wrong = Site(), []
    try:
        print(f'{"python":8} {"where":6}', *FEATURES)
        for python in discover():
            for place in PLACES:
                row = {feature: check(site, place, python, feature) for feature in FEATURES}
                marks = {feature: outcome if outcome in ('ok', 'skip') else 'FAIL' for feature, outcome in row.items()}
                print(f'{python.version:8} {place:6}', *(marks[name].ljust(len(name)) for name in FEATURES), flush=True)
                wrong += [(python, place, name, row[name]) for name in FEATURES if marks[name] == 'FAIL']
        for what, why in site.missing.items():
            print(f'skip {what}: {why}')
        for python, place, name, outcome in wrong:
            print(f'\nFAIL {python} {place} {name}\n{outcome}')
    finally:
        site.close()
    return 1 if wrong else 0


if __name__ == '__main__':
    sys.exit(main())
