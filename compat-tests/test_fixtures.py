"""The golden bytes, read by the agent's own code under every interpreter."""

import subprocess

import pytest

from harness.binary import REMOTE, REPO
from harness.pythons import discover


@pytest.mark.parametrize('python', discover(), ids=repr)
def test_the_golden_bytes_are_read_and_written_alike(python):
    words = [python.path, '-S', '-E', REMOTE / 'fixtures.py', REPO / 'bootstrap', REPO / 'fixtures']
    shown = subprocess.run(words, capture_output=True, text=True)
    assert shown.returncode == 0, shown.stdout + shown.stderr
