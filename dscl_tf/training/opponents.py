"""Losses of networks that play against each other in fine-tuning.

Every player's loss is computed in one pass; the step lets each move its own variables
alone. So nothing here is held constant for a player's sake, except where that saves
the way back through a network.
"""

import dataclasses

import tensorflow as tf

from dscl_tf import losses
from dscl_tf.config import LearnedAugmentationConfig
from dscl_tf.pipeline import streams, warps
from dscl_tf.training import distribution, steps
from dscl_tf.training.distribution import Devices

UNLABELLED = "unlabelled"  # The stream that its batches are joined as.


def adversarial_loss(
    unet: tf.keras.Model,
    discriminator: tf.keras.Model,
    weight: float,
    devices: Devices = distribution.ONE,
) -> steps.LossFunction:
    """Segmentations of unlabelled images shall look like those of labelled ones.

    Args:
      unet: the segmenter.
      discriminator: from an image and the class probabilities, concatenated, to a
        logit; above 0: the image is labelled.
      weight: of fooling it in the segmenter's loss.
      devices: what computes it.

    Returns:
      A function to "loss", weighted; "fooling_loss", unweighted; "discriminator_loss"
      and "discriminator_accuracy".
    """

    def loss(batch: steps.Batch) -> steps.Scalars:
        unlabelled = streams.part_of(batch, UNLABELLED)
        labelled = _shown(batch["image"], batch[steps.LOGITS])
        image = unlabelled["image"]
        guessed = _shown(image, unet(image, training=True))
        total = unlabelled["volume"].shape[0]
        terms = losses.judgement_losses(discriminator(guessed, training=True), True)
        fooling = mean_over_batch(terms, total, devices)
        lost, accuracy = contest(discriminator, labelled, guessed, total, devices)
        return {
            "loss": weight * fooling,
            "fooling_loss": fooling,
            "discriminator_loss": lost,
            "discriminator_accuracy": accuracy,
        }

    return loss


@dataclasses.dataclass(frozen=True)
class Generators:
    """What changes labelled images."""

    deformation: tf.keras.Model
    intensity: tf.keras.Model


@dataclasses.dataclass(frozen=True)
class Generated:
    """Labelled images that were changed."""

    image: tf.Tensor  # float32 [N, H, W, 1].
    label: tf.Tensor  # float32 [N, H, W, C], a map a class.
    deformed: tf.Tensor  # float32 [N, H, W, 1], before the intensities were changed.
    displacement_px: tf.Tensor  # float32 [N, H, W, 2].
    intensity_change: tf.Tensor  # float32 [N, H, W, 1].


def generate(
    generators: Generators, image: tf.Tensor, maps: tf.Tensor, latent: tf.Tensor
) -> Generated:
    """Deforms images and their labels by one field, then changes the intensities.

    Args:
      generators: what makes the fields.
      image: float32 [N, H, W, 1].
      maps: float32 [N, H, W, C], a map a class.
      latent: float32 [N, 2, U]; the deformation's first.
    """
    flow = generators.deformation([image, latent[:, 0]], training=True)
    warped = warps.elastic(tf.concat([image, maps], axis=-1), flow)
    deformed = warped[..., :1]
    change = generators.intensity([deformed, latent[:, 1]], training=True)
    return Generated(deformed + change, warped[..., 1:], deformed, flow, change)


def augmentation_loss(
    unet: tf.keras.Model,
    generators: Generators,
    discriminator: tf.keras.Model,
    config: LearnedAugmentationConfig,
    devices: Devices = distribution.ONE,
) -> steps.LossFunction:
    """Soft Dice of generated images, whose generators learn from it, too.

    Args:
      unet: the segmenter.
      generators: of the changes.
      discriminator: from an image to a logit; above 0: an unlabelled, real one.
      config: the weights.
      devices: what computes it.

    Returns:
      A function to "loss", the soft Dice loss of the generated images;
      "generator_loss" and "augmentation_discriminator_loss" of the players; and the
      mean sizes of the changes, "displacement_px" and "intensity_change".
    """

    def loss(batch: steps.Batch) -> steps.Scalars:
        unlabelled = streams.part_of(batch, UNLABELLED)
        maps = losses.label_maps(batch["label"], unet.output_shape[-1])
        made = generate(generators, batch["image"], maps, unlabelled["latent"])
        logits = unet(made.image, training=True)
        # Pseudo-labels may be unknown; where all are known, it changes nothing.
        sums = losses.soft_dice_sums(logits, made.label, has_unknown=True)
        dice = losses.soft_dice_of_sums(devices.sum(sums))
        total = unlabelled["volume"].shape[0]
        terms = losses.judgement_losses(discriminator(made.image, training=True), True)
        fooling, *sizes = tf.unstack(
            mean_over_batch(_stacked(terms, made), total, devices)
        )
        lost, accuracy = contest(
            discriminator, unlabelled["image"], made.image, total, devices
        )
        return {
            "loss": dice,
            "generated_loss": dice,
            "generator_loss": dice
            + config.adversarial_weight * fooling
            - config.magnitude_weight * (sizes[0] + sizes[1]),
            "augmentation_discriminator_loss": lost,
            "augmentation_discriminator_accuracy": accuracy,
            "displacement_px": sizes[0],
            "intensity_change": sizes[1],
        }

    return loss


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
    terms = losses.judgement_losses(one, True) + losses.judgement_losses(other, False)
    right = tf.cast(one > 0, tf.float32) + tf.cast(other < 0, tf.float32)
    both = tf.stack([terms / 2, right / 2], axis=1)
    return tuple(tf.unstack(mean_over_batch(both, total, devices)))


def mean_over_batch(terms: tf.Tensor, total: int, devices: Devices) -> tf.Tensor:
    """The mean over the rows of all replicas.

    Args:
      terms: float32 [n, ...] of this replica.
      total: N, rows of the whole batch.
      devices: what computes it.
    """
    return devices.sum(tf.reduce_sum(terms, axis=0)) / total


def _shown(image: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """What a discriminator of segmentations looks at, float32 [n, H, W, 1 + C]."""
    probabilities = tf.nn.softmax(tf.cast(logits, tf.float32))
    return tf.concat([image, probabilities], axis=-1)


def _stacked(terms: tf.Tensor, made: Generated) -> tf.Tensor:
    """Each image's term and the mean sizes of its changes, float32 [n, 3]."""
    sizes = [
        tf.reduce_mean(tf.abs(field), axis=[1, 2, 3])
        for field in (made.displacement_px, made.intensity_change)
    ]
    return tf.stack([terms, *sizes], axis=1)
