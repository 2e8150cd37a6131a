"""The consistency loss: predictions on the weak view are labels of the strong views."""

from typing import Callable

import tensorflow as tf

from dscl_tf.methods.consistency import pieces, views
from dscl_tf.methods.consistency.settings import ConsistencyConfig
from dscl_tf.pipeline import streams
from dscl_tf.pipeline.streams import Batch
from dscl_tf.training import distribution, steps
from dscl_tf.training.distribution import Devices

STREAM = "consistency"


def consistency_loss(
    teach: Callable[[tf.Tensor], tf.Tensor],
    forget: Callable[[Batch], tf.Tensor],
    settings: ConsistencyConfig,
    devices: Devices = distribution.ONE,
) -> steps.LossFunction:
    """Soft Dice of two strong views, and of the weak one with dropout if wanted.

    A pixel's label is the class that the teacher finds most probable in the weak view,
    if it is confident; in a CutMix box, that of the slice that the box was taken from.

    Args:
      teach: the teacher, from images [n, H, W, channels] to logits [n, H, W, C].
      forget: from the unlabelled batch to the segmenter's logits of weak views with
        features dropped; called only if the settings want it.
      settings: weight, confidence, pieces, whether features are dropped.
      devices: what computes it.

    Returns:
      A function that gives "loss", weighted; "consistency_loss", unweighted; and
      "known_foreground": of the pixels where the teacher sees a structure, the share
      that keeps this label. These are the pixels of which it is confident and, with
      `one_piece`, which belong to the main piece.
    """

    def loss(batch: steps.Batch) -> steps.Scalars:
        others = streams.part_of(batch, STREAM)
        chosen, known = hard_labels(teach(others["image"]), settings)
        targets = targets_of(known, others, devices)
        logits = tf.split(batch[steps.logits_of(STREAM)], len(targets))
        of_views = [
            steps.loss_of_labels(*each, devices) for each in zip(logits, targets)
        ]
        lost = tf.add_n(of_views) / len(of_views)
        if settings.feature_dropout:
            # The three losses have the same weights to each other as in UniMatch.
            third = steps.loss_of_labels(forget(others), known, devices)
            lost = 0.5 * (lost + third)
        # With no steps to rise in, the weight is full from the first step on.
        step, rise = tf.cast(others["step"], tf.float32), settings.ramp_steps
        ramp = step / rise if rise else 1.0
        structures = tf.stack([chosen > 0, (chosen > 0) & (chosen == known)])
        pixels = tf.reduce_sum(tf.cast(structures, tf.float32), axis=[1, 2, 3])
        total, confident = tf.unstack(devices.sum(pixels))
        return {
            "loss": settings.weight * tf.minimum(ramp, 1.0) * lost,
            "consistency_loss": lost,
            "known_foreground": tf.math.divide_no_nan(confident, total),
        }

    return loss


def hard_labels(
    logits: tf.Tensor, settings: ConsistencyConfig
) -> tuple[tf.Tensor, tf.Tensor]:
    """The most probable class, and the label that is learned from.

    Args:
      logits: floating [n, H, W, C].
      settings: the least probability of a known pixel, and whether structures apart
        from a slice's main piece become background.

    Returns:
      Both int32 [n, H, W]; the second is C where unknown. No gradient.
    """
    probabilities = tf.nn.softmax(tf.cast(tf.stop_gradient(logits), tf.float32))
    chosen = tf.argmax(probabilities, axis=-1, output_type=tf.int32)
    is_known = tf.reduce_max(probabilities, axis=-1) >= settings.confidence
    known = tf.where(is_known, chosen, logits.shape[-1])
    if settings.one_piece:
        # Of all pixels, unsure ones too: where a false piece is the only sure one, the
        # true ones would become background.
        is_apart = (chosen > 0) & ~pieces.main_piece(chosen, logits.shape[-1])
        known = tf.where(is_apart, 0, known)
    return chosen, known


def targets_of(
    known: tf.Tensor, others: Batch, devices: Devices = distribution.ONE
) -> list[tf.Tensor]:
    """The labels of the strong views, int32 [n, H, W] each, mixed like the images.

    Args:
      known: int32 [n, H, W], the labels of this device's weak views.
      others: the unlabelled batch of `views.make`.
      devices: what computes it; partners may be on another.
    """
    total = others["volume"].shape[0]
    # As floats, since devices gather nothing else; small integers stay exact.
    everywhere = devices.gather(tf.cast(known, tf.float32), total)
    partners = tf.cast(tf.gather(everywhere, others["rows_partner"]), tf.int32)
    return [
        tf.where(others[f"rows_box_{number}"], partners, known)
        for number in views.NUMBERS
    ]
