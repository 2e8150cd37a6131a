import numpy as np
import pytest
import tensorflow as tf

from dscl_tf import config
from dscl_tf.pipeline import views

SEED = tf.constant([3, 4])
PLAIN = {"brightness": 0.0, "contrast": (1.0, 1.0)}


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    return tf.constant(rng.random((4, 8, 10, 1)), tf.float32)


def ramp(axis):
    """Pixel (r, c) of an 8 x 8 image has the value r or c, twice."""
    grid = np.mgrid[:8, :8][axis].astype(np.float32)
    return tf.constant(np.stack([grid, grid])[..., None])


def test_each_image_has_its_own_draw(images):
    same = tf.repeat(images[:1], 4, axis=0)
    for view in (views.local_view, views.global_view):
        changed = view(same, SEED, config.ViewConfig()).numpy()
        assert all(
            not np.allclose(changed[i], changed[j]) for i in range(4) for j in range(i)
        )
        again = view(same, SEED, config.ViewConfig()).numpy()
        np.testing.assert_array_equal(changed, again)


def test_intensity_change_is_affine_about_the_mean(images):
    changed = views.change_intensity(images, SEED, 0.3, (0.7, 1.3)).numpy()
    for before, after in zip(images.numpy(), changed):
        factor, offset = np.polyfit(before.ravel(), after.ravel(), 1)
        np.testing.assert_allclose(after, factor * before + offset, atol=1e-5)
        assert 0.7 <= factor <= 1.3
        assert abs(after.mean() - before.mean()) <= 0.3 + 1e-5


def test_intensity_draws_fill_their_ranges():
    many = tf.tile(tf.constant([0.0, 1.0])[None, :, None, None], [500, 1, 1, 1])
    changed = views.change_intensity(many, SEED, 0.3, (0.7, 1.3)).numpy()[..., 0, 0]
    factors, shifts = changed[:, 1] - changed[:, 0], changed.mean(axis=1) - 0.5
    for values, low, high in ((factors, 0.7, 1.3), (shifts, -0.3, 0.3)):
        assert low - 1e-5 <= values.min() < low + 0.02
        assert high - 0.02 < values.max() <= high + 1e-5
    assert abs(np.corrcoef(factors, shifts)[0, 1]) < 0.15  # Two draws, not one.


@pytest.mark.parametrize("axis", [0, 1])
def test_crop_of_a_ramp(axis):
    # The quarter in [2, 6) of [0, 8): output pixel k shows 2 + (k + 0.5) / 2 - 0.5.
    settings = config.ViewConfig(crop_fraction=0.5, crop_start=(0.25, 0.25))
    cropped = views.crop_and_resize(ramp(axis), SEED, settings).numpy()
    line = [1.75, 2.25, 2.75, 3.25, 3.75, 4.25, 4.75, 5.25]
    expected = np.broadcast_to(np.array(line), (8, 8))
    expected = expected.T if axis == 0 else expected
    np.testing.assert_allclose(cropped[1, ..., 0], expected, atol=1e-5)


def test_crop_at_the_border_brings_in_no_black():
    settings = config.ViewConfig(crop_fraction=0.5, crop_start=(0.9, 0.9))
    cropped = views.crop_and_resize(tf.ones([1, 8, 8, 1]), SEED, settings)
    np.testing.assert_allclose(cropped, np.ones([1, 8, 8, 1]), atol=1e-5)


def test_crops_start_where_they_may(images):
    settings = config.ViewConfig(crop_fraction=0.25, crop_start=(0.125, 0.5))
    many = tf.tile(ramp(0)[:1], [300, 1, 1, 1])
    first = views.crop_and_resize(many, SEED, settings).numpy()[:, 0, 0, 0]
    starts = (first + 0.5 - 0.125) / 8  # Of 8 pixels; 0.125 is half a quarter pixel.
    assert 0.125 - 1e-5 <= starts.min() < 0.14 and 0.48 < starts.max() <= 0.5 + 1e-5


def test_whole_image_is_no_crop(images):
    settings = config.ViewConfig(crop_fraction=1.0, **PLAIN)
    np.testing.assert_array_equal(views.crop_and_resize(images, SEED, settings), images)
    np.testing.assert_allclose(
        views.global_view(images, SEED, settings), images, atol=1e-6
    )


def test_local_view_moves_nothing(images):
    changed = views.local_view(images, SEED, config.ViewConfig(clip=(-9, 9))).numpy()
    for before, after in zip(images.numpy(), changed):
        correlation = np.corrcoef(before.ravel(), after.ravel())[0, 1]
        assert correlation == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("view", [views.local_view, views.global_view])
def test_values_are_clipped(images, view):
    changed = view(images * 9 - 3, SEED, config.ViewConfig()).numpy()
    assert changed.min() == 0.0 and changed.max() == 1.5
