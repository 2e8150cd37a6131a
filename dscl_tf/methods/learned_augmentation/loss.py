"""Learned augmentation: how generators change labelled slices, and the losses."""

import dataclasses

import tensorflow as tf

from dscl_tf import losses
from dscl_tf.methods import opponents, unlabelled
from dscl_tf.methods.learned_augmentation.settings import LearnedAugmentationConfig
from dscl_tf.pipeline import streams, warps
from dscl_tf.training import distribution, steps
from dscl_tf.training.distribution import Devices

LATENT = "rows_latent"  # In a batch: float32 [N, 2, U].
_KNOWN = 1 - 1e-3  # Sum of the classes' weights above which a pixel is known.


@dataclasses.dataclass(frozen=True)
class Generators:
    """The networks that change labelled images."""

    deformation: tf.keras.Model
    intensity: tf.keras.Model


@dataclasses.dataclass(frozen=True)
class Generated:
    """Changed labelled images."""

    image: tf.Tensor  # float32 [N, H, W, C].
    label: tf.Tensor  # float32 [N, H, W, classes], one map per class.
    deformed: tf.Tensor  # float32 [N, H, W, C], before the intensities were changed.
    displacement_px: tf.Tensor  # float32 [N, H, W, 2].
    intensity_change: tf.Tensor  # float32 [N, H, W, C].


def generate(
    generators: Generators, image: tf.Tensor, maps: tf.Tensor, latent: tf.Tensor
) -> Generated:
    """Deforms images and their labels by one field, then changes the intensities.

    Args:
      generators: what makes the fields.
      image: float32 [N, H, W, C].
      maps: float32 [N, H, W, classes], one map per class.
      latent: float32 [N, 2, U]; the deformation's first.
    """
    flow = generators.deformation([image, latent[:, 0]], training=True)
    warped = warps.elastic(tf.concat([image, maps], axis=-1), flow)
    channels = image.shape[-1]
    deformed = warped[..., :channels]
    change = generators.intensity([deformed, latent[:, 1]], training=True)
    label = warped[..., channels:]
    # A pixel interpolated from an unknown one is unknown. The weights of all other
    # pixels sum to 1.
    is_known = tf.reduce_sum(label, axis=-1, keepdims=True) > _KNOWN
    label *= tf.cast(is_known, tf.float32)
    return Generated(deformed + change, label, deformed, flow, change)


def augmentation_loss(
    unet: tf.keras.Model,
    generators: Generators,
    discriminator: tf.keras.Model,
    config: LearnedAugmentationConfig,
    devices: Devices = distribution.ONE,
) -> steps.LossFunction:
    """Soft Dice of generated images, from which their generators learn, too.

    Args:
      unet: the segmenter.
      generators: of the changes.
      discriminator: from an image to a logit; above 0: an unlabelled, real one.
      config: the weights.
      devices: what computes it.

    Returns:
      A function that gives "loss", the soft Dice loss of the generated images;
      "generator_loss" and "augmentation_discriminator_loss" of the players; and the
      mean sizes of the changes, "displacement_px" and "intensity_change".
    """

    def loss(batch: steps.Batch) -> steps.Scalars:
        others = streams.part_of(batch, unlabelled.STREAM)
        maps = losses.label_maps(batch["label"], unet.output_shape[-1])
        made = generate(generators, batch["image"], maps, batch[LATENT])
        logits = unet(made.image, training=True)
        dice = steps.loss_of_labels(logits, made.label, devices)
        total = others["volume"].shape[0]
        terms = opponents.judgement_losses(
            discriminator(made.image, training=True), True
        )
        fooling, *sizes = tf.unstack(
            steps.mean_over_batch(_stacked(terms, made), total, devices)
        )
        lost, accuracy = opponents.contest(
            discriminator, others["image"], made.image, total, devices
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


def _stacked(terms: tf.Tensor, made: Generated) -> tf.Tensor:
    """Each image's term and the mean sizes of its changes, float32 [n, 3]."""
    sizes = [
        tf.reduce_mean(tf.abs(field), axis=[1, 2, 3])
        for field in (made.displacement_px, made.intensity_change)
    ]
    return tf.stack([terms, *sizes], axis=1)
