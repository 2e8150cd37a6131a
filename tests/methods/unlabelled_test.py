import dataclasses

import numpy as np
import pytest

from dscl_tf import config
from dscl_tf.cohort.splits import Split
from dscl_tf.methods import unlabelled
from dscl_tf.methods.adversarial.settings import AdversarialConfig
from dscl_tf.pipeline import batches, sampling
from dscl_tf.training.stage_context import StageContext

PLAIN = config.FinetuneConfig(batch_size=3, adversarial=AdversarialConfig(0.1))
SPLIT = Split(("p0", "p1", "p2"), ("p3",), ("p4",), ("p5",))


@pytest.fixture
def make_stream(tiny_cohort):
    def make(settings, split=SPLIT):
        stage = config.StageConfig("finetune", "", "", finetune=settings)
        context = StageContext(stage, tiny_cohort, split, None, None, None)
        return unlabelled.unlabelled_batches(context)

    return make


def take(stream, first, last, seed=0):
    return list(stream.open(seed, first, last).as_numpy_iterator())


def test_a_method_that_does_not_say_that_it_uses_them_gets_none(make_stream):
    with pytest.raises(ValueError, match="need `uses_unlabelled`"):
        make_stream(config.FinetuneConfig(batch_size=3))


def test_batch_is_a_function_of_seed_and_step(make_stream):
    whole, later = take(make_stream(PLAIN), 0, 3), take(make_stream(PLAIN), 2, 3)
    assert set(later[0]) == {"image", "image_id", "volume", "partition", "step"}
    for name, values in later[0].items():
        np.testing.assert_array_equal(values, whole[2][name])
    other = take(make_stream(PLAIN), 2, 3, seed=1)
    assert not np.array_equal(whole[1]["image"], whole[2]["image"])
    assert not np.array_equal(other[0]["image"], whole[2]["image"])


def test_images_are_augmented_as_the_labelled_ones(make_stream, tiny_cohort):
    still = config.AugmentationConfig(0.0, (1.0, 1.0), False, 360.0, 0.0, 0.0, (1, 1))
    batch = take(make_stream(dataclasses.replace(PLAIN, augmentation=still)), 0, 1)[0]
    for image, volume in zip(batch["image"], batch["volume"]):
        slices = np.asarray(tiny_cohort.image(f"p{volume}"), np.float32)
        distance = np.abs(slices - image[..., 0]).max(axis=(1, 2)).min()
        assert distance < 1e-5
    changed = take(make_stream(PLAIN), 0, 1)[0]
    np.testing.assert_array_equal(batch["image_id"], changed["image_id"])
    assert np.abs(changed["image"] - batch["image"]).max() > 0.01


def test_draws_are_others_than_those_of_labelled_batches(make_stream, tiny_cohort):
    table = sampling.slice_table(tiny_cohort, ("p0", "p1", "p2"), 1)
    labelled = batches.finetune_batches(tiny_cohort, table, PLAIN)
    first, second = take(labelled, 0, 4), take(make_stream(PLAIN), 0, 4)
    for one, other in zip(first, second):
        assert not np.array_equal(one["image_id"], other["image_id"])
