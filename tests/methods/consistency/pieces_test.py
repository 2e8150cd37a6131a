"""The main piece of a slice, against SimpleITK's connected components."""

import numpy as np
import pytest
import SimpleITK as sitk
import tensorflow as tf

from dscl_tf.inference import components
from dscl_tf.methods.consistency import pieces

NUM_CLASSES = 4


@pytest.fixture(scope="module")
def slices():
    """Blobs of all classes in many pieces, int32 [8, 20, 28]; the last is empty."""
    rng = np.random.default_rng(0)
    values = np.zeros((8, 20, 28), np.int32)
    for number in range(7):
        for label in rng.integers(1, NUM_CLASSES, size=9):
            row, column = rng.integers(0, 16), rng.integers(0, 24)
            height, width = rng.integers(1, 5, size=2)
            values[number, row : row + height, column : column + width] = label
    return values


def by_library(values):
    """The same of one slice, by SimpleITK."""
    image = sitk.GetImageFromArray(values[None].astype(np.uint8))
    kept = components.keep_largest(image, [components.ALL_STRUCTURES])
    return sitk.GetArrayFromImage(kept)[0] > 0


@pytest.mark.parametrize("jit", [False, True])
def test_it_is_the_one_of_the_library(slices, jit):
    find = tf.function(pieces.main_piece, jit_compile=jit)
    found = find(tf.constant(slices), NUM_CLASSES).numpy()
    assert found.dtype == bool
    for number, values in enumerate(slices):
        np.testing.assert_array_equal(found[number], by_library(values))
    # There were other pieces to leave out.
    assert (found.any(axis=(1, 2)) == (slices > 0).any(axis=(1, 2))).all()
    assert (found != (slices > 0)).any(axis=(1, 2)).sum() >= 5


@pytest.mark.parametrize("rows", [(1, 8), (8, 1)])
def test_of_equal_shares_the_largest_piece_is_the_main_one(rows):
    small, large = rows
    values = np.zeros((1, 16, 20), np.int32)
    values[0, small, 3], values[0, large : large + 4, 8:14] = 1, 2
    found = pieces.main_piece(tf.constant(values), NUM_CLASSES).numpy()
    np.testing.assert_array_equal(found, values == 2)
    np.testing.assert_array_equal(found[0], by_library(values[0]))


def test_a_snake_is_one_piece():
    values = np.zeros((1, 9, 12), np.int32)
    values[0, ::2] = 1
    values[0, 1::4, -1] = values[0, 3::4, 0] = 1
    found = pieces.main_piece(tf.constant(values), 2).numpy()
    np.testing.assert_array_equal(found, values > 0)


def test_labelled_slices_say_whether_structures_are_one_piece():
    whole = np.zeros((3, 40, 40), np.uint8)
    whole[:, 5:20, 5:20] = 1
    whole[:2, 10:35, 20:30] = 2
    assert pieces.are_one_piece([whole], 3)
    # A voxel that interpolation has cut off; of 2351, that is less than 0.001.
    cut = whole.copy()
    cut[0, 38, 38] = 1
    assert pieces.are_one_piece([cut, whole], 3)
    apart = whole.copy()
    apart[0, 38:, 38:] = 2
    assert not pieces.are_one_piece([whole, apart], 3)
    # They are taken some at once; each counts.
    many = np.concatenate([whole] * 7)
    assert pieces.are_one_piece([many], 3)
    many[-2, 38:, 25:] = 2
    assert not pieces.are_one_piece([many], 3)
    # Nothing is known of what nobody labelled, and nothing of a volume of background.
    unknown = np.full_like(whole, 3)
    unknown[0] = whole[0]
    assert pieces.are_one_piece([unknown], 3)
    assert not pieces.are_one_piece([np.zeros_like(whole)], 3)
    assert not pieces.are_one_piece([], 3)
