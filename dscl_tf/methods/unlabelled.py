"""Unlabelled slices that take part in fine-tuning, and batches of them."""

import zlib

import numpy as np
import tensorflow as tf

from dscl_tf.cohort import splits
from dscl_tf.cohort.prepared import PreparedCohort
from dscl_tf.methods import labelled
from dscl_tf.pipeline import augmentation, sampling, streams
from dscl_tf.training.stage_context import StageContext

STREAM = "unlabelled"  # The name under which methods share this stream.
# Makes its draws differ from those of the labelled batches and of other streams.
_SALT = 31


def has_slices(cohort: PreparedCohort, split: splits.Split) -> bool:
    """Whether there is a slice for `unlabelled_slices`."""
    if splits.unlabelled(cohort, split):
        return True
    return any(each.any() for each in _beside_labelled_ones(cohort, split))


def unlabelled_batches(context: StageContext, name: str = STREAM) -> streams.Stream:
    """Batches of as many unlabelled slices as a labelled batch has, augmented alike.

    Arguments are those of `unlabelled_slices`.
    """
    config = context.config.finetune

    def transform(batch: streams.Batch, seed: tf.Tensor) -> streams.Batch:
        seeds = tf.random.split(seed, 2)
        image = batch["image"]
        # Dummy labels, since augmentation needs some.
        image, _ = augmentation.augment(
            image, tf.zeros(image.shape[:3], tf.int32), seeds[0], config.augmentation, 1
        )
        return {**batch, "image": image}

    return unlabelled_slices(context, transform, name)


def unlabelled_slices(
    context: StageContext, transform: streams.BatchChange, name: str = STREAM
) -> streams.Stream:
    """Batches of as many unlabelled slices as a labelled batch has.

    They are the slices of the pre-training volumes whose labels the run does not use,
    and the slices of the training volumes on which nothing is labelled.

    Args:
      context: of the stage.
      transform: from slices with their ids and a seed to a batch.
      name: of the stream; each name has draws of its own.

    Raises:
      UserError: there are none.
      ValueError: no method sets `uses_unlabelled`, on which the run's record relies.
    """
    if not context.config.finetune.uses_unlabelled:
        raise ValueError("Methods with unlabelled slices need `uses_unlabelled`.")
    cohort, config = context.cohort, context.config.finetune
    table = _table(context)

    def sampler(rng: np.random.Generator) -> np.ndarray:
        return sampling.sample_slices(table, config.batch_size, rng)

    salt = _SALT if name == STREAM else zlib.crc32(name.encode()) >> 1
    return streams.Stream(cohort, table, sampler, transform, salt=salt)


def _table(context: StageContext) -> sampling.SliceTable:
    cohort, names = context.cohort, context.unlabelled
    train = context.split.train if cohort.unknown is not None else ()
    # Partitions do not matter here, so volumes of any number of slices will do.
    table = sampling.slice_table(cohort, (*names, *train), num_partitions=1)
    if not train:
        return table
    whole = [np.ones(cohort.volume(name).num_slices, bool) for name in names]
    beside = _beside_labelled_ones(cohort, context.split)
    return sampling.of_slices(table, [*whole, *beside])


def _beside_labelled_ones(
    cohort: PreparedCohort, split: splits.Split
) -> list[np.ndarray]:
    """Which slices of each training volume have no label, bool [Q]."""
    return [~known for known in labelled.known_slices(cohort, split.train)]
