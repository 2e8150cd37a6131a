"""Random pixels of each class of a batch, for the contrast of classes."""

import tensorflow as tf

# Makes its draws differ from those of augmentation, which has the same seed.
_SALT = 0x706978


def draw_slots(
    labels: tf.Tensor, seed: tf.Tensor, num_classes: int, per_class: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """Draws pixels of a batch and gives each a slot: slots of class 0, of class 1, ...

    Args:
      labels: int32 [N, H, W]; values outside [0, num_classes) are never drawn.
      seed: int32 [2].
      num_classes: C.
      per_class: K, the most pixels of a class; a class with fewer has all drawn.

    Returns:
      int32 [N, H, W], the slot of each pixel, -1 where it was not drawn; and int32
      [C * min(K, N * H * W)], the class of each slot, -1 where it stayed empty.
    """
    seed = tf.random.experimental.stateless_fold_in(seed, _SALT)
    flat = tf.reshape(labels, [-1])
    count = flat.shape[0]
    noise = tf.random.stateless_uniform([count], seed)
    # Beyond the number of a class's pixels, `best` is -1 and the slots stay empty.
    best, pixel = tf.math.top_k(
        tf.stack([tf.where(flat == k, noise, -1.0) for k in range(num_classes)]),
        min(per_class, count),
    )
    found = tf.reshape(best >= 0, [-1])
    slots = tf.range(found.shape[0])
    # Empty slots are written to a place behind the last pixel, which is cut off.
    place = tf.where(found, tf.reshape(pixel, [-1]), count)
    empty = tf.fill([count + 1], -1)
    of_pixel = tf.tensor_scatter_nd_update(empty, place[:, None], slots)[:count]
    classes = tf.where(found, slots // best.shape[1], -1)
    return tf.reshape(of_pixel, labels.shape), classes


def at_slots(features: tf.Tensor, slot: tf.Tensor, num_slots: int) -> tf.Tensor:
    """The features of the pixels that have a slot.

    Args:
      features: floating [n, H, W, D].
      slot: int32 [n, H, W], some rows of the slots from `draw_slots`.
      num_slots: C * K.

    Returns:
      float32 [C * K, D]; 0 in slots that no pixel of these rows has.
    """
    rows = tf.reshape(tf.cast(features, tf.float32), [-1, features.shape[-1]])
    # A slot has one pixel, so the sum is that pixel's; negative slots are left out.
    return tf.math.unsorted_segment_sum(rows, tf.reshape(slot, [-1]), num_slots)
