"""Adversarial training and learned augmentation as parts of fine-tuning."""

from typing import Optional

import numpy as np
import tensorflow as tf

from dscl_tf import errors, losses, networks
from dscl_tf.pipeline import sampling, streams, unlabelled
from dscl_tf.stages.extras import Extra
from dscl_tf.stages.session import Session
from dscl_tf.training import opponents, panels, steps


def adversarial_training(session: Session, unet: tf.keras.Model) -> Optional[Extra]:
    """A discriminator of labelled and unlabelled images' segmentations.

    Raises:
      UserError: there are no unlabelled volumes.
    """
    settings = session.config.finetune.adversarial
    if not settings.weight:
        return None
    discriminator = networks.build_discriminator(
        session.size_px, 1 + session.cohort.num_classes, "discriminator"
    )
    return Extra(
        loss=opponents.adversarial_loss(
            unet, discriminator, settings.weight, session.devices
        ),
        streams={opponents.UNLABELLED: _stream(session, "--adversarial_weight")},
        players={"discriminator_loss": discriminator.trainable_variables},
        parts={"discriminator": discriminator},
    )


def learned_augmentation(session: Session, unet: tf.keras.Model) -> Optional[Extra]:
    """Generators of changes to the labelled images, and their discriminator.

    Raises:
      UserError: there are no unlabelled volumes.
    """
    settings = session.config.finetune.learned_augmentation
    if not settings.enabled:
        return None
    size, units = session.size_px, settings.latent_units
    made_by = opponents.Generators(
        deformation=networks.build_deformation_generator(size, units),
        intensity=networks.build_intensity_generator(size, units),
    )
    discriminator = networks.build_discriminator(size, 1, "augmentation_discriminator")
    generators = (made_by.deformation, made_by.intensity)
    return Extra(
        loss=opponents.augmentation_loss(
            unet, made_by, discriminator, settings, session.devices
        ),
        streams={opponents.UNLABELLED: _stream(session, "--learned_augmentation")},
        players={
            "generator_loss": [v for g in generators for v in g.trainable_variables],
            "augmentation_discriminator_loss": discriminator.trainable_variables,
        },
        parts={model.name: model for model in (*generators, discriminator)},
        pictures={"generated": _panel(made_by, session.cohort.num_classes)},
    )


def _stream(session: Session, flag: str) -> streams.Stream:
    """Slices of the pre-training volumes whose labels have no part in the run."""
    names = session.unlabelled
    if not names:
        raise errors.UserError(
            f"{flag} needs unlabelled volumes, but all {len(session.split.pretrain)} "
            "pre-training volumes of the split are for training or validation: add "
            "volumes to the cohort, or leave the flag out."
        )
    table = sampling.slice_table(session.cohort, names, num_partitions=1)
    return unlabelled.unlabelled_batches(session.cohort, table, session.config.finetune)


def _panel(made_by: opponents.Generators, num_classes: int):
    def draw(batch: steps.Batch) -> np.ndarray:
        maps = losses.label_maps(batch["label"], num_classes)
        latent = streams.part_of(batch, opponents.UNLABELLED)["latent"]
        made = opponents.generate(made_by, batch["image"], maps, latent)
        images = (batch["image"], made.deformed, made.image)
        return panels.generated_panel([image.numpy() for image in images])

    return draw
