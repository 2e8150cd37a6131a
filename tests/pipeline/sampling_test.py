import dataclasses

import numpy as np
import pytest

from dscl_tf import errors
from dscl_tf.pipeline import sampling

NAMES = ("p0", "p1", "p2", "p3")


def rng(seed=0):
    return np.random.default_rng(seed)


def test_table_lists_every_slice(tiny_cohort):
    table = sampling.slice_table(tiny_cohort, ("p1", "p0"), 2)
    assert table.names == ("p1", "p0")
    assert table.volume.tolist() == [0] * 6 + [1] * 5
    assert table.index.tolist() == [0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4]
    assert table.partition.tolist() == [0, 0, 0, 1, 1, 1, 0, 0, 0, 1, 1]
    assert table.ids(np.array([7]))["image"].tolist() == [7]
    assert table.group_starts.tolist() == [0, 3, 6, 9, 11]


@pytest.mark.parametrize("num_partitions", [2, 3, 4, 5])
def test_one_slice_of_each_partition_of_distinct_volumes(tiny_cohort, num_partitions):
    table = sampling.slice_table(tiny_cohort, NAMES, num_partitions)
    drawn = set()
    for seed in range(60):
        rows = sampling.sample_by_partition(table, 3, rng(seed))
        ids = table.ids(rows)
        pairs = list(zip(ids["volume"], ids["partition"]))
        volumes = set(ids["volume"])
        assert len(volumes) == 3
        assert sorted(pairs) == [
            (v, p) for v in sorted(volumes) for p in range(num_partitions)
        ]
        drawn |= set(rows)
    assert drawn == set(range(len(table.volume)))  # Every slice has its turn.


def test_slices_are_distinct_where_there_are_enough(tiny_cohort):
    table = sampling.slice_table(tiny_cohort, ("p0", "p1"), 2)
    assert sorted(sampling.sample_slices(table, 11, rng())) == list(range(11))
    assert len(sampling.sample_slices(table, 30, rng())) == 30


def test_too_few_are_refused_by_name(tiny_cohort):
    with pytest.raises(errors.UserError, match=r"Volume p0 has 5 slices.*6 partitions"):
        sampling.slice_table(tiny_cohort, ("p1", "p0"), 6)
    with pytest.raises(errors.UserError, match="No volumes to train on"):
        sampling.slice_table(tiny_cohort, (), 2)
    table = sampling.slice_table(tiny_cohort, ("p0", "p1"), 2)
    with pytest.raises(errors.UserError, match=r"needs 3 volumes.*only 2"):
        sampling.sample_by_partition(table, 3, rng())


def test_table_is_frozen(tiny_cohort):
    table = sampling.slice_table(tiny_cohort, NAMES, 2)
    with pytest.raises(dataclasses.FrozenInstanceError):
        table.names = ()


def test_positions_are_heights_in_the_volume():
    table = sampling.SliceTable(
        names=("a", "b", "c"),
        volume=np.array([0, 0, 0, 1, 1, 2], np.int32),
        index=np.array([0, 1, 2, 0, 1, 0], np.int32),
        partition=np.zeros(6, np.int32),
        num_partitions=1,
    )
    assert table.position.dtype == np.float32
    np.testing.assert_array_equal(table.position, [0, 0.5, 1, 0, 1, 0])


def test_halves_of_a_batch(tiny_cohort):
    table = sampling.slice_table(tiny_cohort, ("p0", "p1", "p2"), 1)
    num_first = tiny_cohort.volume("p0").num_slices
    rows = sampling.sample_halves(table, num_first, 7, np.random.default_rng(0))
    assert (rows < num_first).sum() == 4
    assert len(set(rows)) == 7
    # More than there are: some twice.
    rows = sampling.sample_halves(table, num_first, 30, np.random.default_rng(0))
    assert (rows < num_first).sum() == 15
    with pytest.raises(errors.UserError, match="finetune_batch_size of 2"):
        sampling.sample_halves(table, num_first, 1, np.random.default_rng(0))


def test_halves_are_in_a_random_order(tiny_cohort):
    table = sampling.slice_table(tiny_cohort, ("p0", "p1", "p2"), 1)
    num_first = tiny_cohort.volume("p0").num_slices
    begins_with = [
        sampling.sample_halves(table, num_first, 4, rng(seed))[:2] < num_first
        for seed in range(20)
    ]
    # Else a device of two would have one kind alone.
    assert 0.2 < np.mean(begins_with) < 0.8
