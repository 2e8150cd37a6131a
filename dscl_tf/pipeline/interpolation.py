"""Interpolation in plain TensorFlow, for versions without tensorflow-addons.

It equals its `transform` and `dense_image_warp`, with which the tests compare it.
"""

import tensorflow as tf


def projective(
    images: tf.Tensor, matrices: tf.Tensor, between: str, outside: str
) -> tf.Tensor:
    """Each output pixel shows the input at the point that the matrix maps it to.

    Args:
      images: float32 or int32 [N, H, W, C].
      matrices: float32 [N, 8], see `warps.affine_matrices`.
      between: "nearest" or "bilinear".
      outside: "constant" (0 outside) or "nearest" (the border is repeated).

    Returns:
      As `images`.
    """
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=matrices,
        output_shape=tf.shape(images)[1:3],
        interpolation=between.upper(),
        fill_mode=outside.upper(),
        fill_value=0.0,
    )


def displaced(images: tf.Tensor, flow: tf.Tensor) -> tf.Tensor:
    """Each output pixel shows the input at its place minus its displacement (bilinear).

    Outside, the border is repeated. Differentiable in both arguments.

    Args:
      images: float32 [N, H, W, C], at least 2 x 2 pixels.
      flow: float32 [N, H, W, 2], down and to the right, in pixels.

    Returns:
      float32 [N, H, W, C].
    """
    size = tf.shape(images)
    height, width = size[1], size[2]
    rows = tf.range(height, dtype=tf.float32)[:, None] - flow[..., 0]
    columns = tf.range(width, dtype=tf.float32)[None, :] - flow[..., 1]
    top, down = _between(rows, height)
    left, right = _between(columns, width)
    pixels = tf.reshape(images, [size[0], height * width, size[3]])

    def row(index: tf.Tensor) -> tf.Tensor:
        first = index * width + left
        here = tf.gather(pixels, first, batch_dims=1)
        return here + right * (tf.gather(pixels, first + 1, batch_dims=1) - here)

    upper = row(top)
    return tf.ensure_shape(upper + down * (row(top + 1) - upper), images.shape)


def _between(places: tf.Tensor, length: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The pixel before each place, and the distance from it to the place, 0 to 1."""
    before = tf.clip_by_value(tf.floor(places), 0.0, tf.cast(length - 2, tf.float32))
    behind = tf.clip_by_value(places - before, 0.0, 1.0)
    return tf.cast(before, tf.int32), behind[..., None]
