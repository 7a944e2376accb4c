"""Faults of the program that are known and not yet mended."""

import contextlib

import pytest


@contextlib.contextmanager
def known_to_fail(reason):
    """Around what a known fault of the program breaks now and then; it goes with the fault."""
    try:
        yield
    except AssertionError:
        pytest.xfail(reason)
