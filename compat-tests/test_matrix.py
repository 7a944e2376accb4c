"""The compatibility matrix, cell by cell."""

import pytest

import matrix
from harness.pythons import discover


@pytest.mark.parametrize('feature', matrix.FEATURES)
@pytest.mark.parametrize('place', matrix.PLACES)
@pytest.mark.parametrize('python', discover(), ids=repr)
def test_a_feature_works_with_an_interpreter(site, hop, need, python, place, feature):
    need(*{place} & {'ssh'})
    matrix.FEATURES[feature](matrix.Cell(site, hop, place, python))
