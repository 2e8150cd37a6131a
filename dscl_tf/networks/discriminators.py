"""A network that tells two kinds of images apart, an opponent of another network."""

import tensorflow as tf

from dscl_tf.networks import blocks

Layers = tf.keras.layers
_FILTERS = (16, 32, 64, 128)


def build_discriminator(
    size_px: tuple[int, int], channels: int, name: str
) -> tf.keras.Model:
    """Strided convolutions with LeakyReLU, the mean over the image, one logit.

    It has no BatchNorm: statistics of a batch would mix the two kinds, and of two
    batches would tell them apart by themselves.

    Args:
      size_px: (H, W) of the images.
      channels: of the images.
      name: of the model.

    Returns:
      Model from [N, H, W, channels] to float32 logits [N]; above 0: the first kind.
    """
    image = features = tf.keras.Input([*size_px, channels], name="image")
    for filters in _FILTERS:
        features = Layers.Conv2D(filters, 5, strides=2, padding="same")(features)
        features = Layers.LeakyReLU(0.2)(features)
    logits = Layers.Dense(1)(Layers.GlobalAveragePooling2D()(features))
    logits = blocks.as_float32(Layers.Reshape([])(logits))
    return tf.keras.Model(image, logits, name=name)
