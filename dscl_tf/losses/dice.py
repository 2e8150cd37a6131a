"""The soft Dice loss of fine-tuning."""

import tensorflow as tf

# The dtypes that tf.one_hot takes.
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
      ValueError: the labels do not fit the shape of the logits.
    """
    return soft_dice_of_sums(soft_dice_sums(logits, labels))


def soft_dice_sums(
    logits: tf.Tensor, labels: tf.Tensor, has_unknown: bool = False
) -> tf.Tensor:
    """Sums over part of a batch; added up over all parts, they give the loss.

    Args:
      logits: floating [n, H, W, C].
      labels: integer or bool [n, H, W], values in [0, C); or floating [n, H, W, C],
        the weight of each class in a pixel.
      has_unknown: whether pixels may be unknown: of the value C, or with a weight of 0
        for every class. They are ignored, both as truth and as prediction.

    Returns:
      float32 [2, C]: the overlap and the total of each class, in pixels.

    Raises:
      ValueError: the labels do not fit the shape of the logits.
    """
    probabilities = tf.nn.softmax(tf.cast(logits, tf.float32))
    truth = fitting_maps(labels, logits)
    if has_unknown:
        known = tf.reduce_any(truth > 0, axis=-1, keepdims=True)
        probabilities *= tf.cast(known, tf.float32)
    axes = [0, 1, 2]
    # Not their product: for hard labels it is the same, but for soft labels it is
    # largest where the prediction is 0 or 1 (Wang et al., MICCAI 2023).
    overlap = tf.reduce_sum(tf.minimum(probabilities, truth), axis=axes)
    total = tf.reduce_sum(probabilities + truth, axis=axes)
    return tf.stack([overlap, total])


def fitting_maps(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """The `label_maps` of labels, checked to have the shape of the logits.

    Other shapes would often broadcast and give a plausible loss over the wrong pixels.

    Args:
      labels: as for `soft_dice_sums`.
      logits: floating [n, H, W, C].

    Returns:
      float32 [n, H, W, C].

    Raises:
      ValueError: the labels do not fit the shape of the logits, as far as shapes are
        known while the graph is traced.
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
      labels: integer or bool [N, H, W], unknown where outside [0, C); or floating
        [N, H, W, C], which are such maps already (mixup).
      num_classes: C.

    Returns:
      float32 [N, H, W, C]; 0 for all classes where the label is unknown.
    """
    labels = tf.convert_to_tensor(labels)
    if labels.dtype.is_floating:
        return tf.cast(labels, tf.float32)
    if labels.dtype not in _ONE_HOT_DTYPES:
        # Not int32: a value that it cannot hold might turn into a class.
        labels = tf.cast(labels, tf.int64)
    return tf.one_hot(labels, num_classes, dtype=tf.float32)


def soft_dice_of_sums(sums: tf.Tensor) -> tf.Tensor:
    """The loss of a batch from its `soft_dice_sums`, float32 [2, C]."""
    overlap, total = tf.unstack(sums)
    # With the added 1e-7 pixels, a class that neither has counts as found; one of which
    # the softmax has more than 1e-7 pixels in all does not.
    return 1.0 - tf.reduce_mean((2.0 * overlap + 1e-7) / (total + 1e-7))
