"""Layers that every network here is made of."""

import tensorflow as tf

from dscl_tf.config import NetworkConfig

Layers = tf.keras.layers


def conv_norm_relu(
    inputs: tf.Tensor, filters: int, kernel_size: int, network: NetworkConfig
) -> tf.Tensor:
    """Convolution, batch normalisation, ReLU; the size is kept.

    The convolution has no bias: the normalisation would subtract it again.
    """
    outputs = Layers.Conv2D(filters, kernel_size, padding="same", use_bias=False)(
        inputs
    )
    outputs = Layers.BatchNormalization(
        momentum=network.batch_norm_momentum, epsilon=network.batch_norm_epsilon
    )(outputs)
    return Layers.ReLU()(outputs)


def double_conv(inputs: tf.Tensor, filters: int, network: NetworkConfig) -> tf.Tensor:
    """Two 3x3 convolutions with normalisation and ReLU."""
    outputs = conv_norm_relu(inputs, filters, 3, network)
    return conv_norm_relu(outputs, filters, 3, network)


def as_float32(inputs: tf.Tensor) -> tf.Tensor:
    """What leaves a network is float32, whatever the precision policy."""
    return Layers.Activation("linear", dtype="float32")(inputs)
