"""The soft Dice loss of fine-tuning."""

import tensorflow as tf


def soft_dice_loss(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """1 - mean over all classes of the soft Dice, each summed over the batch.

    Summing over the batch, not per image, keeps slices without a structure from
    dominating: their per-image Dice jumps between 0 and 1.

    Args:
      logits: floating [N, H, W, C].
      labels: as for `soft_dice_sums`.

    Returns:
      float32 scalar in [0, 1].
    """
    return soft_dice_of_sums(soft_dice_sums(logits, labels))


def soft_dice_sums(
    logits: tf.Tensor, labels: tf.Tensor, has_unknown: bool = False
) -> tf.Tensor:
    """What the loss needs of a part of a batch; parts are added up.

    Args:
      logits: floating [n, H, W, C].
      labels: integer [n, H, W], values in [0, C); or floating [n, H, W, C], the
        weight of each class in a pixel.
      has_unknown: whether pixels may be unknown: of the value C, or without any
        weight. They take no part, neither as truth nor as prediction.

    Returns:
      float32 [2, C]: of each class, its overlap and its total, in pixels.
    """
    probabilities = tf.nn.softmax(tf.cast(logits, tf.float32))
    truth = label_maps(labels, logits.shape[-1])
    if has_unknown:
        known = tf.reduce_any(truth > 0, axis=-1, keepdims=True)
        probabilities *= tf.cast(known, tf.float32)
    axes = [0, 1, 2]
    # Not their product, which is the same of whole labels, but of mixed ones is
    # largest where the prediction is 0 or 1 (Wang et al., MICCAI 2023).
    overlap = tf.reduce_sum(tf.minimum(probabilities, truth), axis=axes)
    total = tf.reduce_sum(probabilities + truth, axis=axes)
    return tf.stack([overlap, total])


def label_maps(labels: tf.Tensor, num_classes: int) -> tf.Tensor:
    """Labels as the weight of each class in each pixel.

    Args:
      labels: integer [N, H, W], values outside [0, C) unknown; or floating
        [N, H, W, C], such maps already (mixup).
      num_classes: C.

    Returns:
      float32 [N, H, W, C]; 0 for all classes where the label is unknown.
    """
    labels = tf.convert_to_tensor(labels)
    if labels.dtype.is_floating:
        return tf.cast(labels, tf.float32)
    return tf.one_hot(labels, num_classes, dtype=tf.float32)


def soft_dice_of_sums(sums: tf.Tensor) -> tf.Tensor:
    """The loss of a batch from its `soft_dice_sums`, float32 [2, C]."""
    overlap, total = tf.unstack(sums)
    # A class that neither has (1e-7 pixels) counts as found.
    return 1.0 - tf.reduce_mean((2.0 * overlap + 1e-7) / (total + 1e-7))
