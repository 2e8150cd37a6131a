"""Discriminators, which tell two kinds of images apart, and what players lower.

Every player's loss is computed in one pass; the step lets each move its own variables
alone. So nothing here is held constant for a player's sake, except where that saves
the way back through a network.
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


def judgement_losses(logits: tf.Tensor, is_first_kind: bool) -> tf.Tensor:
    """The cross-entropy of each judgement with what is said of all of them.

    Args:
      logits: floating [n] of a discriminator, above 0 for the first kind.
      is_first_kind: what is said. A discriminator lowers the losses of the truth,
        its opponent those of saying "first kind" of what it made.

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
      Its cross-entropy (ln 2 is chance) and the share that it says right.
    """
    images = tf.stop_gradient(tf.concat([first, second], axis=0))
    one, other = tf.split(discriminator(images, training=True), 2)
    terms = judgement_losses(one, True) + judgement_losses(other, False)
    right = tf.cast(one > 0, tf.float32) + tf.cast(other < 0, tf.float32)
    both = tf.stack([terms / 2, right / 2], axis=1)
    return tuple(tf.unstack(steps.mean_over_batch(both, total, devices)))
