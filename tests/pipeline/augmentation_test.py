import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from dscl_tf import config
from dscl_tf.pipeline import augmentation

STILL = config.AugmentationConfig(
    rotation_deg=0.0,
    scale=(1.0, 1.0),
    flip=False,
    rotation_step_deg=360,
    elastic_sigma=0.0,
    brightness=0.0,
    contrast=(1.0, 1.0),
)
COUNT = 32


@pytest.fixture(scope="module")
def blobs():
    """Images [N, 24, 24, 1] of two levels, and labels that a threshold gives."""
    rows, columns = np.mgrid[:24, :24]
    image = 1.0 * (np.hypot(rows - 9, columns - 14) < 5) + (columns > 17)
    image = np.repeat(image[None, ..., None], COUNT, axis=0).astype(np.float32)
    return tf.constant(image), tf.constant(image[..., 0] > 0.5, tf.int32)


def augment(blobs, settings, seed=0, num_classes=3):
    images, labels = augmentation.augment(
        *blobs, tf.constant([seed, 1]), settings, num_classes
    )
    assert images.dtype == tf.float32 and labels.dtype == tf.int32
    return images.numpy(), labels.numpy()


def test_no_strength_changes_nothing(blobs):
    images, labels = augment(blobs, STILL)
    np.testing.assert_allclose(images, blobs[0], atol=1e-5)
    np.testing.assert_array_equal(labels, blobs[1])


@pytest.mark.parametrize(
    "changes",
    [
        {"rotation_deg": 15.0},
        {"scale": (0.8, 1.2)},
        {"flip": True},
        {"rotation_step_deg": 45.0},
        {"elastic_sigma": 0.03},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_image_and_label_move_together(blobs, changes):
    images, labels = augment(blobs, dataclasses.replace(STILL, **changes))
    moved = (labels != blobs[1].numpy()).any(axis=(1, 2))
    assert 2 <= moved.sum() < COUNT  # Some are changed, and some are left alone.
    disagree = (images[..., 0] > 0.5) != labels
    assert disagree.mean() < 0.01
    assert (labels != blobs[1].numpy()).mean() > 3 * disagree.mean()


def test_defaults_keep_labels_in_range(blobs):
    labels = tf.constant(np.random.default_rng(0).integers(0, 3, (COUNT, 24, 24)))
    labels = tf.cast(labels, tf.int32)
    _, found = augment((blobs[0], labels), config.AugmentationConfig())
    assert set(np.unique(found)) == {0, 1, 2}


@pytest.mark.parametrize("flip", [False, True])
def test_mirror_only_when_allowed(blobs, flip):
    mirrored = blobs[0].numpy()[0, :, ::-1]
    found = [
        np.allclose(image, mirrored, atol=1e-5)
        for seed in range(3)
        for image in augment(blobs, dataclasses.replace(STILL, flip=flip), seed)[0]
    ]
    assert any(found) == flip


def test_intensity_changes_some_images_and_no_label(blobs):
    settings = dataclasses.replace(STILL, brightness=0.1, contrast=(0.8, 1.2))
    images, labels = augment(blobs, settings)
    np.testing.assert_array_equal(labels, blobs[1])
    changed = ~np.isclose(images, blobs[0], atol=1e-5).all(axis=(1, 2, 3))
    assert 5 < changed.sum() < COUNT - 5


def test_draws_depend_on_the_seed_alone(blobs):
    settings = config.AugmentationConfig()
    first, again, other = (augment(blobs, settings, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])
    assert not np.array_equal(first[0], other[0])
