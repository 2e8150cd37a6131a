import numpy as np
import pytest

from benchmarks import confusions


def test_volumes_without_a_structure_do_not_count():
    # [true class, found class]: one that has the structure, and two without it.
    having = [[90, 0], [2, 8]]
    without = [[100, 0], [0, 0]], [[50, 50], [0, 0]]
    shares, size = confusions.called(np.array([having, *without]), 1)
    np.testing.assert_allclose(shares, [0.2, 0.8])
    assert size == pytest.approx(0.8)
    shares, size = confusions.called(np.array(without), 1)
    assert np.isnan(shares).all() and np.isnan(size)
