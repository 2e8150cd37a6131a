"""Strong augmentation: wide warps, and nnU-Net's changes of intensity.

The changes are those of nnU-Net v2 (Isensee et al., Nature Methods 2021), drawn for
each image, and shifts and elastic warps. Probabilities and ranges are nnU-Net's, too;
for few labelled slices they are larger (docs/results/few-labels.md).
"""

import dataclasses
import math
from typing import NamedTuple

import tensorflow as tf

from dscl_tf.pipeline import intensity, warps


@dataclasses.dataclass(frozen=True)
class WarpRanges:
    """How far images are warped; each part with a probability of its own."""

    rotation_deg: float
    rotation_probability: float
    scale: tuple[float, float]  # Above 1 enlarges.
    scale_probability: float
    shift: float  # At most, as a fraction of the side that it is along.
    elastic_probability: float
    flip: bool = True  # Whether some are mirrored left-right.
    # Standard deviation of the displacements' 3x3 grid, as a fraction of each side.
    elastic_sigma: float = 0.0


class Change(NamedTuple):
    """How probable a change is, and between which limits its amount is drawn."""

    probability: float
    low: float
    high: float


@dataclasses.dataclass(frozen=True)
class IntensityRanges:
    """The changes of intensity, in the order in which they are made."""

    noise_variance: Change  # As a fraction of the image's variance.
    blur_px: Change
    brightness: Change
    contrast: Change
    resolution: Change  # As a fraction of the image's resolution.
    inverted_gamma: Change
    gamma: Change


@dataclasses.dataclass(frozen=True)
class Strength:
    """How much slices are changed."""

    warp: WarpRanges
    intensity: IntensityRanges


# Where any direction may be up, nnU-Net turns 2-D slices by up to 180 degrees.
NNUNET = Strength(
    WarpRanges(180.0, 0.2, (0.7, 1.4), 0.2, 0.06, 0.2),
    IntensityRanges(
        # Stronger than nnU-Net's noise, which takes the drawn number for the standard
        # deviation although it is called a variance.
        noise_variance=Change(0.1, 0.0, 0.1),
        blur_px=Change(0.2, 0.5, 1.0),
        brightness=Change(0.15, 0.75, 1.25),
        contrast=Change(0.15, 0.75, 1.25),
        resolution=Change(0.25, 0.5, 1.0),
        inverted_gamma=Change(0.1, 0.7, 1.5),
        gamma=Change(0.3, 0.7, 1.5),
    ),
)
# A network that sees ten slices over and over again learns their intensities by heart.
FEW_SLICES = Strength(
    WarpRanges(180.0, 1.0, (0.7, 1.4), 1.0, 0.06, 1.0),
    IntensityRanges(
        noise_variance=Change(0.6, 0.0, 0.1),
        blur_px=Change(0.8, 0.5, 1.0),
        brightness=Change(0.8, 0.6, 1.5),
        contrast=Change(0.8, 0.6, 1.5),
        resolution=Change(0.8, 0.5, 1.0),
        inverted_gamma=Change(0.6, 0.5, 2.0),
        gamma=Change(0.8, 0.5, 2.0),
    ),
)
UPRIGHT_DEG = 30.0  # The largest rotation where slices have one way up.


