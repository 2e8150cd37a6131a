"""Augmentation of fine-tuning: image and label together, drawn for each image."""

import math

import tensorflow as tf

from dscl_tf.config import AugmentationConfig
from dscl_tf.pipeline import views, warps


def augment(
    images: tf.Tensor,
    labels: tf.Tensor,
    seed: tf.Tensor,
    config: AugmentationConfig,
    num_classes: int,
) -> tuple[tf.Tensor, tf.Tensor]:
    """One affine change of each image, then elastic and intensity changes of some.

    Args:
      images: float32 [N, H, W, 1].
      labels: int32 [N, H, W].
      seed: int32 [2].
      config: the strengths.
      num_classes: values of the labels.

    Returns:
      The same shapes and dtypes.
    """
    seeds = tf.random.split(seed, 4)
    images, labels = _affine(images, labels, seeds[0], config)
    images, labels = _elastic(images, labels, seeds[1], config, num_classes)
    changed = views.change_intensity(
        images, seeds[2], config.brightness, config.contrast
    )
    chosen = _half(seeds[3], tf.shape(images)[0])[:, None, None, None]
    return tf.where(chosen, changed, images), labels


def _affine(images, labels, seed, config: AugmentationConfig):
    """Each image gets one of: rotation, scale, mirror, rotation by steps, nothing."""
    count, size = tf.shape(images)[0], images.shape[1:3]
    seeds = tf.random.split(seed, 4)
    kind = tf.random.stateless_uniform([count], seeds[0], 0, 5, tf.int32)
    limit = math.radians(config.rotation_deg)
    small = tf.random.stateless_uniform([count], seeds[1], -limit, limit)
    num_steps = max(1, round(360 / config.rotation_step_deg))
    step = tf.random.stateless_uniform([count], seeds[2], 0, num_steps, tf.int32)
    large = tf.cast(step, tf.float32) * math.radians(config.rotation_step_deg)
    angle = tf.where(kind == 0, small, tf.where(kind == 3, large, 0.0))
    factor = tf.random.stateless_uniform([count], seeds[3], *config.scale)
    scale = tf.where(kind == 1, factor, 1.0)
    mirror = (kind == 2) & config.flip
    matrices = warps.affine_matrices(angle, scale, mirror, size)
    warped = warps.affine(labels[..., None], matrices, nearest=True)
    return warps.affine(images, matrices), warped[..., 0]


def _elastic(images, labels, seed, config: AugmentationConfig, num_classes: int):
    """About half of the images are warped; the others cost nothing."""
    count, size = tf.shape(images)[0], images.shape[1:3]
    seeds = tf.random.split(seed, 2)
    flow = warps.elastic_flow(seeds[0], count, config.elastic_sigma * size[0], size)
    rows = tf.where(_half(seeds[1], count))  # [K, 1]
    flow, image, label = (tf.gather_nd(all_, rows) for all_ in (flow, images, labels))
    # Labels as soft maps: an interpolated class number would be another class.
    soft = tf.concat([image, tf.one_hot(label, num_classes)], axis=-1)
    warped = warps.elastic(soft, flow)
    label = tf.argmax(warped[..., 1:], axis=-1, output_type=tf.int32)
    return (
        tf.tensor_scatter_nd_update(images, rows, warped[..., :1]),
        tf.tensor_scatter_nd_update(labels, rows, label),
    )


def _half(seed: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
    """True for about half of `count` images: bool [count]."""
    return tf.random.stateless_uniform([count], seed) < 0.5
