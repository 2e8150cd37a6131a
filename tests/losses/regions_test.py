import numpy as np
import pytest

from dscl_tf import losses
from dscl_tf.losses import regions


def test_released_corners_are_those_of_the_released_commands():
    # Design: {0, h/2, h}^2 and {h/4, 3h/4}^2 with h = 48 - 4 for K = 3.
    expected = {(r, c) for r in (0, 22, 44) for c in (0, 22, 44)}
    expected |= {(r, c) for r in (11, 33) for c in (11, 33)}
    found = regions.released_corners((48, 48), 3).tolist()
    assert len(found) == 13
    assert {tuple(corner) for corner in found} == expected
    assert regions.released_corners((48, 48), 1).max() == 47


def test_small_maps_have_fewer_distinct_regions():
    found = regions.released_corners((4, 4), 3)
    assert found.tolist() == [[0, 0]]
    with pytest.raises(ValueError, match="too small"):
        regions.released_corners((3, 3), 3)


def test_grid_reaches_from_border_to_border():
    found = regions.grid_corners((6, 9), 3, per_side=4)
    assert len(found) == 16
    assert found.min(axis=0).tolist() == [0, 0]
    assert found.max(axis=0).tolist() == [3, 6]


def test_nearest_negatives():
    corners = np.array([[0, 0], [0, 1], [0, 3], [5, 5]])
    nearest = regions.nearest_negatives(corners, 2)
    assert nearest[0].tolist() == [[0, 1], [0, 3]]
    assert nearest[3].tolist() == [[0, 3], [0, 1]]
    assert regions.nearest_negatives(corners, 99).shape == (4, 3, 2)


def test_nearest_negatives_are_so_as_the_crow_flies():
    # At sqrt(32) and at 6; along rows and columns it would be 8 and 6.
    corners = np.array([[0, 0], [4, 4], [0, 6]])
    assert regions.nearest_negatives(corners, 1)[0].tolist() == [[4, 4]]


def test_gather_flattens_each_region():
    features = np.arange(2 * 4 * 5 * 2, dtype=np.float32).reshape(2, 4, 5, 2)
    found = losses.LocalRegions(2, [[0, 0], [2, 3]]).gather(features)
    np.testing.assert_array_equal(found[1, 1], features[1, 2:4, 3:5].ravel())


def test_table_counts_negatives_on_and_off_the_grid():
    made = losses.LocalRegions(1, [[0, 0], [0, 1]], [[[0, 1], [2, 2]], [[2, 2]] * 2])
    assert made.table.tolist() == [[0, 0], [0, 1], [2, 2]]
    assert made.counts.tolist() == [[0, 1, 1], [0, 0, 2]]


@pytest.mark.parametrize(
    ("size", "corners", "negatives", "message"),
    [
        (0, [[0, 0], [1, 1]], None, "size"),
        (1, [0, 0], None, "rank 2"),
        (1, [[0, 0]], None, "2 regions"),
        (1, [[0, 0], [0, 0]], None, "distinct"),
        (1, [[0, -1], [0, 0]], None, ">= 0"),
        (1, [[0, 0], [1, 1]], [[[0, 1]]], "negatives must be"),
    ],
)
def test_refuses_bad_regions(size, corners, negatives, message):
    with pytest.raises(ValueError, match=message):
        losses.LocalRegions(size, corners, negatives)


def test_refuses_regions_beyond_the_map():
    made = losses.LocalRegions(3, [[0, 0], [3, 0]])
    with pytest.raises(ValueError, match="5x5"):
        made.gather(np.zeros([1, 5, 5, 1], np.float32))
