import itertools

import numpy as np
import pytest
import tensorflow as tf

from dscl_tf import config, errors
from dscl_tf.pipeline import batches, sampling, streams

NAMES = ("p0", "p1", "p2", "p3")
SEED = 7


@pytest.fixture(scope="module")
def table(tiny_cohort):
    return sampling.slice_table(tiny_cohort, NAMES, 2)


@pytest.fixture(scope="module")
def sources(tiny_cohort, table):
    """Of each stage, and joined as methods join them."""
    shapes = {"num_partitions": 2, "batch_volumes": 2}
    view = config.ViewConfig()
    local = config.LocalConfig(num_regions=4, **shapes)
    strong = config.AugmentationConfig(kind=config.AugmentationKind.STRONG)
    labelled = batches.finetune_batches(
        tiny_cohort, table, config.FinetuneConfig(batch_size=3, augmentation=strong)
    )
    encoder = batches.global_batches(
        tiny_cohort, table, config.GlobalConfig(**shapes), view, salt=5
    )
    return {
        "encoder": encoder,
        "decoder": batches.local_batches(tiny_cohort, table, local, view, (16, 16)),
        "finetune": labelled,
        "joined": streams.JoinedStream(labelled, {"unlabelled": encoder}),
    }


@pytest.mark.parametrize("name", ["encoder", "decoder", "finetune", "joined"])
def test_batches_augmented_on_a_device_are_those_of_the_cpu(sources, name):
    expected = list(sources[name].open(SEED, 2, 4))
    found = list(sources[name].batches("/CPU:0", SEED, 2, 4))
    assert len(found) == len(expected) == 2
    for one, other in zip(found, expected):
        assert one.keys() == other.keys()
        for key, values in one.items():
            assert values.dtype == other[key].dtype
            np.testing.assert_allclose(values, other[key], atol=1e-6, err_msg=key)
    assert [int(batch["step"]) for batch in found] == [2, 3]


def test_without_a_device_they_are_those_of_open(sources):
    found = next(sources["finetune"].batches(None, SEED, 0, 1))
    expected = next(iter(sources["finetune"].open(SEED, 0, 1)))
    np.testing.assert_array_equal(found["image"], expected["image"])


def test_no_tuner_keeps_the_end_of_a_stage_waiting(sources):
    assert sources["finetune"].open(SEED, 0, 1).options().autotune.enabled is False


def test_only_the_device_augments(tiny_cohort, table):
    eager = []

    def transform(batch, seed):
        eager.append(tf.inside_function())
        tf.py_function(lambda: eager.append("augmented"), [], [])
        return batch

    stream = streams.Stream(
        tiny_cohort, table, lambda rng: rng.integers(0, 4, 2), transform
    )
    found = stream.open_on("/CPU:0", SEED, 0, 50)
    next(found)
    # One batch was asked for, and those that are prefetched are slices only.
    assert eager == [True, "augmented"]


def test_a_stream_may_be_opened_at_any_step(sources):
    whole = itertools.islice(sources["joined"].open_on("/CPU:0", SEED, 0, 9), 4)
    later = next(sources["joined"].open_on("/CPU:0", SEED, 3, 9))
    for key, values in list(whole)[3].items():
        np.testing.assert_array_equal(values, later[key], err_msg=key)


def test_a_salt_tells_slices_and_their_changes_apart(tiny_cohort, table):
    def first_batch(salt):
        stream = streams.Stream(
            tiny_cohort,
            table,
            lambda rng: rng.integers(0, 20, 4),
            lambda batch, seed: {**batch, "seed": seed},
            salt=salt,
        )
        return next(iter(stream.open(SEED, 0, 1)))

    found = [first_batch(salt) for salt in (0, 1, 2)]
    for key in ("image_id", "seed"):
        assert len({tuple(batch[key].numpy()) for batch in found}) == 3, key


@pytest.mark.parametrize("device", [None, "/CPU:0"])
def test_why_a_slice_cannot_be_read_is_kept(tiny_cohort, table, device):
    def unreadable(name):
        raise errors.UserError(f"{name} is gone")

    stream = streams.Stream(
        tiny_cohort,
        table,
        lambda rng: np.arange(2),
        lambda batch, seed: batch,
        label_of=unreadable,
    )
    joined = streams.JoinedStream(stream, {})
    with pytest.raises(tf.errors.OpError):
        next(joined.batches(device, SEED, 0, 4))
    assert "p0 is gone" in str(joined.failure)
