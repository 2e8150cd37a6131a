import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from dscl_tf import config
from dscl_tf.pipeline import augmentation, intensity, strong, warps

COUNT, SIDE = 48, 32
KINDS = config.AugmentationKind
STRONG, STRONGEST = (
    config.AugmentationConfig(kind=kind) for kind in (KINDS.STRONG, KINDS.STRONGEST)
)


@pytest.fixture(scope="module")
def blobs():
    """Images of a disc off the middle, and labels that a threshold gives."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    image = 1.0 * (np.hypot(rows - 12, columns - 18) < 6)
    image = np.repeat(image[None, ..., None], COUNT, axis=0).astype(np.float32)
    return tf.constant(image), tf.constant(image[..., 0] > 0.5, tf.int32)


def ranges(**changes):
    still = {
        "rotation_deg": 0.0,
        "rotation_probability": 0.0,
        "scale": (1.0, 1.0),
        "scale_probability": 0.0,
        "shift": 0.0,
        "elastic_probability": 0.0,
    }
    return strong.WarpRanges(**{**still, **changes})


def warp(blobs, limits, flip=False, seed=0):
    limits = dataclasses.replace(limits, flip=flip, elastic_sigma=1.0 / 32)
    found = strong.warp(*blobs, tf.constant([seed, 1]), limits, 2)
    return [each.numpy() for each in found]


@pytest.mark.parametrize(
    "changes",
    [
        {"rotation_deg": 90.0, "rotation_probability": 0.5},
        {"scale": (0.7, 1.4), "scale_probability": 0.5},
        {"shift": 0.1},
        {"elastic_probability": 0.5},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_image_and_label_move_together(blobs, changes):
    images, labels = warp(blobs, ranges(**changes))
    moved = (labels != blobs[1].numpy()).any(axis=(1, 2)).mean()
    assert 0.2 < moved < 0.8 if "shift" not in changes else moved > 0.8
    assert ((images[..., 0] > 0.5) != labels).mean() < 0.01


@pytest.mark.parametrize("strength", [strong.NNUNET, strong.FEW_SLICES])
def test_labels_lie_where_their_images_do(blobs, strength):
    """A shift by half a pixel would move an image, and a label by a whole one."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    offsets = []
    for seed in range(4):
        images, labels = strong.warp(*blobs, tf.constant([seed, 3]), strength.warp, 2)
        for image, label in zip(images.numpy()[..., 0], labels.numpy()):
            # Where a threshold sees the disc, with the part of it in border pixels.
            if label.sum() > 40:
                down, right = (
                    np.average(axis, weights=image) - np.average(axis, weights=label)
                    for axis in (rows, columns)
                )
                offsets.append(np.hypot(down, right))
    assert len(offsets) > 100 and np.mean(offsets) < 0.15


def test_still_ranges_and_mirrors(blobs):
    images, labels = warp(blobs, ranges())
    np.testing.assert_allclose(images, blobs[0], atol=1e-5)
    np.testing.assert_array_equal(labels, blobs[1])
    mirrored = warp(blobs, ranges(), flip=True)[1]
    as_it_was = (mirrored == labels).all(axis=(1, 2))
    turned = (mirrored == labels[:, :, ::-1]).all(axis=(1, 2))
    assert (as_it_was ^ turned).all() and 0.2 < turned.mean() < 0.8


def test_a_shift_goes_right_and_down():
    image = np.zeros([1, 8, 8, 1], np.float32)
    image[0, 2, 3] = 1
    still = warps.affine_matrices(
        tf.zeros([1]), tf.ones([1]), tf.constant([False]), (8, 8)
    )
    moved = warps.affine(image, warps.shifted(still, tf.constant([[2.0, 1.0]])))
    assert np.argwhere(moved.numpy()[0, ..., 0] == 1).tolist() == [[3, 5]]


def test_shifts_are_fractions_of_the_side_that_they_are_along():
    image = np.zeros([64, 20, 80, 1], np.float32)
    image[:, 10, 40] = 1
    moved, _ = strong.warp(
        tf.constant(image),
        tf.zeros(image.shape[:3], tf.int32),
        tf.constant([0, 1]),
        ranges(shift=0.2, flip=False),
        2,
    )
    _, rows, columns, _ = np.nonzero(moved.numpy() > 0.5)
    assert len(rows) == 64
    assert (rows.min() - 10, rows.max() - 10) == (-4, 4)
    assert columns.min() - 40 in (-16, -15) and columns.max() - 40 in (15, 16)


