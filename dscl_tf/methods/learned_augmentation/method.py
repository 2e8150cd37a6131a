"""Learned augmentation as a part of fine-tuning."""

import numpy as np
import tensorflow as tf

from dscl_tf import losses
from dscl_tf.methods import opponents, unlabelled
from dscl_tf.methods.learned_augmentation import generators
from dscl_tf.methods.learned_augmentation import loss as own
from dscl_tf.methods.method import AddedLoss, Method
from dscl_tf.pipeline.streams import Batch, BatchChange
from dscl_tf.training import panels, steps
from dscl_tf.training.stage_context import StageContext

# Makes its draws differ from those of augmentation, which has the same seed.
_SALT = 0x6C6174


def change(context: StageContext) -> BatchChange:
    """Adds latent vectors from N(0, I), by which each labelled image is changed."""
    units = context.config.finetune.learned_augmentation.latent_units

    def add(batch: Batch, seed: tf.Tensor) -> Batch:
        seed = tf.random.experimental.stateless_fold_in(seed, _SALT)
        shape = [batch["image"].shape[0], 2, units]
        return {**batch, own.LATENT: tf.random.stateless_normal(shape, seed)}

    return add


def added(context: StageContext, unet: tf.keras.Model) -> list[AddedLoss]:
    """Generators of changes to the labelled images, and their discriminator.

    Raises:
      UserError: there are no unlabelled volumes.
    """
    settings = context.config.finetune.learned_augmentation
    size, units = context.size_px, settings.latent_units
    channels = context.num_channels
    made_by = own.Generators(
        deformation=generators.build_deformation_generator(size, units, channels),
        intensity=generators.build_intensity_generator(size, units, channels),
    )
    discriminator = opponents.build_discriminator(
        size, channels, "augmentation_discriminator"
    )
    both = (made_by.deformation, made_by.intensity)
    stream = unlabelled.unlabelled_batches(context)
    loss = own.augmentation_loss(
        unet, made_by, discriminator, settings, context.devices
    )
    return [
        AddedLoss(
            loss=loss,
            streams={unlabelled.STREAM: stream},
            players={
                "generator_loss": [v for g in both for v in g.trainable_variables],
                "augmentation_discriminator_loss": discriminator.trainable_variables,
            },
            parts={model.name: model for model in (*both, discriminator)},
            pictures={"generated": _panel(made_by, context.cohort.num_classes)},
        )
    ]


def _panel(made_by: own.Generators, num_classes: int):
    def draw(batch: steps.Batch) -> np.ndarray:
        maps = losses.label_maps(batch["label"], num_classes)
        made = own.generate(made_by, batch["image"], maps, batch[own.LATENT])
        return panels.image_panel(
            {
                "image": batch["image"],
                "deformed": made.deformed,
                "and intensities": made.image,
            }
        )

    return draw


METHOD = Method(change=change, losses=added)
