"""Augmentation in fine-tuning, of image and label together, drawn for each image."""

import dataclasses
import math

import tensorflow as tf

from dscl_tf.config import AugmentationConfig, AugmentationKind
from dscl_tf.pipeline import intensity, strong, views, warps


def augment(
    images: tf.Tensor,
    labels: tf.Tensor,
    seed: tf.Tensor,
    config: AugmentationConfig,
    num_classes: int,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Warps image and label alike, and changes the intensities of the image.

    The paper's kind is one affine change of each image, then elastic and intensity
    changes of about half of them; the other kinds are `strong.augment`.

    Args:
      images: float32 [N, H, W, C].
      labels: int32 [N, H, W].
      seed: int32 [2].
      config: kind and strengths.
      num_classes: number of label values, including the one for unknown.

    Returns:
      The same shapes and dtypes.
    """
    if config.kind is not AugmentationKind.PAPER:
        return strong.augment(images, labels, seed, _strength(config), num_classes)
    seeds = tf.random.split(seed, 4)
    images, labels = _affine(images, labels, seeds[0], config)
    images, labels = warps.elastic_of_some(
        images, labels, seeds[1], 0.5, config.elastic_sigma, num_classes
    )

    def change(each: tf.Tensor) -> tf.Tensor:
        changed = views.change_intensity(
            each, seeds[2], config.brightness, config.contrast
        )
        chosen = _half(seeds[3], tf.shape(each)[0])[:, None, None, None]
        return tf.where(chosen, changed, each)

    return intensity.of_channels(images, change), labels


def _strength(config: AugmentationConfig) -> strong.Strength:
    is_strongest = config.kind is AugmentationKind.STRONGEST
    strength = strong.FEW_SLICES if is_strongest else strong.NNUNET
    warp = dataclasses.replace(
        strength.warp, flip=config.flip, elastic_sigma=config.elastic_sigma
    )
    if not config.has_large_rotations:
        warp = dataclasses.replace(warp, rotation_deg=strong.UPRIGHT_DEG)
    return dataclasses.replace(strength, warp=warp)


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


def _half(seed: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
    """True for about half of `count` images: bool [count]."""
    return tf.random.stateless_uniform([count], seed) < 0.5
