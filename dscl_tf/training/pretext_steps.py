"""The losses of the pretext stage's networks."""

import math

import tensorflow as tf

from dscl_tf.losses import pretext
from dscl_tf.training import distribution
from dscl_tf.training.distribution import Devices
from dscl_tf.training.steps import Batch, LossFunction, Scalars


def rotation_loss(
    encoder: tf.keras.Model, head: tf.keras.Model, devices: Devices = distribution.ONE
) -> LossFunction:
    """Mean cross-entropy of the quarter turns (Gidaris et al., 2018)."""

    def loss(batch: Batch) -> Scalars:
        logits = head(encoder(batch["image"], training=True)[-1], training=True)
        sums = devices.sum(pretext.rotation_sums(logits, batch["label"]))
        mean = sums[0] / sums[2]
        return {
            "loss": mean,
            "pair_loss": mean,
            "chance": tf.constant(math.log(logits.shape[-1])),
            "top1": sums[1] / sums[2],
        }

    return loss


def restoration_loss(
    unet: tf.keras.Model, devices: Devices = distribution.ONE
) -> LossFunction:
    """Mean squared error of the pixels that the batch gives a weight."""

    def loss(batch: Batch) -> Scalars:
        restored = unet(batch["image"], training=True)
        found = pretext.restoration_sums(restored, batch["label"], batch["weight"])
        error, weight = tf.unstack(devices.sum(found))
        # Boxes of less than a pixel may hold none.
        return {"loss": tf.math.divide_no_nan(error, weight)}

    return loss
