"""The binary itself: one file, static, small, and the same on another architecture."""

import shutil

import pytest

from harness.binary import REPO
from harness.process import Process

AARCH64 = REPO / 'target/aarch64-unknown-linux-musl/release/hopvine'
MAX_BYTES = 3 << 20


def test_it_is_linked_statically(hop):
    shown = Process(['ldd', hop.path]).finish()
    assert 'statically linked' in shown.text + shown.said or 'not a dynamic executable' in shown.said, shown


def test_it_is_small(hop):
    assert hop.path.resolve().stat().st_size <= MAX_BYTES


@pytest.mark.parametrize('words', [['--version'], ['run', '-w', 'local:', '--', 'echo 3'],
                                   ['call', '-w', 'local:', 'operator:add', '1', '2']], ids=' '.join)
def test_the_other_architecture_does_the_same(hop, words):
    qemu = shutil.which('qemu-aarch64-static')
    if not qemu or not AARCH64.exists():
        pytest.skip('no qemu-aarch64-static' if not qemu else 'not built for aarch64')
    there = Process([qemu, AARCH64, *words], env=hop.env, cwd=hop.cwd).finish()
    assert (there.rc, there.out) == (0, hop(*words).out), there
