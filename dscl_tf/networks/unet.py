"""The U-Net in parts that can be trained, frozen and taken over separately.

Levels count from the full resolution: level 0 has `filters[0]` channels. Decoder
block k (1 to num_blocks) goes from level num_blocks - k + 1 to num_blocks - k. Each
block is a model of its own, so that a stage's checkpoint holds it as one object.
"""

import tensorflow as tf

from dscl_tf.config import NetworkConfig
from dscl_tf.networks import blocks


def build_encoder(
    network: NetworkConfig, size_px: tuple[int, int], channels: int = 1
) -> tf.keras.Model:
    """The contracting path e.

    Args:
      network: its filters set the number of levels.
      size_px: (H, W), multiples of 2 to the power of the number of decoder blocks.
      channels: of the images.

    Returns:
      Model from [N, H, W, channels] to a list of each level's features, level 0
      first: [N, H / 2^i, W / 2^i, filters[i]].

    Raises:
      UserError: the size does not halve evenly.
    """
    network.check_size(size_px)
    image = tf.keras.Input([*size_px, channels], name="image")
    levels, features = [], image
    for level, filters in enumerate(network.filters):
        if level:
            features = tf.keras.layers.MaxPool2D()(features)
        features = blocks.double_conv(features, filters, network)
        levels.append(features)
    return tf.keras.Model(image, levels, name="encoder")


def build_decoder_block(
    network: NetworkConfig, size_px: tuple[int, int], number: int
) -> tf.keras.Model:
    """Decoder block `number`, counted from 1 at the coarsest level.

    Nearest-neighbour up-sampling by 2, a 2x2 convolution, the skip connection, and
    two 3x3 convolutions.

    Returns:
      Model from [below, skip] to [N, H / 2^i, W / 2^i, filters[i]] at its level i.
    """
    level = network.num_blocks - number
    filters = network.filters[level]
    shape = [extent >> level for extent in size_px]
    below = blocks.features_input(
        [extent // 2 for extent in shape] + [network.filters[level + 1]], name="below"
    )
    skip = blocks.features_input([*shape, filters], name="skip")
    features = blocks.norm_relu(blocks.DoubledConv2D(filters)(below), network)
    features = tf.keras.layers.Concatenate()([skip, features])
    features = blocks.double_conv(features, filters, network)
    return tf.keras.Model([below, skip], features, name=f"decoder_block_{number}")


def build_decoder(
    network: NetworkConfig, size_px: tuple[int, int], num_blocks: int
) -> tf.keras.Model:
    """The first `num_blocks` blocks of the expanding path, d_l.

    Args:
      network: the filters.
      size_px: (H, W) of the images.
      num_blocks: l, 1 to `network.num_blocks`.

    Returns:
      Model from the encoder's list of features to [N, H', W', C] of its last block;
      `get_layer("decoder_block_k")` is block k.

    Raises:
      UserError: the U-Net has fewer blocks.
    """
    network.check_blocks(num_blocks)
    levels = [
        blocks.features_input([extent >> level for extent in size_px] + [filters])
        for level, filters in enumerate(network.filters)
    ]
    features = levels[-1]
    for number in range(1, num_blocks + 1):
        block = build_decoder_block(network, size_px, number)
        features = block([features, levels[network.num_blocks - number]])
    return tf.keras.Model(levels, features, name="decoder")


def apply_blocks(
    decoder: tf.keras.Model, levels: list, num_blocks: int, training: bool
) -> tf.Tensor:
    """The first blocks of a larger decoder, with its own weights.

    Args:
      decoder: from `build_decoder`.
      levels: the encoder's list of features.
      num_blocks: l, at most the decoder's.
      training: whether BatchNorm uses the statistics of the batch.

    Returns:
      [N, H', W', C], as a decoder of l blocks gives.
    """
    features = levels[-1]
    for number in range(1, num_blocks + 1):
        block = decoder.get_layer(f"decoder_block_{number}")
        skip = levels[len(levels) - 1 - number]
        features = block([features, skip], training=training)
    return features


def build_unet(
    network: NetworkConfig,
    size_px: tuple[int, int],
    num_classes: int,
    channels: int = 1,
) -> tf.keras.Model:
    """The whole U-Net.

    Args:
      network: the filters.
      size_px: (H, W) of the images.
      num_classes: background included.
      channels: of the images.

    Returns:
      Model from [N, H, W, channels] to float32 logits [N, H, W, num_classes];
      `get_layer("encoder")`, `get_layer("decoder")` and `get_layer("classifier")`
      are its parts.
    """
    image = tf.keras.Input([*size_px, channels], name="image")
    levels = build_encoder(network, size_px, channels)(image)
    features = build_decoder(network, size_px, network.num_blocks)(levels)
    logits = tf.keras.layers.Conv2D(
        num_classes, 3, padding="same", use_bias=False, name="classifier"
    )(features)
    return tf.keras.Model(image, blocks.as_float32(logits), name="unet")
