"""The soft Dice loss of fine-tuning."""

import tensorflow as tf

# Those that TensorFlow makes one-hot.
_ONE_HOT_DTYPES = (tf.uint8, tf.int8, tf.int32, tf.int64)


def soft_dice_loss(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """1 - mean over all classes of the soft Dice, each summed over the batch.

    Summing over the batch, not per image, keeps slices without a structure from
    dominating: their per-image Dice jumps between 0 and 1.

    Args:
      logits: floating [N, H, W, C].
      labels: as for `soft_dice_sums`.

    Returns:
      float32 scalar in [0, 1].

    Raises:
      ValueError: labels of another shape than the logits ask for.
    """
    return soft_dice_of_sums(soft_dice_sums(logits, labels))


def soft_dice_sums(
    logits: tf.Tensor, labels: tf.Tensor, has_unknown: bool = False
) -> tf.Tensor:
    """What the loss needs of a part of a batch; parts are added up.

    Args:
      logits: floating [n, H, W, C].
      labels: integer or bool [n, H, W], values in [0, C); or floating [n, H, W, C],
        the weight of each class in a pixel.
      has_unknown: whether pixels may be unknown: of the value C, or without any
        weight. They take no part, neither as truth nor as prediction.

    Returns:
      float32 [2, C]: of each class, its overlap and its total, in pixels.

    Raises:
      ValueError: labels of another shape than the logits ask for.
    """
    probabilities = tf.nn.softmax(tf.cast(logits, tf.float32))
    truth = fitting_maps(labels, logits)
    if has_unknown:
        known = tf.reduce_any(truth > 0, axis=-1, keepdims=True)
        probabilities *= tf.cast(known, tf.float32)
    axes = [0, 1, 2]
    # Not their product, which is the same of whole labels, but of mixed ones is
    # largest where the prediction is 0 or 1 (Wang et al., MICCAI 2023).
    overlap = tf.reduce_sum(tf.minimum(probabilities, truth), axis=axes)
    total = tf.reduce_sum(probabilities + truth, axis=axes)
    return tf.stack([overlap, total])


def fitting_maps(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Labels as `label_maps`, of the shape of the logits.

    Other shapes would often broadcast, to a plausible loss of other pixels.

    Args:
      labels: as for `soft_dice_sums`.
      logits: floating [n, H, W, C].

    Returns:
      float32 [n, H, W, C].

    Raises:
      ValueError: labels of another shape than the logits ask for, as far as shapes
        are known before they are computed.
    """
    labels = tf.convert_to_tensor(labels)
    maps = label_maps(labels, logits.shape[-1])
    if not maps.shape.is_compatible_with(logits.shape):
        shape = list(logits.shape)
        raise ValueError(
            f"labels {list(labels.shape)} do not fit logits {shape}: they must be "
            f"integers {shape[:-1]}, or floating {shape}."
        )
    return maps


def label_maps(labels: tf.Tensor, num_classes: int) -> tf.Tensor:
    """Labels as the weight of each class in each pixel.

    Args:
      labels: integer or bool [N, H, W], values outside [0, C) unknown; or floating
        [N, H, W, C], such maps already (mixup).
      num_classes: C.

    Returns:
      float32 [N, H, W, C]; 0 for all classes where the label is unknown.
    """
    labels = tf.convert_to_tensor(labels)
    if labels.dtype.is_floating:
        return tf.cast(labels, tf.float32)
    if labels.dtype not in _ONE_HOT_DTYPES:
        # Not int32: what it cannot hold might become a class.
        labels = tf.cast(labels, tf.int64)
    return tf.one_hot(labels, num_classes, dtype=tf.float32)


def soft_dice_of_sums(sums: tf.Tensor) -> tf.Tensor:
    """The loss of a batch from its `soft_dice_sums`, float32 [2, C]."""
    overlap, total = tf.unstack(sums)
    # A class that neither has (1e-7 pixels) counts as found.
    return 1.0 - tf.reduce_mean((2.0 * overlap + 1e-7) / (total + 1e-7))
