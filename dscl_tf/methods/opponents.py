"""Discriminators, which tell two kinds of images apart, and the losses of opponents.

All players' losses are computed in one pass, and the step updates each player's
variables by its own loss alone. So gradients need not be stopped for a player's sake;
they are only where that saves the backward pass through a network.
"""

import tensorflow as tf

from dscl_tf.networks import blocks
from dscl_tf.training import steps
from dscl_tf.training.distribution import Devices

Layers = tf.keras.layers
_FILTERS = (16, 32, 64, 128)


def build_discriminator(
    size_px: tuple[int, int], channels: int, name: str
) -> tf.keras.Model:
    """Strided convolutions with LeakyReLU, the mean over the image, one logit.

    It has no BatchNorm: statistics of a common batch would mix the two kinds, and those
    of separate batches would tell the kinds apart by themselves.

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


def judgement_losses(logits: tf.Tensor, is_first_kind: bool) -> tf.Tensor:
    """The cross-entropy of a discriminator's logits with one target for all of them.

    Args:
      logits: floating [n] of a discriminator, above 0 for the first kind.
      is_first_kind: the target. A discriminator minimises the losses with the true
        kind, its opponent those with the first kind as the target of what it made.

    Returns:
      float32 [n]; ln 2 for a logit of 0.
    """
    logits = tf.cast(logits, tf.float32)
    return tf.nn.softplus(-logits if is_first_kind else logits)


def contest(
    discriminator: tf.keras.Model,
    first: tf.Tensor,
    second: tf.Tensor,
    total: int,
    devices: Devices,
) -> tuple[tf.Tensor, tf.Tensor]:
    """How well a discriminator tells two kinds of images apart.

    Args:
      discriminator: from [n, H, W, C] to logits [n], above 0 for the first kind.
      first: [n, H, W, C], this replica's.
      second: [n, H, W, C], this replica's; no gradient flows to either.
      total: N, images of each kind in the whole batch.
      devices: what computes it.

    Returns:
      Its cross-entropy (ln 2 is chance) and its accuracy.
    """
    images = tf.stop_gradient(tf.concat([first, second], axis=0))
    one, other = tf.split(discriminator(images, training=True), 2)
    terms = judgement_losses(one, True) + judgement_losses(other, False)
    right = tf.cast(one > 0, tf.float32) + tf.cast(other < 0, tf.float32)
    both = tf.stack([terms / 2, right / 2], axis=1)
    return tuple(tf.unstack(steps.mean_over_batch(both, total, devices)))
