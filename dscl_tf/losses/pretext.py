"""The losses of the pretext stage, as sums that parts of a batch add up."""

import tensorflow as tf


def rotation_sums(logits: tf.Tensor, turns: tf.Tensor) -> tf.Tensor:
    """Of some images: cross-entropy, hits, and their number.

    Args:
      logits: floating [n, 4].
      turns: int32 [n], quarter turns.

    Returns:
      float32 [3].
    """
    logits = tf.cast(logits, tf.float32)
    entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(turns, logits)
    hits = tf.argmax(logits, axis=-1, output_type=tf.int32) == turns
    return tf.stack(
        [
            tf.reduce_sum(entropy),
            tf.reduce_sum(tf.cast(hits, tf.float32)),
            tf.cast(tf.size(turns), tf.float32),
        ]
    )


def restoration_sums(
    restored: tf.Tensor, original: tf.Tensor, weight: tf.Tensor
) -> tf.Tensor:
    """Of some images: weighted squared errors, and the sum of the weights.

    Args:
      restored: floating [n, H, W, 1].
      original: float32 of that shape.
      weight: float32 of that shape.

    Returns:
      float32 [2].
    """
    error = tf.math.squared_difference(tf.cast(restored, tf.float32), original)
    return tf.stack([tf.reduce_sum(weight * error), tf.reduce_sum(weight)])
