"""The losses of the pretext stage, from sums over the parts of a batch."""

import math

import tensorflow as tf

from dscl_tf.training import distribution
from dscl_tf.training.distribution import Devices
from dscl_tf.training.steps import Batch, LossFunction, Scalars


def rotation_loss(
    encoder: tf.keras.Model, head: tf.keras.Model, devices: Devices = distribution.ONE
) -> LossFunction:
    """Mean cross-entropy of the quarter turns (Gidaris et al., 2018)."""

    def loss(batch: Batch) -> Scalars:
        logits = head(encoder(batch["image"], training=True)[-1], training=True)
        sums = devices.sum(rotation_sums(logits, batch["label"]))
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
    """Mean squared error over pixels, with the weights in the batch."""

    def loss(batch: Batch) -> Scalars:
        restored = unet(batch["image"], training=True)
        found = restoration_sums(restored, batch["label"], batch["rows_weight"])
        error, weight = tf.unstack(devices.sum(found))
        # Boxes smaller than a pixel may contain no pixel.
        return {"loss": tf.math.divide_no_nan(error, weight)}

    return loss


def rotation_sums(logits: tf.Tensor, turns: tf.Tensor) -> tf.Tensor:
    """Sums over some images: cross-entropy, hits, and the number of images.

    Args:
      logits: floating [n, 4].
      turns: int32 [n], quarter turns.

    Returns:
      float32 [3].
    """
    logits = tf.cast(logits, tf.float32)
    entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(turns, logits)
    hits = tf.argmax(logits, axis=-1, output_type=tf.int32) == turns
    return tf.stack(
        [
            tf.reduce_sum(entropy),
            tf.reduce_sum(tf.cast(hits, tf.float32)),
            tf.cast(tf.size(turns), tf.float32),
        ]
    )


def restoration_sums(
    restored: tf.Tensor, original: tf.Tensor, weight: tf.Tensor
) -> tf.Tensor:
    """Sums over some images: weighted squared errors, and weights.

    Args:
      restored: floating [n, H, W, C].
      original: float32 of that shape.
      weight: float32 of that shape.

    Returns:
      float32 [2].
    """
    error = tf.math.squared_difference(tf.cast(restored, tf.float32), original)
    return tf.stack([tf.reduce_sum(weight * error), tf.reduce_sum(weight)])
