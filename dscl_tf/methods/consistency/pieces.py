"""Keeps pseudo-labels in one piece (connected component), as labelled slices are.

Otherwise a network that takes something far away for a structure would teach itself
this mistake in every similar slice. BCP (Bai et al., CVPR 2023) keeps the largest piece
of each class in each slice; here it is one piece of all classes together.
"""

from collections.abc import Iterable

import numpy as np
import tensorflow as tf

# The share of foreground voxels that may lie outside the main pieces, since
# interpolation cuts some off.
_TOLERANCE = 0.001
_EQUAL = 1e-5  # Sums of shares that differ by less are equal, but for rounding.
_AT_ONCE = 16  # Slices; limits memory, which has a number for each pixel and class.


def main_piece(labels: tf.Tensor, num_classes: int) -> tf.Tensor:
    """The piece of each slice that has most of its structures.

    Pixels that touch at a corner are of one piece. A piece's share of a structure is
    the fraction of the structure's pixels that it has. The main piece is the one with
    the largest sum of shares, and of equal ones the largest, as in
    `inference.components` for whole masks.

    Args:
      labels: int32 [n, H, W]; 0 is the background.
      num_classes: background included.

    Returns:
      Bool [n, H, W].
    """
    is_structure = labels > 0
    pieces = _numbered(is_structure)
    shape = tf.shape(labels)
    # A segment for each number that a piece can have, since XLA needs to know how many
    # there are before it runs.
    numbers = shape[1] * shape[2] + 1
    segments = pieces + numbers * tf.range(shape[0])[:, None, None]
    maps = tf.one_hot(labels, num_classes)[..., 1:]
    maps = tf.concat([maps, tf.cast(is_structure, tf.float32)[..., None]], axis=-1)
    pixels = tf.math.unsorted_segment_sum(maps, segments, shape[0] * numbers)
    pixels = tf.reshape(pixels, [shape[0], numbers, num_classes])
    size, pixels = pixels[..., -1], pixels[..., :-1]
    total = tf.reduce_sum(pixels, axis=1, keepdims=True)
    shares = tf.reduce_sum(tf.math.divide_no_nan(pixels, total), axis=-1)
    most = tf.reduce_max(shares, axis=1, keepdims=True)
    main = tf.argmax(
        tf.where(shares >= most - _EQUAL, size, -1.0), axis=1, output_type=tf.int32
    )
    return is_structure & (pieces == main[:, None, None])


def _numbered(mask: tf.Tensor) -> tf.Tensor:
    """Numbers the pieces of bool [n, H, W]: int32 [n, H, W], 0 outside.

    Each pixel starts with its place in the slice plus one. The largest number of a
    piece, that of its last pixel, then spreads over it until nothing changes.
    """
    shape = tf.shape(mask)
    places = tf.reshape(tf.range(shape[1] * shape[2]) + 1, [1, shape[1], shape[2]])
    # As floats, exact up to 4096 x 4096 pixels: with int32 TensorFlow would pad and
    # take maxima in the host's memory, even on a GPU.
    start = tf.where(mask, tf.cast(places, tf.float32), 0.0)

    def spread(found: tf.Tensor, _: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        wider = tf.where(mask, _widened(found), 0.0)
        return wider, tf.reduce_any(wider != found)

    numbers, _ = tf.while_loop(lambda _, more: more, spread, (start, tf.constant(True)))
    return tf.cast(numbers, tf.int32)


def _widened(numbers: tf.Tensor) -> tf.Tensor:
    """The maximum of a pixel and its 8 neighbours; faster than pooling on a CPU."""
    rows = tf.pad(numbers, [[0, 0], [1, 1], [0, 0]])
    numbers = tf.maximum(tf.maximum(rows[:, :-2], rows[:, 2:]), numbers)
    columns = tf.pad(numbers, [[0, 0], [0, 0], [1, 1]])
    return tf.maximum(tf.maximum(columns[..., :-2], columns[..., 2:]), numbers)


def are_one_piece(labels: Iterable[np.ndarray], num_classes: int) -> bool:
    """Whether the structures of each labelled slice are one piece.

    Args:
      labels: of each volume, integers [Q, H, W]; `num_classes` stands for unknown.
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
