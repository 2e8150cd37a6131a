"""Each change by what defines it, of one amount for each image."""

import numpy as np
import pytest
import tensorflow as tf

from dscl_tf.pipeline import intensity

SEED = tf.constant([3, 4])


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    return tf.constant(rng.random([4, 20, 24, 1]), tf.float32)


def amounts(*values):
    return tf.constant(values, tf.float32)


@pytest.mark.parametrize(
    ("change", "neutral"),
    [
        (intensity.brightness, 1.0),
        (intensity.contrast, 1.0),
        (intensity.blur, 0.0),
        (intensity.gamma, 1.0),
        (intensity.inverted_gamma, 1.0),
        (lambda images, amount: intensity.noise(images, amount, SEED), 0.0),
        (intensity.low_resolution, 1.0),
    ],
)
def test_each_image_has_its_own_amount_and_the_neutral_one_changes_nothing(
    images, change, neutral
):
    found = change(images, amounts(neutral, 0.6, neutral, 0.6)).numpy()
    np.testing.assert_allclose(found[::2], images[::2], atol=1e-5)
    assert (np.abs(found[1::2] - images[1::2]).mean(axis=(1, 2, 3)) > 0.01).all()


def test_brightness_multiplies_and_contrast_keeps_the_mean(images):
    factor = amounts(0.5, 1.5, 2.0, 1.0)
    found = intensity.brightness(images, factor)
    np.testing.assert_allclose(found, images * factor[:, None, None, None])
    found = intensity.contrast(images, factor).numpy()
    np.testing.assert_allclose(
        found.mean(axis=(1, 2, 3)), images.numpy().mean(axis=(1, 2, 3)), rtol=1e-5
    )
    ratio = found.std(axis=(1, 2, 3)) / images.numpy().std(axis=(1, 2, 3))
    np.testing.assert_allclose(ratio, factor, rtol=1e-4)


def test_blur_is_a_gaussian_and_keeps_what_is_even():
    point = np.zeros([2, 25, 25, 1], np.float32)
    point[:, 12, 12] = 1
    found = intensity.blur(tf.constant(point), amounts(1.0, 2.0)).numpy()[..., 0]
    offsets = np.arange(25) - 12
    for image, sigma in zip(found, (1.0, 2.0)):
        assert image.sum() == pytest.approx(1, abs=1e-5)
        # The second moment is the variance, but for what is cut off.
        assert (image.sum(axis=0) * offsets**2).sum() == pytest.approx(
            sigma**2, rel=0.05
        )
        np.testing.assert_allclose(image, image.T, atol=1e-7)
    even = tf.ones([2, 25, 25, 1])
    np.testing.assert_allclose(intensity.blur(even, amounts(1.0, 2.0)), even, atol=1e-5)


def test_gamma_keeps_mean_deviation_and_order(images):
    for change, sign in ((intensity.gamma, 1), (intensity.inverted_gamma, -1)):
        found = change(images, amounts(0.7, 1.5, 1.0, 1.2)).numpy()
        for axis in (1, 2, 3):
            assert found.shape[axis] == images.shape[axis]
        np.testing.assert_allclose(
            found.mean(axis=(1, 2, 3)), images.numpy().mean(axis=(1, 2, 3)), rtol=1e-4
        )
        np.testing.assert_allclose(
            found.std(axis=(1, 2, 3)), images.numpy().std(axis=(1, 2, 3)), rtol=1e-4
        )
        order = np.argsort(images[1].numpy().ravel())
        assert (np.diff(found[1].ravel()[order]) >= -1e-5).all()
        # Above 1 the curve bends down, mirrored for the inverted image.
        spread = found[1].ravel()[order]
        bend = spread[len(spread) // 2] - (spread[0] + spread[-1]) / 2
        assert sign * bend < 0
    flat = tf.ones([1, 4, 4, 1])
    np.testing.assert_allclose(intensity.gamma(flat, amounts(0.7)), flat)


def test_noise_is_a_share_of_the_images_deviation():
    rng = np.random.default_rng(1)
    images = tf.constant(rng.normal(size=[2, 64, 64, 1]) * 5, tf.float32)
    found = intensity.noise(images, amounts(0.3, 0.1), SEED) - images
    np.testing.assert_allclose(found.numpy().std(axis=(1, 2, 3)), [1.5, 0.5], rtol=0.05)


def test_low_resolution_shows_a_line_between_the_pixels_that_are_left():
    ramp = np.tile(np.arange(24, dtype=np.float32), [1, 24, 1])[..., None]
    found = intensity.low_resolution(tf.constant(ramp), amounts(0.5)).numpy()[0, ..., 0]
    # Coarse pixel k is source pixel 2 k + 0 or 1; lines lie between them.
    np.testing.assert_allclose(found, found[:1].repeat(24, axis=0), atol=1e-5)
    assert np.abs(found[0] - np.arange(24)).max() <= 1
    inner = np.diff(found[0][2:-2])
    np.testing.assert_allclose(inner, 1.0, atol=1e-4)
    checker = (np.indices([24, 24]).sum(axis=0) % 2).astype(np.float32)
    coarse = intensity.low_resolution(
        tf.constant(checker[None, ..., None]), amounts(0.5)
    )
    assert coarse.numpy().std() < 0.1  # What is finer than its pixels is lost.
