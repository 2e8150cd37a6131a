"""Contrast of pixels by their true or pseudo class, beside the Dice loss."""

import dataclasses
from typing import Optional

import tensorflow as tf

from dscl_tf import losses, networks
from dscl_tf.pipeline import pixels, streams
from dscl_tf.stages import teaching
from dscl_tf.stages.extras import Extra
from dscl_tf.stages.session import Session
from dscl_tf.training import steps

# Tells its draws apart from those of the labelled batches.
_SALT = 103
_STREAM = "classes"


def make(session: Session, unet: tf.keras.Model) -> Optional[Extra]:
    """The loss on drawn pixels of batches of its own; None where its weight is 0.

    Raises:
      UserError: a batch too small for labelled and pseudo-labelled slices.
    """
    settings = session.config.finetune.class_contrast
    if not settings.weight:
        return None
    head = networks.build_class_head(session.config.network.filters[0])
    vectors_of = _vectors_of(unet, head)

    def loss(batch: steps.Batch) -> steps.Scalars:
        batch = streams.part_of(batch, _STREAM)
        classes = batch["slot_class"]
        vectors = session.devices.sum(vectors_of(batch))
        terms = losses.class_contrastive_terms(
            # The background is of many tissues, which need not be alike.
            vectors,
            classes,
            is_anchor=classes > 0,
            temperature=settings.temperature,
        )
        return {
            "loss": settings.weight * terms["loss"],
            "class_loss": terms["loss"],
            "class_top1": terms["top1"],
            "class_similarity": terms["positive_similarity"],
            "class_dissimilarity": terms["negative_similarity"],
        }

    return Extra(
        loss=loss,
        streams={_STREAM: _stream(session)},
        players={"loss": head.trainable_variables},
        parts={"class_head": head},
    )


def _stream(session: Session) -> streams.Stream:
    """Labelled slices, and as many pseudo-labelled ones where there is a teacher."""
    finetune = session.config.finetune
    # A mixed pixel has no class.
    unmixed = dataclasses.replace(finetune, mixup_alpha=0.0)
    has_teacher = finetune.pseudo_labels.teacher is not None
    stream = teaching.labelled_batches(session, unmixed, has_teacher, _SALT)
    per_class = finetune.class_contrast.pixels_per_class

    def draw(batch: streams.Batch, seed: tf.Tensor) -> streams.Batch:
        slot, classes = pixels.draw_slots(
            batch.pop("label"), seed, session.cohort.num_classes, per_class
        )
        return {**batch, "slot": slot, "slot_class": classes}

    return stream.then(draw)


def _vectors_of(unet: tf.keras.Model, head: tf.keras.Model):
    """From a part of a batch to the vectors of its drawn pixels, 0 of the others."""
    encoder, decoder = (unet.get_layer(name) for name in ("encoder", "decoder"))

    def vectors_of(batch: steps.Batch) -> tf.Tensor:
        slot, num_slots = batch["slot"], batch["slot_class"].shape[0]
        features = decoder(encoder(batch["image"], training=True), training=True)
        drawn = pixels.at_slots(features, slot, num_slots)
        vectors = head(drawn[:, None, None], training=True)[:, 0, 0]
        # Other replicas have the other pixels; only these may move the head here.
        own = pixels.at_slots(tf.ones_like(slot)[..., None], slot, num_slots)
        return vectors * own

    return vectors_of
