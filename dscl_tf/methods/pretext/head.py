"""The head of the rotation task."""

import tensorflow as tf

from dscl_tf.networks import blocks

Layers = tf.keras.layers


def build_rotation_head(
    input_shape: tuple[int, int, int], num_classes: int
) -> tf.keras.Model:
    """A classifier of whole slices: mean over positions, one dense layer.

    Args:
      input_shape: (H, W, C) of the encoder's last level.
      num_classes: of the pretext task.

    Returns:
      Model from [N, H, W, C] to float32 logits [N, num_classes].
    """
    features = blocks.features_input(input_shape, "features")
    logits = Layers.Dense(num_classes)(Layers.GlobalAveragePooling2D()(features))
    return tf.keras.Model(features, blocks.as_float32(logits), name="rotation_head")
