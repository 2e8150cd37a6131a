import numpy as np
import pytest
import tensorflow as tf

from dscl_tf.losses import contrast


def gradient_of_similarity(vector, other):
    """Of the cosine of two vectors, with respect to the first."""
    vector = tf.constant(vector)
    with tf.GradientTape() as tape:
        tape.watch(vector)
        units = contrast.unit_vectors(tf.stack([vector, tf.cast(other, vector.dtype)]))
        similarity = tf.reduce_sum(units[0] * units[1])
    return tape.gradient(similarity, vector).numpy()


@pytest.mark.parametrize("length", [1e-2, 1.0, 1e3])
def test_vectors_of_use_have_length_one(length):
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(5, 8))
    vectors *= 1.001 * length / np.linalg.norm(vectors, axis=1, keepdims=True)
    units = contrast.unit_vectors(tf.constant(vectors, tf.float32)).numpy()
    np.testing.assert_allclose(np.linalg.norm(units, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(
        units * np.linalg.norm(vectors, axis=1, keepdims=True), vectors, rtol=1e-4
    )


def test_short_vectors_are_divided_by_the_floor():
    vectors = tf.constant([[1e-3, 0.0], [0.0, 0.0], [0.0, -5e-3]])
    units = contrast.unit_vectors(vectors).numpy()
    np.testing.assert_allclose(units, vectors / contrast.MIN_NORM, rtol=1e-5)


@pytest.mark.parametrize("length", [0.0, 1e-7, 1e-4, 9e-3])
def test_gradient_of_short_vectors_is_bounded(length):
    vector = np.array([length, 0, 0, 0], np.float32)
    gradient = gradient_of_similarity(vector, [0.0, 1, 0, 0])
    assert np.abs(gradient).max() <= 1.001 / contrast.MIN_NORM


def test_a_pixel_where_nothing_is_left_does_not_overflow_float16():
    # Its share in a mean over 100 pairs at a temperature of 0.1, in float16, whose
    # largest number is 65504.
    loss_scale = 2.0**10
    gradient = gradient_of_similarity(np.zeros(4, np.float16), [0.0, 1, 0, 0])
    assert gradient.dtype == np.float16
    share = (loss_scale * 10 / 100 * gradient.astype(np.float64)).astype(np.float16)
    assert np.isfinite(share).all() and np.abs(share).max() > 1000
