#!/usr/bin/env python3
"""Runs every test there is and ends with one plain line that counts them: N passed, N failed, N skipped."""

import contextlib
import os
import pathlib
import re
import signal
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

# More failures than this are no accident, and are not looked at twice.
MAX_AGAIN = 12
# Each test has a limit of its own; this one is for the run that none of them ends.
LIMIT_SECONDS = 50 * 60
# A machine on which all fails says so before CI's patience ends.
MAX_FAILURES = 40
# pytest's status for a run that was interrupted.
CUT_SHORT = 2
# Most tests wait for others more than they work.
FILES_AT_ONCE = min(os.cpu_count() + 1, 4)
REPO = pathlib.Path(__file__).resolve().parent.parent


def rust():
    """(passed, failed, skipped) of the unit tests; a build that fails counts as one failure."""
    words = [os.environ.get('CARGO', 'cargo'), 'test', '--locked', '--quiet']
    shown = subprocess.run(words, cwd=REPO, stdout=subprocess.PIPE, text=True)
    print(shown.stdout)
    counts = re.findall(r'test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored', shown.stdout)
    passed, failed, skipped = [sum(int(number) for number in column) for column in zip(*counts)] or (0, 0, 0)
    return passed, failed or int(shown.returncode != 0), skipped


def compat(name, *words):
    """The same for some of the tests with real processes, whose skips pytest has explained; and which have failed."""
    report = REPO / 'target' / f'compat-tests-{name}.xml'
    report.unlink(missing_ok=True)
    words = [REPO / 'target' / 'venv' / 'bin' / 'python', '-m', 'pytest', '-q', '-c', 'compat-tests/pytest.ini',
             '--durations=10', f'--maxfail={MAX_FAILURES}', f'--junitxml={report}', *words]
    status = within_limit(words)
    if not report.exists():
        return (0, 1, 0), []
    root = ElementTree.parse(report).getroot()
    suites = root.iter('testsuite')
    numbers = [[int(suite.get(name)) for name in ('tests', 'failures', 'errors', 'skipped')] for suite in suites]
    total, failures, errors, skipped = [sum(column) for column in zip(*numbers)]
    failed = failures + errors + int(status == CUT_SHORT)
    wrong = [case for case in root.iter('testcase') if case.find('failure') is not None or case.find('error') is not None]
    names = ['compat-tests/{}.py::{}'.format(case.get('classname').replace('.', '/'), case.get('name')) for case in wrong]
    return (max(total - failed - skipped, 0), failed or int(status != 0), skipped), names


def within_limit(words):
    """Runs them in a session of their own: no test finds the terminal of whoever runs all, or stops what runs beside it.
    A run that passes the limit shows who was at what, and is interrupted: it tells what has failed until then."""
    run = subprocess.Popen(words, cwd=REPO, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        return run.wait(LIMIT_SECONDS)
    except subprocess.TimeoutExpired:
        print(f'\nnot over after {LIMIT_SECONDS} s:', flush=True)
        subprocess.run(['ps', '-eo', 'pid,ppid,sid,stat,wchan:20,etimes,args', '--forest'])
        run.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            run.wait(60)
        return CUT_SHORT
    finally:
        if run.poll() is None:
            os.killpg(run.pid, signal.SIGKILL)
            run.wait()


def again(count, names):
    """What has failed beside others, once more and one after another: a machine that others use too can stall for longer
    than a test's time. Returns what this changes; each that passes now is named."""
    names = sorted(set(names))
    if not 0 < len(names) <= MAX_AGAIN:
        return 0, 0, 0
    print(f'\n{len(names)} failed, and are run again, alone', flush=True)
    (passed, failed, _), left = compat('again', *names)
    if passed + len(left) != len(names):
        return 0, 0, 0
    for name in names:
        if name not in left:
            print(f'passed when it was run again: {name}')
    return passed, failed - count, 0


# Those that measure come last, one after another.
unit = rust()
together, failed_together = compat('together', f'-n{FILES_AT_ONCE}', '--dist=loadfile', '-m', 'not alone', 'compat-tests')
alone, failed_alone = compat('alone', '-m', 'alone', 'compat-tests')
counts = unit, together, alone, again(together[1] + alone[1], failed_together + failed_alone)
passed, failed, skipped = [sum(column) for column in zip(*counts)]
print(f'{passed} passed, {failed} failed' + (f', {skipped} skipped' if skipped else ''))
sys.exit(failed != 0)
