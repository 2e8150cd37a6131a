"""The projection head of the contrast of classes."""

import tensorflow as tf

from dscl_tf.networks import blocks

Layers = tf.keras.layers


def build_class_head(channels: int) -> tf.keras.Model:
    """The head of the contrast of classes: two 1x1 convolutions, ReLU between.

    Without normalisation, so that a pixel's vector does not depend on which others are
    drawn with it; without biases, so that 0 stays 0.

    Args:
      channels: C, of the features and of the vectors.

    Returns:
      Model from [N, H, W, C] of any H and W to float32 [N, H, W, C].
    """
    features = blocks.features_input([None, None, channels], "features")
    outputs = Layers.Conv2D(channels, 1, use_bias=False, activation="relu")(features)
    outputs = Layers.Conv2D(channels, 1, use_bias=False)(outputs)
    return tf.keras.Model(features, blocks.as_float32(outputs), name="class_head")
