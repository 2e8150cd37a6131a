import dataclasses

import numpy as np
import pytest

from dscl_tf import config
from dscl_tf.pipeline import batches, sampling, unlabelled

PLAIN = config.FinetuneConfig(batch_size=3)
LEARNED = dataclasses.replace(
    PLAIN,
    learned_augmentation=config.LearnedAugmentationConfig(True, latent_units=200),
)


@pytest.fixture
def make_stream(tiny_cohort):
    table = sampling.slice_table(tiny_cohort, ("p0", "p1", "p2"), 1)

    def make(settings):
        return unlabelled.unlabelled_batches(tiny_cohort, table, settings)

    return make


def take(stream, first, last, seed=0):
    return list(stream.open(seed, first, last).as_numpy_iterator())


def test_batch_is_a_function_of_seed_and_step(make_stream):
    whole, later = take(make_stream(LEARNED), 0, 3), take(make_stream(LEARNED), 2, 3)
    for name, values in later[0].items():
        np.testing.assert_array_equal(values, whole[2][name])
    other = take(make_stream(LEARNED), 2, 3, seed=1)
    for name in ("image", "latent"):
        assert not np.array_equal(whole[1][name], whole[2][name])
        assert not np.array_equal(other[0][name], whole[2][name])


def test_there_are_no_labels_and_a_latent_for_each_labelled_image(make_stream):
    plain, learned = (take(make_stream(s), 0, 1)[0] for s in (PLAIN, LEARNED))
    assert set(plain) == {"image", "image_id", "volume", "partition"}
    assert set(learned) == {*plain, "latent"}
    latent = learned["latent"]
    assert latent.shape == (3, 2, 200)
    assert abs(latent.mean()) < 0.1 and latent.std() == pytest.approx(1, abs=0.1)
    # The same images, whether or not the other method takes part.
    np.testing.assert_array_equal(plain["image"], learned["image"])


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
