import numpy as np
import tensorflow as tf

from dscl_tf.losses import pretext


def test_rotation_sums_by_hand():
    # Equal logits: ln 4 each; the second image's own logit is 2 above the others.
    logits = tf.constant([[0.0, 0, 0, 0], [0, 2, 0, 0]])
    entropy, hits, count = pretext.rotation_sums(logits, tf.constant([3, 1]))
    expected = np.log(4) + np.log(3 + np.exp(2)) - 2
    np.testing.assert_allclose(entropy, expected, rtol=1e-6)
    assert (float(hits), float(count)) == (1, 2)


def test_restoration_looks_where_there_is_weight():
    original = np.zeros((1, 2, 2, 1), np.float32)
    restored = np.array([[1.0, 2], [3, 4]], np.float32).reshape(1, 2, 2, 1)
    weight = np.array([[1.0, 0], [0, 1]], np.float32).reshape(1, 2, 2, 1)
    error, total = pretext.restoration_sums(restored, original, weight)
    assert (float(error), float(total)) == (1 + 16, 2)


def test_parts_of_a_batch_add_up():
    rng = np.random.default_rng(0)
    restored, original, weight = rng.random((3, 5, 4, 4, 1)).astype(np.float32)
    whole = pretext.restoration_sums(restored, original, weight)
    parts = [
        pretext.restoration_sums(restored[part], original[part], weight[part])
        for part in (slice(2), slice(2, 5))
    ]
    np.testing.assert_allclose(parts[0] + parts[1], whole, rtol=1e-6)
