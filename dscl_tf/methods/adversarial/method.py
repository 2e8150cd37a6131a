"""Adversarial training as a part of fine-tuning."""

import tensorflow as tf

from dscl_tf.methods import opponents, unlabelled
from dscl_tf.methods.method import AddedLoss, Method
from dscl_tf.pipeline import streams
from dscl_tf.training import distribution, steps
from dscl_tf.training.distribution import Devices
from dscl_tf.training.stage_context import StageContext


def added(context: StageContext, unet: tf.keras.Model) -> list[AddedLoss]:
    """The adversarial loss, with a discriminator of labelled from unlabelled images.

    Raises:
      UserError: there are no unlabelled volumes.
    """
    discriminator = opponents.build_discriminator(
        context.size_px,
        context.num_channels + context.cohort.num_classes,
        "discriminator",
    )
    weight = context.config.finetune.adversarial.weight
    stream = unlabelled.unlabelled_batches(context)
    return [
        AddedLoss(
            loss=adversarial_loss(unet, discriminator, weight, context.devices),
            streams={unlabelled.STREAM: stream},
            players={"discriminator_loss": discriminator.trainable_variables},
            parts={"discriminator": discriminator},
        )
    ]


def adversarial_loss(
    unet: tf.keras.Model,
    discriminator: tf.keras.Model,
    weight: float,
    devices: Devices = distribution.ONE,
) -> steps.LossFunction:
    """Makes segmentations of unlabelled images look like those of labelled ones.

    Args:
      unet: the segmenter.
      discriminator: from an image and the class probabilities, concatenated, to a
        logit; above 0: the image is labelled.
      weight: of "fooling_loss" in the segmenter's loss.
      devices: what computes it.

    Returns:
      A function that gives "loss", weighted; "fooling_loss", unweighted;
      "discriminator_loss" and "discriminator_accuracy".
    """

    def loss(batch: steps.Batch) -> steps.Scalars:
        others = streams.part_of(batch, unlabelled.STREAM)
        labelled = _shown(batch["image"], batch[steps.LOGITS])
        image = others["image"]
        guessed = _shown(image, unet(image, training=True))
        total = others["volume"].shape[0]
        terms = opponents.judgement_losses(discriminator(guessed, training=True), True)
        fooling = steps.mean_over_batch(terms, total, devices)
        lost, accuracy = opponents.contest(
            discriminator, labelled, guessed, total, devices
        )
        return {
            "loss": weight * fooling,
            "fooling_loss": fooling,
            "discriminator_loss": lost,
            "discriminator_accuracy": accuracy,
        }

    return loss


def _shown(image: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """The input of the discriminator, float32 [n, H, W, channels + C]."""
    probabilities = tf.nn.softmax(tf.cast(logits, tf.float32))
    return tf.concat([image, probabilities], axis=-1)


METHOD = Method(losses=added)
