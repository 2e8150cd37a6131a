"""Networks that generate random deformations and intensity changes of an image."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

Layers = tf.keras.layers
_FILTERS = 16
_LATENT_HALVINGS = 4
_DEFORMATION_HALVINGS = 4
_INTENSITY_HALVINGS = 2
MAX_DISPLACEMENT = 0.05  # As a fraction of the image's side, in each direction.
MAX_INTENSITY_CHANGE = 0.5  # Images are roughly within [0, 1].


def build_deformation_generator(
    size_px: tuple[int, int], latent_units: int, channels: int = 1
) -> tf.keras.Model:
    """A generator of smooth deformation fields, made at a 16th of the image's size.

    Args:
      size_px: (H, W) of the images.
      latent_units: U.
      channels: of the images, C.

    Returns:
      Model from [images [N, H, W, C], latent [N, U]] to float32 displacements in
      pixels [N, H, W, 2], at most MAX_DISPLACEMENT of the side (a cubic
      interpolation may exceed it by a quarter in each direction).
    """
    limit = [MAX_DISPLACEMENT * extent for extent in size_px]
    return _build(
        "deformation_generator",
        [*size_px, channels],
        latent_units,
        _DEFORMATION_HALVINGS,
        limit,
    )


def build_intensity_generator(
    size_px: tuple[int, int], latent_units: int, channels: int = 1
) -> tf.keras.Model:
    """A generator of fields to add to intensities, made at a quarter of the size.

    Args:
      size_px: (H, W) of the images.
      latent_units: U.
      channels: of the images, C.

    Returns:
      Model from [images [N, H, W, C], latent [N, U]] to float32 [N, H, W, C], at most
      MAX_INTENSITY_CHANGE (which the interpolation may exceed in the same way).
    """
    limit = [MAX_INTENSITY_CHANGE] * channels
    return _build(
        "intensity_generator",
        [*size_px, channels],
        latent_units,
        _INTENSITY_HALVINGS,
        limit,
    )


def _build(
    name: str,
    shape: Sequence[int],
    latent_units: int,
    num_halvings: int,
    limit: list[float],
) -> tf.keras.Model:
    """A generator of fields of len(limit) channels, made on a grid halved as given."""
    size_px = tuple(shape[:2])
    image = tf.keras.Input(shape, name="image")
    latent = tf.keras.Input([latent_units], name="latent")
    seen = image
    for _ in range(num_halvings):
        seen = _convolved(seen, strides=2)
    change = _change_of(seen.shape[1:], latent_units, size_px, len(limit))
    # An odd function of the latent, so that a change is as likely as its opposite.
    # Otherwise all three losses soon make the generators change every image alike.
    opposite = Layers.Rescaling(-1.0)(latent)
    field = Layers.Subtract(dtype="float32")(
        [change([seen, latent]), change([seen, opposite])]
    )
    field = Layers.Activation("tanh", dtype="float32")(field)
    field = Enlarged(size_px)(field)
    field = Layers.Rescaling(limit, dtype="float32")(field)
    return tf.keras.Model([image, latent], field, name=name)


def _change_of(
    seen_shape: tuple[int, int, int],
    latent_units: int,
    size_px: tuple[int, int],
    channels: int,
) -> tf.keras.Model:
    """Model from an image's features and a latent to an unbounded change of it."""
    seen, latent = tf.keras.Input(seen_shape), tf.keras.Input([latent_units])
    drawn = _spread(latent, _halved(size_px, _LATENT_HALVINGS))
    drawn = Enlarged(seen_shape[:2])(drawn)
    change = _convolved(_convolved(Layers.Concatenate()([seen, drawn])))
    # Small at first, so that the segmenter starts on nearly unchanged images.
    change = Layers.Conv2D(
        channels,
        1,
        use_bias=False,
        kernel_initializer=tf.keras.initializers.RandomNormal(stddev=0.05),
        dtype="float32",
    )(change)
    return tf.keras.Model([seen, latent], change)


def _convolved(inputs: tf.Tensor, strides: int = 1) -> tf.Tensor:
    outputs = Layers.Conv2D(_FILTERS, 3, strides=strides, padding="same")(inputs)
    return Layers.LeakyReLU(0.2)(outputs)


def _spread(latent: tf.Tensor, grid: tuple[int, int]) -> tf.Tensor:
    """The latent vector as a feature map on a grid."""
    flat = Layers.Dense(grid[0] * grid[1] * _FILTERS)(latent)
    return _convolved(Layers.Reshape([*grid, _FILTERS])(Layers.LeakyReLU(0.2)(flat)))


def _halved(size_px: tuple[int, int], times: int) -> tuple[int, int]:
    """The size after `times` convolutions of stride 2."""
    return tuple(-(-extent // 2**times) for extent in size_px)


class Enlarged(Layers.Layer):
    """Cubic interpolation to a larger size, in float32: [N, h, w, C] to [N, H, W, C].

    Done by matrix products, since XLA cannot compile TensorFlow's cubic resizing.
    """

    def __init__(self, size_px: tuple[int, int]):
        super().__init__(dtype="float32")
        self._size_px = tuple(size_px)

    def build(self, input_shape: tf.TensorShape) -> None:
        """Finds the weight of each input in each output, along each axis."""
        self._of_rows, self._of_columns = (
            _cubic_weights(before, after)
            for before, after in zip(input_shape[1:3], self._size_px)
        )

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Interpolates along rows, then along columns."""
        rows = tf.einsum("Hh,nhwc->nHwc", self._of_rows, inputs)
        return tf.einsum("Ww,nHwc->nHWc", self._of_columns, rows)


def _cubic_weights(before: int, after: int) -> np.ndarray:
    """TensorFlow's cubic resizing of one axis as a matrix, [after, before]."""
    with tf.init_scope():
        unit = tf.eye(before)[:, None, :, None]  # [before, 1, before, 1]
        return tf.image.resize(unit, [1, after], "bicubic")[:, 0, :, 0].numpy().T
