import numpy as np
import pytest

from dscl_tf import cohort
from dscl_tf.cohort import partitions


@pytest.mark.parametrize(
    ("num_slices", "num_partitions", "expected"),
    [
        (4, 4, [0, 1, 2, 3]),
        (10, 4, [0, 0, 0, 1, 1, 1, 2, 2, 3, 3]),
        (9, 4, [0, 0, 0, 1, 1, 2, 2, 3, 3]),
        (5, 2, [0, 0, 0, 1, 1]),
        (3, 1, [0, 0, 0]),
    ],
)
def test_groups_by_hand(num_slices, num_partitions, expected):
    found = partitions.partition_of_slices(num_slices, num_partitions)
    assert found.dtype == np.int32
    assert found.tolist() == expected


@pytest.mark.parametrize("num_slices", range(6, 40))
@pytest.mark.parametrize("num_partitions", [2, 3, 4, 6])
def test_groups_are_consecutive_and_as_equal_as_can_be(num_slices, num_partitions):
    found = partitions.partition_of_slices(num_slices, num_partitions)
    assert set(np.diff(found)) <= {0, 1}
    sizes = np.bincount(found, minlength=num_partitions)
    assert sizes.sum() == num_slices
    assert sizes.max() - sizes.min() <= 1


@pytest.mark.parametrize(("num_slices", "num_partitions"), [(3, 4), (0, 1), (3, 0)])
def test_no_partition_may_be_empty(num_slices, num_partitions):
    with pytest.raises(ValueError, match=rf"\({num_slices}\), got {num_partitions}"):
        partitions.partition_of_slices(num_slices, num_partitions)


def test_public_name():
    assert cohort.partition_of_slices is partitions.partition_of_slices
