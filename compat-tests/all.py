#!/usr/bin/env python3
"""Runs every test there is and ends with one plain line that counts them: N passed, N failed, N skipped."""

import os
import pathlib
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

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
    """The same for some of the tests with real processes, whose skips pytest has explained."""
    report = REPO / 'target' / f'compat-tests-{name}.xml'
    report.unlink(missing_ok=True)
    words = [REPO / 'target' / 'venv' / 'bin' / 'python', '-m', 'pytest', '-q', '-c', 'compat-tests/pytest.ini',
             f'--junitxml={report}', *words, 'compat-tests']
    status = subprocess.run(words, cwd=REPO).returncode
    if not report.exists():
        return 0, 1, 0
    suites = ElementTree.parse(report).getroot().iter('testsuite')
    numbers = [[int(suite.get(name)) for name in ('tests', 'failures', 'errors', 'skipped')] for suite in suites]
    total, failures, errors, skipped = [sum(column) for column in zip(*numbers)]
    failed = failures + errors
    return max(total - failed - skipped, 0), failed or int(status != 0), skipped


# Most tests wait for others more than they work: so two files at a time, then those that measure, one after another.
counts = rust(), compat('together', '-n2', '--dist=loadfile', '-m', 'not alone'), compat('alone', '-m', 'alone')
passed, failed, skipped = [sum(column) for column in zip(*counts)]
print(f'{passed} passed, {failed} failed' + (f', {skipped} skipped' if skipped else ''))
sys.exit(failed != 0)
