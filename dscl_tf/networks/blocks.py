"""Layers that the networks are made of."""

from collections.abc import Sequence
from typing import Any, Optional

import numpy as np
import tensorflow as tf

from dscl_tf.config import NetworkConfig, NormKind
from dscl_tf.networks import keras_version

keras_version.require_keras_2()

Layers = tf.keras.layers
_INSTANCE_EPSILON = 1e-5  # nnU-Net's.


def features_input(shape: Sequence[int], name: Optional[str] = None) -> tf.Tensor:
    """An input for features of another network, in the policy's compute dtype.

    With Keras' default each map would be cast to float32 and back between networks.
    """
    dtype = tf.keras.mixed_precision.global_policy().compute_dtype
    return tf.keras.Input(shape, name=name, dtype=dtype)


def conv_norm_relu(
    inputs: tf.Tensor, filters: int, kernel_size: int, network: NetworkConfig
) -> tf.Tensor:
    """Convolution, normalisation, ReLU; the size is kept.

    The convolution has no bias: the normalisation would subtract it again.
    """
    convolution = Layers.Conv2D(filters, kernel_size, padding="same", use_bias=False)
    return norm_relu(convolution(inputs), network)


def norm_relu(inputs: tf.Tensor, network: NetworkConfig) -> tf.Tensor:
    """The network's kind of normalisation, then ReLU."""
    if network.norm is NormKind.INSTANCE:
        # -1 makes each channel a group. In float32: on a map without contrast the
        # gradient exceeds the range of half precision.
        norm = Layers.GroupNormalization(
            groups=-1, epsilon=_INSTANCE_EPSILON, dtype="float32"
        )
    else:
        norm = Layers.BatchNormalization(
            momentum=network.batch_norm_momentum,
            epsilon=network.batch_norm_epsilon,
            synchronized=network.sync_batch_norm,
        )
    return Layers.ReLU()(norm(inputs))


def double_conv(inputs: tf.Tensor, filters: int, network: NetworkConfig) -> tf.Tensor:
    """Two 3x3 convolutions with normalisation and ReLU."""
    outputs = conv_norm_relu(inputs, filters, 3, network)
    return conv_norm_relu(outputs, filters, 3, network)


def as_float32(inputs: tf.Tensor) -> tf.Tensor:
    """Casts a network's output to float32, whatever the precision policy."""
    return Layers.Activation("linear", dtype="float32")(inputs)


@tf.keras.utils.register_keras_serializable("dscl_tf")
class DoubledConv2D(Layers.Conv2D):
    """Nearest-neighbour up-sampling by 2 and a 2x2 convolution of the result, at once.

    [N, H, W, C] to [N, 2H, 2W, filters], with the weights of the convolution alone.
    The large map is never made: each of the four outputs of a pixel is a convolution
    of the small map, whose kernel sums the weights that fall on the same pixel. On a
    CPU it takes about half the time of the two steps (docs/performance.md). XLA can
    compile its gradient, unlike that of UpSampling2D.
    """

    def __init__(self, filters: int, **kwargs: Any):
        """The layer.

        Args:
          filters: channels of the output.
          **kwargs: what Conv2D takes beside kernel size, padding and bias, as Keras
            does when it copies or loads a model: name, dtype, trainable ...
        """
        super().__init__(filters, 2, padding="same", use_bias=False, **kwargs)

    def get_config(self) -> dict[str, Any]:
        """The arguments of `__init__`: Conv2D's without those that this layer sets."""
        config = super().get_config()
        own = ("kernel_size", "padding", "use_bias")
        return {name: value for name, value in config.items() if name not in own}

    def build_from_config(self, config: dict[str, Any]) -> None:
        """Builds a copied or loaded layer with the layer's name in that of its kernel.

        Otherwise all kernels would be called "kernel", and an .h5 file with an
        optimizer cannot hold equal names.
        """
        with tf.name_scope(self.name):
            super().build_from_config(config)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Convolves the small map and interleaves the four outputs."""
        kernel = tf.convert_to_tensor(self.kernel)  # In the policy's compute dtype.
        meets = tf.constant(_MEETS, kernel.dtype)
        taps = tf.reshape(kernel, [4, -1])
        kernels = tf.reshape(tf.matmul(meets, taps), [2, 2, 4, -1, self.filters])
        kernels = tf.transpose(kernels, [0, 1, 3, 2, 4])
        shape = [2, 2, inputs.shape[-1], 4 * self.filters]
        outputs = tf.nn.conv2d(inputs, tf.reshape(kernels, shape), 1, "SAME")
        return tf.nn.depth_to_space(outputs, 2)


# [a, p, d] is 1 where tap p of output a (0 or 1) falls on pixel d of the small map.
_MEETS_1D = np.array([[[1, 0], [1, 0]], [[1, 0], [0, 1]]], np.float32)
# The same for rows and columns together: (d, e, a, b) by (p, q).
_MEETS = np.einsum("apd,bqe->deabpq", _MEETS_1D, _MEETS_1D).reshape(16, 4)
