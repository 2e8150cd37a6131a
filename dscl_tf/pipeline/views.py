"""The random transformed views of the contrastive stages, drawn for each image."""

import tensorflow as tf

from dscl_tf.config import ViewConfig
from dscl_tf.pipeline import crops, intensity


def change_intensity(
    images: tf.Tensor,
    seed: tf.Tensor,
    brightness: float,
    contrast: tuple[float, float],
) -> tf.Tensor:
    """Contrast about each image's mean, then brightness, drawn for each image.

    The amounts are drawn for each channel by itself.
    Deviation: the released code draws once for a whole batch.

    Args:
      images: float32 [N, H, W, C].
      seed: int32 [2].
      brightness: added, uniform in +-brightness.
      contrast: range of the factor.

    Returns:
      float32 [N, H, W, C].
    """
    seeds = tf.random.split(seed, 2)

    def change(each: tf.Tensor) -> tf.Tensor:
        count = tf.shape(each)[0]
        shift = tf.random.stateless_uniform(
            [count, 1, 1, 1], seeds[0], -brightness, brightness
        )
        factor = tf.random.stateless_uniform([count], seeds[1], *contrast)
        return intensity.contrast(each, factor) + shift

    return intensity.of_channels(images, change)


def crop_and_resize(
    images: tf.Tensor, seed: tf.Tensor, config: ViewConfig
) -> tf.Tensor:
    """A random crop of each image, the same part of both sides, resized (bilinear).

    Args:
      images: float32 [N, H, W, C].
      seed: int32 [2].
      config: its `crop_fraction` and `crop_start`.

    Returns:
      float32 [N, H, W, C].
    """
    if config.crop_fraction >= 1:
        return images
    count = tf.shape(images)[0]
    last_start = 1 - config.crop_fraction
    low, high = (min(start, last_start) for start in config.crop_start)
    start = tf.random.stateless_uniform([count, 2], seed, low, high)
    side = tf.fill([count, 1], config.crop_fraction)
    return crops.show(images, tf.concat([start, side], axis=1))


def global_view(images: tf.Tensor, seed: tf.Tensor, config: ViewConfig) -> tf.Tensor:
    """One view for the global loss: crop, brightness and contrast, clip.

    Args:
      images: float32 [N, H, W, C].
      seed: int32 [2].
      config: the strengths.

    Returns:
      float32 [N, H, W, C] in the range `config.clip`.
    """
    seeds = tf.random.split(seed, 2)
    return local_view(crop_and_resize(images, seeds[0], config), seeds[1], config)


def local_view(images: tf.Tensor, seed: tf.Tensor, config: ViewConfig) -> tf.Tensor:
    """One view for the local loss: brightness and contrast, clip.

    Args:
      images: float32 [N, H, W, C].
      seed: int32 [2].
      config: the strengths.

    Returns:
      float32 [N, H, W, C] in the range `config.clip`.
    """
    images = change_intensity(images, seed, config.brightness, config.contrast)
    return tf.clip_by_value(images, *config.clip)
