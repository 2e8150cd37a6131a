"""Changes of intensity, with an amount for each image.

Each channel counts as an image here: `of_channels` separates them.

All take float32 [N, H, W, 1] and float32 [N] amounts, and give the same shape. The
caller draws the amounts; only `noise` draws something itself.
"""

from typing import Callable

import tensorflow as tf

MAX_BLUR_PX = 2.0
_RADIUS = 6  # Of the blur's kernel, pixels: three standard deviations.


def of_channels(
    images: tf.Tensor, change: Callable[[tf.Tensor], tf.Tensor]
) -> tf.Tensor:
    """Changes each channel of each image by itself.

    Args:
      images: float32 [N, H, W, C].
      change: from float32 [N C, H, W, 1] to that shape; it draws for each image.

    Returns:
      float32 [N, H, W, C].
    """
    height, width, channels = images.shape[1:]
    if channels == 1:
        return change(images)
    apart = tf.reshape(tf.transpose(images, [0, 3, 1, 2]), [-1, height, width, 1])
    together = tf.reshape(change(apart), [-1, channels, height, width])
    return tf.transpose(together, [0, 2, 3, 1])


def brightness(images: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    """Multiplied by a factor; 1 changes nothing."""
    return images * _of_images(factor)


def contrast(images: tf.Tensor, factor: tf.Tensor) -> tf.Tensor:
    """Stretched about each image's mean; 1 changes nothing."""
    mean = _mean(images)
    return mean + (images - mean) * _of_images(factor)


def blur(images: tf.Tensor, sigma_px: tf.Tensor) -> tf.Tensor:
    """Gaussian blur of standard deviation up to MAX_BLUR_PX; 0 changes nothing.

    Outside, the image is mirrored at its border.
    """
    offsets = tf.range(-_RADIUS, _RADIUS + 1, dtype=tf.float32)[:, None]
    # A standard deviation of 0 would divide by 0; with 0.1 the neighbours weigh e^-50.
    width = tf.maximum(sigma_px, 0.1)[None]
    weights = tf.exp(-0.5 * tf.square(offsets / width))
    weights /= tf.reduce_sum(weights, axis=0)  # [K, N].
    # The images become channels of one image, so that each has its own kernel.
    shown = tf.transpose(images, [3, 1, 2, 0])
    around = [[0, 0], [_RADIUS, _RADIUS], [_RADIUS, _RADIUS], [0, 0]]
    shown = tf.pad(shown, around, "SYMMETRIC")
    for kernel in (weights[:, None, :, None], weights[None, :, :, None]):
        shown = tf.nn.depthwise_conv2d(shown, kernel, [1, 1, 1, 1], "VALID")
    return tf.transpose(shown, [3, 1, 2, 0])


def gamma(images: tf.Tensor, exponent: tf.Tensor) -> tf.Tensor:
    """Gamma correction between each image's extremes; 1 changes nothing.

    It keeps the image's mean and standard deviation.
    """
    low = tf.reduce_min(images, axis=[1, 2, 3], keepdims=True)
    high = tf.reduce_max(images, axis=[1, 2, 3], keepdims=True)
    share = tf.math.divide_no_nan(images - low, high - low)
    changed = tf.pow(share, _of_images(exponent))
    scale = tf.math.divide_no_nan(_deviation(images), _deviation(changed))
    return _mean(images) + (changed - _mean(changed)) * scale


def inverted_gamma(images: tf.Tensor, exponent: tf.Tensor) -> tf.Tensor:
    """`gamma` of the image with dark and bright exchanged, exchanged back."""
    return -gamma(-images, exponent)


def noise(images: tf.Tensor, strength: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Gaussian noise; `strength` is a share of each image's standard deviation."""
    drawn = tf.random.stateless_normal(tf.shape(images), seed)
    return images + drawn * _of_images(strength) * _deviation(images)


def low_resolution(images: tf.Tensor, zoom: tf.Tensor) -> tf.Tensor:
    """As if scanned with pixels 1 / `zoom` as large: down by nearest, up by linear."""
    for axis in (1, 2):
        images = _coarsened(images, zoom, axis)
    return images


def _coarsened(images: tf.Tensor, zoom: tf.Tensor, axis: int) -> tf.Tensor:
    size, zoom = images.shape[axis], zoom[:, None]
    pixels = tf.range(size, dtype=tf.float32)[None]
    place = (pixels + 0.5) * zoom - 0.5  # [N, size], in coarse pixels.
    below = tf.floor(place)

    def shown(coarse: tf.Tensor) -> tf.Tensor:
        source = tf.round((coarse + 0.5) / zoom - 0.5)
        index = tf.cast(tf.clip_by_value(source, 0, size - 1), tf.int32)
        return tf.gather(images, index, axis=axis, batch_dims=1)

    shape = [-1, size, 1, 1] if axis == 1 else [-1, 1, size, 1]
    weight = tf.reshape(place - below, shape)
    return (1 - weight) * shown(below) + weight * shown(below + 1)


def _of_images(amount: tf.Tensor) -> tf.Tensor:
    return amount[:, None, None, None]


def _mean(images: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(images, axis=[1, 2, 3], keepdims=True)


def _deviation(images: tf.Tensor) -> tf.Tensor:
    return tf.math.reduce_std(images, axis=[1, 2, 3], keepdims=True)
