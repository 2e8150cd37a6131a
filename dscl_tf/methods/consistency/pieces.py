"""Slices whose structures are one piece: their pseudo-labels are to be one, too.

What a network takes for a structure far away from the others, it would otherwise teach
itself, in every slice that shows the like. BCP (Bai et al., CVPR 2023) keeps the
largest piece of each class in each slice; here it is a piece of all together.
"""

from collections.abc import Iterable

import numpy as np
import tensorflow as tf

# Of the voxels of structures, by interpolation, outside of the main pieces.
_TOLERANCE = 0.001
_AT_ONCE = 16  # Slices: each pixel of one takes a number for each class.


def main_piece(labels: tf.Tensor, num_classes: int) -> tf.Tensor:
    """The piece of each slice that has most of its structures.

    Pixels that touch at a corner are of one piece. The piece is kept whose sum of
    shares is largest, a share being the part of a structure's pixels that it has; as
    `inference.components` does it with whole masks.

    Args:
      labels: int32 [n, H, W]; 0 is the background.
      num_classes: background included.

    Returns:
      Bool [n, H, W].
    """
    is_structure = labels > 0
    pieces = _numbered(is_structure)
    shape = tf.shape(labels)
    # A segment for each number that a piece of a slice may have. (XLA needs to know how
    # many before it runs.)
    numbers = shape[1] * shape[2] + 1
    segments = pieces + numbers * tf.range(shape[0])[:, None, None]
    pixels = tf.math.unsorted_segment_sum(
        tf.one_hot(labels, num_classes)[..., 1:], segments, shape[0] * numbers
    )
    pixels = tf.reshape(pixels, [shape[0], numbers, num_classes - 1])
    total = tf.reduce_sum(pixels, axis=1, keepdims=True)
    shares = tf.reduce_sum(tf.math.divide_no_nan(pixels, total), axis=-1)
    main = tf.argmax(shares, axis=1, output_type=tf.int32)
    return is_structure & (pieces == main[:, None, None])


def _numbered(mask: tf.Tensor) -> tf.Tensor:
    """The pieces of bool [n, H, W] by numbers of their own, int32; 0 outside.

    The number is the place of the piece's last pixel in the slice, plus one: the
    largest one, which spreads until nothing changes.
    """
    shape = tf.shape(mask)
    places = tf.reshape(tf.range(shape[1] * shape[2]) + 1, [1, shape[1], shape[2]])
    # In floats, exact up to 4096 x 4096 pixels: TensorFlow takes maxima and pads
    # int32 in the host's memory, also on a GPU.
    start = tf.where(mask, tf.cast(places, tf.float32), 0.0)

    def spread(found: tf.Tensor, _: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        wider = tf.where(mask, _widened(found), 0.0)
        return wider, tf.reduce_any(wider != found)

    numbers, _ = tf.while_loop(lambda _, more: more, spread, (start, tf.constant(True)))
    return tf.cast(numbers, tf.int32)


def _widened(numbers: tf.Tensor) -> tf.Tensor:
    """The largest of a pixel and its eight neighbours; on a CPU faster than pooling."""
    rows = tf.pad(numbers, [[0, 0], [1, 1], [0, 0]])
    numbers = tf.maximum(tf.maximum(rows[:, :-2], rows[:, 2:]), numbers)
    columns = tf.pad(numbers, [[0, 0], [0, 0], [1, 1]])
    return tf.maximum(tf.maximum(columns[..., :-2], columns[..., 2:]), numbers)


def are_one_piece(labels: Iterable[np.ndarray], num_classes: int) -> bool:
    """Whether the structures of each labelled slice are one piece.

    Args:
      labels: of volumes, integers [Q, H, W]; `num_classes` is unknown.
      num_classes: background included.
    """
    outside, total = 0, 0
    for volume in labels:
        for start in range(0, len(volume), _AT_ONCE):
            some = np.asarray(volume[start : start + _AT_ONCE])
            known = np.where(some == num_classes, 0, some).astype(np.int32)
            is_main = main_piece(tf.constant(known), num_classes).numpy()
            outside += np.count_nonzero((known > 0) & ~is_main)
            total += np.count_nonzero(known)
    return total > 0 and outside <= _TOLERANCE * total
