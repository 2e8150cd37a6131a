import math

import numpy as np
import pytest
import tensorflow as tf

from dscl_tf.pipeline import warps

SIZE = (8, 8)


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    return tf.constant(rng.random((3, *SIZE, 1)), tf.float32)


def matrices(angle=0.0, scale=1.0, mirror=False, size=SIZE):
    return warps.affine_matrices(
        tf.fill([3], angle), tf.fill([3], scale), tf.fill([3], mirror), size
    )


@pytest.mark.parametrize("nearest", [False, True])
def test_identity(images, nearest):
    np.testing.assert_allclose(
        warps.affine(images, matrices(), nearest), images, atol=1e-6
    )


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_quarter_turns_are_counter_clockwise(images, turns):
    turned = warps.affine(images, matrices(angle=turns * math.pi / 2))
    expected = np.rot90(images, turns, axes=(1, 2))
    np.testing.assert_allclose(turned, expected, atol=1e-4)


def test_mirror_is_left_right(images):
    flipped = warps.affine(images, matrices(mirror=True))
    np.testing.assert_allclose(flipped, images[:, :, ::-1], atol=1e-6)


def test_scale_enlarges_about_the_centre():
    rows = np.mgrid[:8, :8][0].astype(np.float32)[None, ..., None]
    scaled = warps.affine(np.repeat(rows, 3, axis=0), matrices(scale=2.0))
    # The centre is row 3.5: row 0 shows 3.5 - 3.5 / 2.
    np.testing.assert_allclose(scaled[0, :, 4, 0], 1.75 + 0.5 * np.arange(8), atol=1e-5)


def test_outside_is_zero(images):
    shrunk = warps.affine(images + 1, matrices(scale=0.5)).numpy()
    assert (shrunk[:, [0, -1]] == 0).all() and (shrunk[:, 3:5, 3:5] > 0.9).all()


def test_nearest_makes_no_new_values(images):
    labels = tf.cast(images * 5, tf.int32)
    turned = warps.affine(labels, matrices(angle=0.7), nearest=True)
    assert turned.dtype == tf.int32
    assert set(np.unique(turned)) <= set(np.unique(labels)) | {0}


def test_each_image_has_its_own_matrix(images):
    mixed = tf.stack([matrices()[0], matrices(mirror=True)[1], matrices()[2]])
    warped = warps.affine(images, mixed)
    np.testing.assert_allclose(warped[0], images[0], atol=1e-6)
    np.testing.assert_allclose(warped[1], images[1, :, ::-1], atol=1e-6)


def test_no_flow_changes_nothing(images):
    np.testing.assert_allclose(
        warps.elastic(images, tf.zeros([3, *SIZE, 2])), images, atol=1e-6
    )


def test_flow_is_rows_then_columns(images):
    flow = tf.tile(tf.constant([1.0, 0.0])[None, None, None], [3, *SIZE, 1])
    np.testing.assert_allclose(
        warps.elastic(images, flow)[:, 1:], images[:, :-1], atol=1e-6
    )


def test_elastic_flow_is_smooth_and_of_its_strength():
    flow = warps.elastic_flow(tf.constant([1, 2]), 200, 0.1, (24, 64)).numpy()
    assert flow.shape == (200, 24, 64, 2)
    # In the middle the cubic shows about the grid's middle value.
    assert flow[:, 12, 32].std(axis=0) == pytest.approx([2.4, 6.4], rel=0.2)
    assert np.abs(flow.mean()) < 0.5
    steps = np.abs(np.diff(flow, axis=1)).mean()
    assert steps < np.abs(flow).mean() / 4
