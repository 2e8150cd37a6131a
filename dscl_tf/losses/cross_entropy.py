"""Cross-entropy of pixels, beside the soft Dice loss."""

import tensorflow as tf

from dscl_tf.losses.dice import fitting_maps


def cross_entropy_sums(
    logits: tf.Tensor, labels: tf.Tensor, has_unknown: bool = False
) -> tf.Tensor:
    """Sums over part of a batch; added up over all parts, they give the mean.

    Args:
      logits: floating [n, H, W, C].
      labels: as for `soft_dice_sums`.
      has_unknown: whether pixels may be unknown; unknown pixels are ignored.

    Returns:
      float32 [2]: the sum of -log p of the true class, and the number of pixels.

    Raises:
      ValueError: the labels do not fit the shape of the logits.
    """
    truth = fitting_maps(labels, logits)
    log_p = tf.nn.log_softmax(tf.cast(logits, tf.float32))
    lost = -tf.reduce_sum(truth * log_p)
    if has_unknown:
        known = tf.reduce_any(truth > 0, axis=-1)
        return tf.stack([lost, tf.reduce_sum(tf.cast(known, tf.float32))])
    return tf.stack([lost, tf.cast(tf.size(truth[..., 0]), tf.float32)])


def cross_entropy_of_sums(sums: tf.Tensor) -> tf.Tensor:
    """The mean over the known pixels, float32 scalar; 0 if none is known."""
    return tf.math.divide_no_nan(sums[0], sums[1])