def augment(
    images: tf.Tensor,
    labels: tf.Tensor,
    seed: tf.Tensor,
    strength: Strength,
    num_classes: int,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Warps image and label alike, then changes the intensities of some.

    Args:
      images: float32 [N, H, W, C].
      labels: int32 [N, H, W].
      seed: int32 [2].
      strength: how far, how probable.
      num_classes: number of label values, including the one for unknown.

    Returns:
      The same shapes and dtypes.
    """
    seeds = tf.random.split(seed, 2)
    images, labels = warp(images, labels, seeds[0], strength.warp, num_classes)
    return change_intensity(images, seeds[1], strength.intensity), labels


def warp(
    images: tf.Tensor,
    labels: tf.Tensor,
    seed: tf.Tensor,
    ranges: WarpRanges,
    num_classes: int,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Rotation, scale, shift and mirror as one, then an elastic warp of some.

    Args:
      images: float32 [N, H, W, C].
      labels: int32 [N, H, W].
      seed: int32 [2].
      ranges: how far, how probable.
      num_classes: number of label values, including the one for unknown.

    Returns:
      The same shapes and dtypes. Outside the image is 0, the background; the elastic
      warp repeats the border instead.
    """
    count, size = tf.shape(images)[0], images.shape[1:3]
    seeds = tf.random.split(seed, 5)
    limit = math.radians(ranges.rotation_deg)
    angle = drawn(seeds[0], count, ranges.rotation_probability, (-limit, limit), 0.0)
    scale = drawn(seeds[1], count, ranges.scale_probability, ranges.scale, 1.0)
    mirror = tf.random.stateless_uniform([count], seeds[2]) < 0.5 * ranges.flip
    # By whole pixels: if nothing but a shift is drawn, labels, which cannot lie between
    # pixels, stay aligned with their image.
    height_px, width_px = size
    most_px = ranges.shift * tf.constant([width_px, height_px], tf.float32)
    shift = tf.random.stateless_uniform([count, 2], seeds[3], -1.0, 1.0)
    matrices = warps.affine_matrices(angle, scale, mirror, size)
    matrices = warps.shifted(matrices, tf.round(most_px * shift))
    images = warps.affine(images, matrices)
    labels = warps.affine(labels[..., None], matrices, nearest=True)[..., 0]
    return warps.elastic_of_some(
        images,
        labels,
        seeds[4],
        ranges.elastic_probability,
        ranges.elastic_sigma,
        num_classes,
    )


def change_intensity(
    images: tf.Tensor, seed: tf.Tensor, ranges: IntensityRanges
) -> tf.Tensor:
    """Noise, blur, brightness, contrast, resolution and gamma, each of some images.

    The amounts are drawn for each channel by itself, as in nnU-Net.

    Args:
      images: float32 [N, H, W, C].
      seed: int32 [2].
      ranges: how much, how probable.

    Returns:
      The same shape.
    """
    return intensity.of_channels(images, lambda each: _changed(each, seed, ranges))


def _changed(images: tf.Tensor, seed: tf.Tensor, ranges: IntensityRanges) -> tf.Tensor:
    count = tf.shape(images)[0]
    seeds = tf.random.split(seed, 8)

    def amount(number: int, change: Change, otherwise: float) -> tf.Tensor:
        probability, *limits = change
        return drawn(seeds[number], count, probability, limits, otherwise)

    variance = amount(0, ranges.noise_variance, 0.0)
    images = intensity.noise(images, tf.sqrt(variance), seeds[1])
    images = intensity.blur(images, amount(2, ranges.blur_px, 0.0))
    images = intensity.brightness(images, amount(3, ranges.brightness, 1.0))
    images = intensity.contrast(images, amount(4, ranges.contrast, 1.0))
    images = intensity.low_resolution(images, amount(5, ranges.resolution, 1.0))
    exponent = amount(6, ranges.inverted_gamma, 1.0)
    images = intensity.inverted_gamma(images, exponent)
    return intensity.gamma(images, amount(7, ranges.gamma, 1.0))


def drawn(
    seed: tf.Tensor,
    count: tf.Tensor,
    probability: float,
    limits: tuple[float, float],
    otherwise: float,
) -> tf.Tensor:
    """float32 [count]: uniform within limits, with a probability; else `otherwise`."""
    seeds = tf.random.split(seed, 2)
    values = tf.random.stateless_uniform([count], seeds[0], *limits)
    chosen = tf.random.stateless_uniform([count], seeds[1]) < probability
    return tf.where(chosen, values, otherwise)