def test_how_much_is_changed_is_as_probable_as_it_says():
    values = strong.drawn(tf.constant([5, 6]), 4000, 0.25, (0.5, 0.9), 1.0).numpy()
    chosen = values != 1.0
    assert abs(chosen.mean() - 0.25) < 0.03
    assert values[chosen].min() >= 0.5 and values[chosen].max() < 0.9
    assert abs(values[chosen].mean() - 0.7) < 0.02


@pytest.mark.parametrize(
    ("name", "amount"),
    [
        ("noise_variance", 0.1),
        ("blur_px", 0.8),
        ("brightness", 1.4),
        ("contrast", 0.7),
        ("resolution", 0.5),
        ("inverted_gamma", 1.4),
        ("gamma", 1.4),
    ],
)
def test_each_change_of_intensity_is_made_by_its_probability(name, amount):
    textured = np.random.default_rng(0).random([3, SIDE, SIDE, 1], np.float32)
    seed, amounts = tf.constant([2, 3]), tf.fill([3], amount)
    functions = {
        "noise_variance": lambda images, variance: intensity.noise(
            images, tf.sqrt(variance), tf.random.split(seed, 8)[1]
        ),
        "blur_px": intensity.blur,
        "resolution": intensity.low_resolution,
    }
    change = functions.get(name) or getattr(intensity, name)
    never = {
        each.name: strong.Change(0.0, amount, amount)
        for each in dataclasses.fields(strong.IntensityRanges)
    }
    always = {**never, name: strong.Change(1.0, amount, amount)}
    expected = change(tf.constant(textured), amounts).numpy()
    assert np.abs(expected - textured).mean() > 0.01
    for ranges, shown in ((never, textured), (always, expected)):
        found = strong.change_intensity(
            tf.constant(textured), seed, strong.IntensityRanges(**ranges)
        )
        np.testing.assert_allclose(found, shown, atol=1e-4)


@pytest.mark.parametrize("settings", [STRONG, STRONGEST], ids=["strong", "strongest"])
def test_the_labelled_slices_are_changed_by_it(blobs, settings):
    seed = tf.constant([2, 3])
    images, labels = augmentation.augment(*blobs, seed, settings, 2)
    again, _ = augmentation.augment(*blobs, seed, settings, 2)
    np.testing.assert_array_equal(images, again)
    assert images.shape == blobs[0].shape and labels.dtype == tf.int32
    # Some keep their intensities, others have grey values that were not there.
    off = np.abs(images - np.round(images)).max(axis=(1, 2, 3))
    still, _ = augmentation.augment(*blobs, seed, config.AugmentationConfig(), 2)
    assert (np.asarray(images) != np.asarray(still)).any()
    assert np.isfinite(images).all() and (off > 0.01).mean() > 0.5


def test_the_strongest_changes_more_slices_than_the_strong_one(blobs):
    def changed(settings):
        found = augmentation.augment(*blobs, tf.constant([2, 3]), settings, 2)
        # A shift alone keeps how many pixels are labelled, and the extremes.
        counts = np.asarray(found[1]).sum(axis=(1, 2))
        highest = np.asarray(found[0]).max(axis=(1, 2, 3))
        warped = counts != np.asarray(blobs[1]).sum(axis=(1, 2))
        return warped.mean(), (np.abs(highest - 1) > 0.05).mean()

    few, nearly_all = (changed(each) for each in (STRONG, STRONGEST))
    assert few[0] < 0.7 < nearly_all[0] and few[1] < nearly_all[1]
    assert nearly_all[1] > 0.8


def test_unknown_labels_stay_unknown(blobs):
    unknown = tf.where(blobs[1] == 1, 2, 0)
    _, found = augmentation.augment(blobs[0], unknown, tf.constant([2, 3]), STRONG, 3)
    assert set(np.unique(found)) == {0, 2}


@pytest.mark.parametrize("settings", [STRONG, STRONGEST], ids=["strong", "strongest"])
def test_where_slices_have_one_way_up_they_are_turned_a_little(settings):
    bar = np.zeros([400, SIDE, SIDE, 1], np.float32)
    bar[:, 4:28, 15:17] = 1
    label = tf.zeros([400, SIDE, SIDE], tf.int32)

    def turned_far(step_deg):
        turned = dataclasses.replace(settings, rotation_step_deg=step_deg, flip=False)
        seed = tf.constant([2, 3])
        shown, _ = augmentation.augment(tf.constant(bar), label, seed, turned, 2)
        width = (np.asarray(shown)[..., 0] > 0.5).any(axis=1).sum(axis=1)
        return (width > 17).mean()  # By more than 30 degrees, and scaled by 1.4.

    assert turned_far(45.0) > 0.05
    assert turned_far(360.0) <= 0.01
