import numpy as np
import pytest
import tensorflow as tf

from dscl_tf import config
from dscl_tf.methods.mixup import method, mixing
from dscl_tf.methods.mixup.settings import MixupConfig
from dscl_tf.pipeline import batches, sampling
from dscl_tf.training.stage_context import StageContext

SEED = tf.constant([3, 4])


def make(count=6):
    rng = np.random.default_rng(0)
    images = rng.random([count, 4, 4, 1]).astype(np.float32)
    maps = np.eye(3, dtype=np.float32)[rng.integers(0, 3, [count, 4, 4])]
    return images, maps


def test_mixes_images_and_labels_alike():
    images, maps = make()
    partners, weights = (part.numpy() for part in mixing.draw(SEED, 6, 0.5))
    mixed, mixed_maps = mixing.mixup(images, maps, SEED, 0.5)
    assert sorted(partners) == list(range(6))
    assert (weights >= 0).all() and (weights <= 1).all() and len(set(weights)) > 1
    for k, (partner, w) in enumerate(zip(partners, weights)):
        np.testing.assert_allclose(
            mixed[k], w * images[k] + (1 - w) * images[partner], rtol=1e-6
        )
        np.testing.assert_allclose(
            mixed_maps[k], w * maps[k] + (1 - w) * maps[partner], rtol=1e-6
        )


def test_what_is_mixed_with_unknown_is_unknown():
    images, maps = make(2)
    maps[0, 0, 0] = 0
    # A seed with which the two images are each other's partners.
    seeds = (tf.constant([s, 0]) for s in range(20))
    seed = next(s for s in seeds if mixing.draw(s, 2, 1.0)[0][0] == 1)
    known = np.sum(mixing.mixup(images, maps, seed, 1.0)[1], axis=-1)
    assert known[0, 0, 0] == 0 and known[1, 0, 0] == 0
    np.testing.assert_allclose(known.ravel()[[1, 17]], 1, rtol=1e-6)


@pytest.mark.parametrize("alpha", [0.2, 1.0, 8.0])
def test_weights_have_the_moments_of_beta(alpha):
    weights = mixing.draw(SEED, 4000, alpha)[1].numpy()
    variance = 1 / (4 * (2 * alpha + 1))  # Of Beta(alpha, alpha).
    np.testing.assert_allclose(weights.mean(), 0.5, atol=0.03)
    np.testing.assert_allclose(weights.var(), variance, rtol=0.1)


def stream_of(cohort, alpha):
    table = sampling.slice_table(cohort, ("p0", "p1"), 1)
    settings = config.FinetuneConfig(batch_size=4, mixup=MixupConfig(alpha))
    stream = batches.finetune_batches(cohort, table, settings)
    stage = config.StageConfig("finetune", "", "", finetune=settings)
    context = StageContext(stage, cohort, None, None, None, None)
    return stream.then(method.change(context)) if alpha else stream


def test_batches_with_mixup_are_functions_of_the_step(tiny_cohort):
    first = list(stream_of(tiny_cohort, 0.4).open(5, 0, 3))
    later = list(stream_of(tiny_cohort, 0.4).open(5, 2, 3))
    assert first[2]["label"].shape == (4, 16, 16, 2)
    for name in first[2]:
        np.testing.assert_array_equal(first[2][name], later[0][name])
    np.testing.assert_allclose(
        np.sum(first[0]["label"], axis=-1), np.ones([4, 16, 16]), rtol=1e-6
    )


def test_mixup_changes_no_draw_of_the_augmentation(tiny_cohort):
    plain = next(iter(stream_of(tiny_cohort, 0.0).open(5, 1, 2)))
    mixed = next(iter(stream_of(tiny_cohort, 0.4).open(5, 1, 2)))
    seed = tf.constant([5, 1])
    images, maps = mixing.mixup(
        plain["image"], tf.one_hot(plain["label"], 2), seed, 0.4
    )
    np.testing.assert_array_equal(mixed["image"], images)
    np.testing.assert_array_equal(mixed["label"], maps)
