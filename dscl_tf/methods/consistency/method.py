"""Consistency as a part of fine-tuning."""

import dataclasses
import logging
from typing import Callable

import numpy as np
import tensorflow as tf

from dscl_tf.methods import teacher, unlabelled
from dscl_tf.methods.consistency import pieces, views
from dscl_tf.methods.consistency.loss import STREAM, consistency_loss, hard_labels
from dscl_tf.methods.consistency.settings import ConsistencyConfig
from dscl_tf.methods.method import AddedLoss, Method
from dscl_tf.pipeline import streams
from dscl_tf.pipeline.streams import Batch
from dscl_tf.training import panels, steps
from dscl_tf.training.stage_context import StageContext

_LOG = logging.getLogger(__name__)


def added(context: StageContext, unet: tf.keras.Model) -> list[AddedLoss]:
    """Strong views of unlabelled slices, and the network that labels them.

    Raises:
      UserError: there are no unlabelled volumes.
    """
    finetune = context.config.finetune
    settings = _with_pieces(context, finetune.consistency)
    taught = teacher.make(context, unet, settings.teacher_decay, "teacher")
    transform = views.make(
        finetune.augmentation.flip,
        finetune.augmentation.elastic_sigma,
        settings.cutmix_probability,
    )
    stream = unlabelled.unlabelled_slices(context, transform, STREAM)
    forget = forgetful(unet, settings.feature_dropout)
    return [
        AddedLoss(
            loss=consistency_loss(taught.teach, forget, settings, context.devices),
            streams={STREAM: stream},
            parts=taught.parts,
            along={STREAM: _strong_views},
            followers=taught.followers,
            pictures={"consistency": _panel(taught.teach, settings)},
        )
    ]


def _with_pieces(
    context: StageContext, settings: ConsistencyConfig
) -> ConsistencyConfig:
    """The settings, with `one_piece` off unless labelled slices are one piece."""
    if not settings.one_piece:
        return settings
    names = (*context.split.train, *context.split.validation)
    labels = (context.cohort.label(name) for name in names)
    if pieces.are_one_piece(labels, context.cohort.num_classes):
        _LOG.info("Pseudo-labels keep one piece of each slice, as its labels are.")
        return settings
    _LOG.info("Pseudo-labels keep all pieces: labelled slices have several, too.")
    return dataclasses.replace(settings, one_piece=False)


def _strong_views(batch: Batch) -> tf.Tensor:
    others = streams.part_of(batch, STREAM)
    shown = [others[f"rows_strong_{number}"] for number in views.NUMBERS]
    return tf.concat(shown, axis=0)


def forgetful(unet: tf.keras.Model, rate: float) -> Callable[[Batch], tf.Tensor]:
    """The segmenter with random channels of each encoder level dropped in each image.

    Args:
      unet: the segmenter.
      rate: probability of a channel to be dropped.

    Returns:
      A function from a batch of `views.make` to float32 logits [n, H, W, C].
    """
    parts = (unet.get_layer(name) for name in ("encoder", "decoder", "classifier"))
    encoder, decoder, classifier = parts

    def forget(others: Batch) -> tf.Tensor:
        levels = encoder(others["image"], training=True)
        kept = []
        for number, features in enumerate(levels):
            seed = tf.random.experimental.stateless_fold_in(others["seed"], number)
            # Drawn for the whole batch, so that the draws do not depend on how devices
            # divide it.
            shape = [others["volume"].shape[0], features.shape[-1]]
            drawn = tf.random.stateless_uniform(shape, seed)
            drawn = tf.gather(drawn, others["rows_number"])[:, None, None]
            scale = tf.cast(drawn >= rate, features.dtype) / (1 - rate)
            kept.append(features * scale)
        return tf.cast(classifier(decoder(kept, training=True)), tf.float32)

    return forget


def _panel(
    teach: Callable, settings: ConsistencyConfig
) -> Callable[[steps.Batch], np.ndarray]:
    def draw(batch: steps.Batch) -> np.ndarray:
        others = streams.part_of(batch, STREAM)
        logits = teach(others["image"])
        _, known = hard_labels(logits, settings)
        shade = known[..., None] / logits.shape[-1]  # Unknown is the brightest.
        columns = {"weak view": others["image"], "its label": shade}
        for number in views.NUMBERS:
            columns[f"strong view {number}"] = others[f"rows_strong_{number}"]
        return panels.image_panel(columns)

    return draw


METHOD = Method(prepare=teacher.require_first_round, losses=added)
