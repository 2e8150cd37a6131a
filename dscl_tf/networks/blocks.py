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
        momentum=network.batch_norm_momentum,
        epsilon=network.batch_norm_epsilon,
        synchronized=network.sync_batch_norm,
    )(outputs)
    return Layers.ReLU()(outputs)


def double_conv(inputs: tf.Tensor, filters: int, network: NetworkConfig) -> tf.Tensor:
    """Two 3x3 convolutions with normalisation and ReLU."""
    outputs = conv_norm_relu(inputs, filters, 3, network)
    return conv_norm_relu(outputs, filters, 3, network)


def as_float32(inputs: tf.Tensor) -> tf.Tensor:
    """What leaves a network is float32, whatever the precision policy."""
    return Layers.Activation("linear", dtype="float32")(inputs)


class Doubled(Layers.Layer):
    """Nearest-neighbour up-sampling by 2: [N, H, W, C] to [N, 2H, 2W, C].

    As UpSampling2D, whose gradient XLA cannot compile.
    """

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Repeats each row and each column."""
        return tf.repeat(tf.repeat(inputs, 2, axis=1), 2, axis=2)
