"""Boxes of pixels."""

import tensorflow as tf


def inside(starts: tf.Tensor, ends: tf.Tensor, size: tuple[int, int]) -> tf.Tensor:
    """Whether the middle of each pixel lies in a box.

    Args:
      starts: float32 [..., 2], the first row and column, in pixels; pixel k covers
        k to k + 1.
      ends: float32 [..., 2]; a middle that lies at an end is outside.
      size: (H, W).

    Returns:
      Bool [..., H, W].
    """

    def along(axis: int) -> tf.Tensor:
        middles = tf.range(size[axis], dtype=tf.float32) + 0.5
        return (middles >= starts[..., axis, None]) & (middles < ends[..., axis, None])

    return along(0)[..., :, None] & along(1)[..., None, :]
