"""Mixup as a part of fine-tuning."""

import tensorflow as tf

from dscl_tf.methods.method import Method
from dscl_tf.methods.mixup import mixing
from dscl_tf.pipeline.streams import Batch, BatchChange
from dscl_tf.training.stage_context import StageContext


def change(context: StageContext) -> BatchChange:
    """Mixes the slices of a labelled batch; the labels become maps."""
    alpha = context.config.finetune.mixup.alpha
    num_classes = context.cohort.num_classes

    def mix(batch: Batch, seed: tf.Tensor) -> Batch:
        maps = tf.one_hot(batch["label"], num_classes)
        image, label = mixing.mixup(batch["image"], maps, seed, alpha)
        return {**batch, "image": image, "label": label}

    return mix


METHOD = Method(change=change)
