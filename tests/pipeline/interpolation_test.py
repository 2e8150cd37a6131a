"""Held against tensorflow-addons, where it is."""

import numpy as np
import pytest
import tensorflow as tf

from dscl_tf.pipeline import interpolation, warps

SIZE = (7, 9)


@pytest.fixture(scope="module")
def addons():
    return pytest.importorskip("tensorflow_addons")


@pytest.fixture(scope="module")
def images():
    return tf.constant(np.random.default_rng(0).random((3, *SIZE, 2)), tf.float32)


@pytest.fixture(scope="module")
def matrices():
    angles = tf.constant([0.0, 0.4, -2.0])
    turned = warps.affine_matrices(angles, angles + 3.0, angles > 0.1, SIZE)
    return warps.shifted(turned, tf.constant([[0.3, 0.0], [-1.2, 2.0], [30.0, 0.0]]))


@pytest.fixture(scope="module")
def flow():
    rng = np.random.default_rng(1)
    # Far enough that some places lie outside.
    return tf.constant(rng.normal(0, 3, (3, *SIZE, 2)), tf.float32)


@pytest.mark.parametrize("outside", ["constant", "nearest"])
@pytest.mark.parametrize("between", ["nearest", "bilinear"])
def test_projections_are_those_of_addons(addons, images, matrices, between, outside):
    ours = interpolation.projective(images, matrices, between, outside)
    theirs = addons.image.transform(
        images, matrices, interpolation=between, fill_mode=outside
    )
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    assert np.abs(ours - images).max() > 0.1


def test_displacements_and_their_gradients_are_those_of_addons(addons, images, flow):
    found = []
    for warp in (interpolation.displaced, addons.image.dense_image_warp):
        with tf.GradientTape() as tape:
            tape.watch([images, flow])
            warped = warp(images, flow)
            loss = tf.reduce_sum(warped**2)
        found.append([warped, *tape.gradient(loss, [images, flow])])
    for ours, theirs in zip(*found):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_displaced_values_by_hand():
    image = tf.reshape(tf.range(6.0), [1, 2, 3, 1])
    # Half a pixel up and left, and far outside.
    inner = interpolation.displaced(image, tf.fill([1, 2, 3, 2], 0.5))
    np.testing.assert_allclose(
        inner[0, ..., 0], [[0.0, 0.5, 1.5], [1.5, 2.0, 3.0]], atol=1e-6
    )
    outer = interpolation.displaced(image, tf.fill([1, 2, 3, 2], -9.0))
    np.testing.assert_allclose(outer, np.full((1, 2, 3, 1), 5.0), atol=1e-6)


def test_the_way_of_this_tensorflow_is_taken(images, matrices, flow):
    later = tuple(map(int, tf.__version__.split(".")[:2])) > (2, 15)
    assert (warps._ADDONS is None) == later
    plain = interpolation.projective(images, matrices, "bilinear", "constant")
    np.testing.assert_allclose(warps.affine(images, matrices), plain, atol=1e-5)
    moved = interpolation.displaced(images, flow)
    np.testing.assert_allclose(warps.elastic(images, flow), moved, atol=1e-5)
