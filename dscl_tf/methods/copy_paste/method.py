"""Copy-paste as a part of fine-tuning."""

from typing import Callable

import numpy as np
import tensorflow as tf

from dscl_tf import config, losses
from dscl_tf.methods import teacher, unlabelled
from dscl_tf.methods.copy_paste.settings import CopyPasteConfig
from dscl_tf.methods.method import AddedLoss, Method
from dscl_tf.pipeline import boxes, streams
from dscl_tf.pipeline.streams import Batch, BatchChange
from dscl_tf.training import distribution, panels, steps
from dscl_tf.training.distribution import Devices
from dscl_tf.training.stage_context import StageContext

STREAM = "copy_paste"


def added(context: StageContext, unet: tf.keras.Model) -> list[AddedLoss]:
    """The loss on slices that are mixed from labelled and unlabelled ones.

    Raises:
      UserError: there are no unlabelled volumes.
    """
    settings, num_classes = (
        context.config.finetune.copy_paste,
        context.cohort.num_classes,
    )
    taught = teacher.make(context, unet, settings.teacher_decay, "copy_paste_teacher")
    stream = unlabelled.unlabelled_batches(context, STREAM).then(
        with_boxes(settings.box_fraction)
    )
    loss = copy_paste_loss(taught.teach, num_classes, settings, context.devices)
    return [
        AddedLoss(
            loss=loss,
            streams={STREAM: stream},
            parts=taught.parts,
            along={STREAM: mixed_images},
            followers=taught.followers,
            pictures={STREAM: _panel},
        )
    ]


def with_boxes(fraction: float) -> BatchChange:
    """Makes the change that adds where each slice shows the labelled one of its row.

    Args:
      fraction: sides of a box, as a fraction of the slice's.

    Returns:
      A change of batches that adds "rows_labelled", bool [N, H, W]: true inside a box
      in even rows, and outside a box in odd rows.
    """

    def add(batch: Batch, seed: tf.Tensor) -> Batch:
        count, *size = batch["image"].shape[:3]
        # Makes the draws differ from those of the warps, which have the same seed.
        seed = tf.random.experimental.stateless_fold_in(seed, 0x637062)
        sides = tf.constant([round(fraction * extent) for extent in size], tf.float32)
        room = tf.constant(tuple(size), tf.float32) - sides + 1
        starts = tf.floor(tf.random.stateless_uniform([count, 2], seed) * room)
        box = boxes.inside(starts, starts + sides, size)
        is_odd = (tf.range(count) % 2 == 1)[:, None, None]
        return {**batch, "rows_labelled": tf.math.logical_xor(box, is_odd)}

    return add


def mixed_images(batch: Batch) -> tf.Tensor:
    """The mixed slices of a step, float32 [n, H, W, channels]."""
    others = streams.part_of(batch, STREAM)
    is_labelled = others["rows_labelled"][..., None]
    return tf.where(is_labelled, batch["image"], others["image"])


def copy_paste_loss(
    teach: Callable[[tf.Tensor], tf.Tensor],
    num_classes: int,
    settings: CopyPasteConfig,
    devices: Devices = distribution.ONE,
) -> steps.LossFunction:
    """The mean of Dice and cross-entropy, for labelled and for pseudo-labelled pixels.

    Args:
      teach: the teacher, from images [n, H, W, channels] to logits [n, H, W, C].
      num_classes: C.
      settings: the weights.
      devices: what computes it.

    Returns:
      A function that gives "loss", weighted; "pasted_labelled_loss" and
      "pasted_pseudo_loss", unweighted.
    """

    def loss(batch: steps.Batch) -> steps.Scalars:
        others = streams.part_of(batch, STREAM)
        is_labelled = tf.cast(others["rows_labelled"][..., None], tf.float32)
        true = losses.label_maps(batch["label"], num_classes)
        said = tf.argmax(teach(others["image"]), axis=-1, output_type=tf.int32)
        pseudo = losses.label_maps(said, num_classes)
        logits = batch[steps.logits_of(STREAM)]
        # A pixel with a weight of 0 for every class is unknown and ignored.
        of_true, of_pseudo = (
            steps.loss_of_labels(logits, maps, devices, config.LossKind.DICE_CE)
            for maps in (true * is_labelled, pseudo * (1 - is_labelled))
        )
        return {
            "loss": settings.weight * (of_true + settings.pseudo_weight * of_pseudo),
            "pasted_labelled_loss": of_true,
            "pasted_pseudo_loss": of_pseudo,
        }

    return loss


def _panel(batch: steps.Batch) -> np.ndarray:
    others = streams.part_of(batch, STREAM)
    return panels.image_panel(
        {
            "labelled": batch["image"],
            "unlabelled": others["image"],
            "mixed": mixed_images(batch),
        }
    )


METHOD = Method(prepare=teacher.require_first_round, losses=added)
