"""The random transformed views of the contrastive stages, drawn for each image."""

import tensorflow as tf

from dscl_tf.config import ViewConfig
from dscl_tf.pipeline import intensity, warps


def change_intensity(
    images: tf.Tensor,
    seed: tf.Tensor,
    brightness: float,
    contrast: tuple[float, float],
) -> tf.Tensor:
    """Contrast about each image's mean, then brightness, drawn for each image.

    Of several channels each is drawn by itself.
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
        shape = [tf.shape(each)[0], 1, 1, 1]
        shift = tf.random.stateless_uniform(shape, seeds[0], -brightness, brightness)
        factor = tf.random.stateless_uniform(shape, seeds[1], *contrast)
        mean = tf.reduce_mean(each, axis=[1, 2, 3], keepdims=True)
        return (each - mean) * factor + mean + shift

    return intensity.of_channels(images, change)


def crop_and_resize(
    images: tf.Tensor, seed: tf.Tensor, config: ViewConfig
) -> tf.Tensor:
    """A random square-fraction crop of each image, resized back (bilinear).

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
    matrices = warps.crop_matrices(start, config.crop_fraction, images.shape[1:3])
    # The outermost pixels' middles lie up to half a pixel outside the original's.
    return warps.affine(images, matrices, extend_border=True)


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
