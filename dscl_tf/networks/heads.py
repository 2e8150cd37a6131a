"""The projection heads, trained with their stage and then dropped."""

import tensorflow as tf

from dscl_tf.config import NetworkConfig
from dscl_tf.networks import blocks

Layers = tf.keras.layers


def build_global_head(
    network: NetworkConfig, input_shape: tuple[int, int, int]
) -> tf.keras.Model:
    """g1: flatten, a dense layer with ReLU, a dense layer; no biases.

    Args:
      network: the units of the two layers.
      input_shape: (H, W, C) of the encoder's last level.

    Returns:
      Model from [N, H, W, C] to float32 embeddings [N, D].
    """
    features = blocks.features_input(input_shape, "features")
    hidden_units, units = network.global_head_units
    hidden = Layers.Dense(hidden_units, activation="relu", use_bias=False)(
        Layers.Flatten()(features)
    )
    embeddings = Layers.Dense(units, use_bias=False)(hidden)
    return tf.keras.Model(features, blocks.as_float32(embeddings), name="global_head")


def build_local_head(
    network: NetworkConfig, input_shape: tuple[int, int, int], region_size: int = 1
) -> tf.keras.Model:
    """g2: two 1x1 convolutions without bias, normalisation and ReLU between.

    With `network.local_head_units` D > 0, one dense layer follows on each flattened
    K x K region. Written as a K x K convolution it gives, at each region's top-left
    position, that region's vector: the loss then takes regions of size 1.

    Args:
      network: the units.
      input_shape: (H, W, C) of the decoder's output.
      region_size: K; used with `network.local_head_units` only.

    Returns:
      Model from [N, H, W, C] to float32 [N, H, W, C], or [N, H-K+1, W-K+1, D].
    """
    features = blocks.features_input(input_shape, "features")
    channels = input_shape[-1]
    outputs = blocks.conv_norm_relu(features, channels, 1, network)
    outputs = Layers.Conv2D(channels, 1, use_bias=False)(outputs)
    if network.local_head_units:
        outputs = Layers.Conv2D(
            network.local_head_units, region_size, padding="valid", use_bias=False
        )(outputs)
    return tf.keras.Model(features, blocks.as_float32(outputs), name="local_head")
