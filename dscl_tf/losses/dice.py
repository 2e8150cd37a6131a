"""The soft Dice loss of fine-tuning."""

import tensorflow as tf


def soft_dice_loss(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """1 - mean over all classes of the soft Dice, each summed over the batch.

    Summing over the batch, not per image, keeps slices without a structure from
    dominating: their per-image Dice jumps between 0 and 1.

    Args:
      logits: floating [N, H, W, C].
      labels: integer [N, H, W], values in [0, C).

    Returns:
      float32 scalar in [0, 1].
    """
    return soft_dice_of_sums(soft_dice_sums(logits, labels))


def soft_dice_sums(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """What the loss needs of a part of a batch; parts are added up.

    Args:
      logits: floating [n, H, W, C].
      labels: integer [n, H, W], values in [0, C).

    Returns:
      float32 [2, C]: of each class, its overlap and its total, in pixels.
    """
    probabilities = tf.nn.softmax(tf.cast(logits, tf.float32))
    truth = tf.one_hot(labels, logits.shape[-1], dtype=tf.float32)
    axes = [0, 1, 2]
    overlap = tf.reduce_sum(probabilities * truth, axis=axes)
    total = tf.reduce_sum(probabilities + truth, axis=axes)
    return tf.stack([overlap, total])


def soft_dice_of_sums(sums: tf.Tensor) -> tf.Tensor:
    """The loss of a batch from its `soft_dice_sums`, float32 [2, C]."""
    overlap, total = tf.unstack(sums)
    # A class that neither has (1e-7 pixels) counts as found.
    return 1.0 - tf.reduce_mean((2.0 * overlap + 1e-7) / (total + 1e-7))
