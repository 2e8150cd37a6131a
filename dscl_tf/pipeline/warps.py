"""Affine and elastic warps: the only module that imports tensorflow-addons.

That supports TensorFlow up to 2.15; with later versions `interpolation` does the same.
"""

import types
import warnings
from typing import Optional

import tensorflow as tf

from dscl_tf.pipeline import interpolation


def _addons() -> Optional[types.ModuleType]:
    """tensorflow-addons; None if it does not support this TensorFlow."""
    if tuple(map(int, tf.__version__.split(".")[:2])) > (2, 15):
        return None
    with warnings.catch_warnings():
        # It warns that its development has ended (design: only this module uses it).
        warnings.simplefilter("ignore")
        import tensorflow_addons
    return tensorflow_addons


_ADDONS = _addons()


def affine_matrices(
    angle_rad: tf.Tensor, scale: tf.Tensor, mirror: tf.Tensor, size: tuple[int, int]
) -> tf.Tensor:
    """Rotation, scaling and left-right mirroring about the image's centre.

    Args:
      angle_rad: float32 [N], counter-clockwise as seen.
      scale: float32 [N], above 1 enlarges.
      mirror: bool [N].
      size: (H, W) in pixels.

    Returns:
      float32 [N, 8] projective coefficients (a0 a1 a2 b0 b1 b2 c0 c1): from an
      output pixel (x, y) to the input point it shows.
    """
    cosine, sine = tf.cos(angle_rad) / scale, tf.sin(angle_rad) / scale
    sign = tf.where(mirror, -1.0, 1.0)
    a0, a1 = sign * cosine, -sign * sine
    b0, b1 = sine, cosine
    center_y, center_x = (size[0] - 1) / 2, (size[1] - 1) / 2
    a2 = center_x - a0 * center_x - a1 * center_y
    b2 = center_y - b0 * center_x - b1 * center_y
    zero = tf.zeros_like(a0)
    return tf.stack([a0, a1, a2, b0, b1, b2, zero, zero], axis=1)


def crop_matrices(
    start: tf.Tensor, side: tf.Tensor, size: tuple[int, int]
) -> tf.Tensor:
    """A crop that is resized to the full image.

    Args:
      start: float32 [N, 2], top and left border as fractions of the image.
      side: float32 [N], of the crop as a fraction of the image's.
      size: (H, W) in pixels.

    Returns:
      float32 [N, 8], as `affine_matrices`.
    """
    # Pixel p covers [p, p + 1], so the centre of output pixel 0 is side / 2 inside.
    shift = start * tf.constant(tuple(size), tf.float32) + (side[:, None] - 1) / 2
    zero = tf.zeros_like(side)
    row_x = [side, zero, shift[:, 1]]
    row_y = [zero, side, shift[:, 0]]
    return tf.stack([*row_x, *row_y, zero, zero], axis=1)


def shifted(matrices: tf.Tensor, shift_px: tf.Tensor) -> tf.Tensor:
    """The same warps for images that are shifted first.

    Args:
      matrices: float32 [N, 8].
      shift_px: float32 [N, 2], to the right and down.

    Returns:
      float32 [N, 8].
    """
    zero = tf.zeros_like(shift_px[:, :1])
    x, y = shift_px[:, :1], shift_px[:, 1:]
    return matrices - tf.concat([zero, zero, x, zero, zero, y, zero, zero], axis=1)


def affine(
    images: tf.Tensor,
    matrices: tf.Tensor,
    nearest: bool = False,
    extend_border: bool = False,
) -> tf.Tensor:
    """Warps each image by its matrix.

    Args:
      images: float32 or int32 [N, H, W, C].
      matrices: float32 [N, 8] of `affine_matrices`.
      nearest: for labels; else bilinear.
      extend_border: whether the border is repeated outside the image; otherwise 0.

    Returns:
      As `images`.
    """
    between = "nearest" if nearest else "bilinear"
    outside = "nearest" if extend_border else "constant"
    if _ADDONS is None:
        return interpolation.projective(images, matrices, between, outside)
    return _ADDONS.image.transform(
        images, matrices, interpolation=between, fill_mode=outside
    )


def elastic_flow(
    seed: tf.Tensor, count: tf.Tensor, sigma: float, size: tuple[int, int]
) -> tf.Tensor:
    """Smooth random displacements: a 3x3 normal grid, cubic to full size.

    Args:
      seed: int32 [2].
      count: N.
      sigma: standard deviation of the grid's displacements along a side, as a
        fraction of it.
      size: (H, W).

    Returns:
      float32 [N, H, W, 2], in pixels, down and to the right.
    """
    sigma_px = sigma * tf.constant(tuple(size), tf.float32)
    grid = sigma_px * tf.random.stateless_normal([count, 3, 3, 2], seed)
    return tf.image.resize(grid, size, method="bicubic")


def elastic(images: tf.Tensor, flow: tf.Tensor) -> tf.Tensor:
    """Warps each image by its displacements (bilinear); flow 0 changes nothing.

    Args:
      images: float32 [N, H, W, C].
      flow: float32 [N, H, W, 2].

    Returns:
      float32 [N, H, W, C].
    """
    if _ADDONS is None:
        return interpolation.displaced(images, flow)
    return _ADDONS.image.dense_image_warp(images, flow)


def elastic_of_some(
    images: tf.Tensor,
    labels: tf.Tensor,
    seed: tf.Tensor,
    probability: float,
    sigma: float,
    num_classes: int,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Warps some images and their labels; the others cost nothing.

    Args:
      images: float32 [N, H, W, C].
      labels: int32 [N, H, W].
      seed: int32 [2].
      probability: of an image to be warped.
      sigma: of `elastic_flow`.
      num_classes: number of label values, including the one for unknown.

    Returns:
      The same shapes and dtypes.
    """
    count, (*size, channels) = tf.shape(images)[0], images.shape[1:]
    seeds = tf.random.split(seed, 2)
    flow = elastic_flow(seeds[0], count, sigma, size)
    # [K, 1].
    rows = tf.where(tf.random.stateless_uniform([count], seeds[1]) < probability)
    flow, image, label = (tf.gather_nd(all_, rows) for all_ in (flow, images, labels))
    # Labels as soft maps: an interpolated class number would be another class.
    soft = tf.concat([image, tf.one_hot(label, num_classes)], axis=-1)
    warped = elastic(soft, flow)
    label = tf.argmax(warped[..., channels:], axis=-1, output_type=tf.int32)
    return (
        tf.tensor_scatter_nd_update(images, rows, warped[..., :channels]),
        tf.tensor_scatter_nd_update(labels, rows, label),
    )
