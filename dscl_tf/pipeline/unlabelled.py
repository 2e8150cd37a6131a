"""Batches of unlabelled slices that take part in fine-tuning."""

import numpy as np
import tensorflow as tf

from dscl_tf.cohort.prepared import PreparedCohort
from dscl_tf.config import FinetuneConfig
from dscl_tf.pipeline import augmentation, sampling, streams
from dscl_tf.pipeline.sampling import SliceTable

# Tells its draws from those of the labelled batches.
_SALT = 31


def unlabelled_batches(
    cohort: PreparedCohort, table: SliceTable, config: FinetuneConfig
) -> streams.Stream:
    """As many slices as a labelled batch has, augmented as its images are.

    With learned augmentation a batch also has "latent", float32 [N, 2, U] from N(0, I):
    what the change of each labelled image is made from, its deformation's first.

    Args:
      cohort: where the slices are read.
      table: the unlabelled slices.
      config: of the stage.
    """
    learned = config.learned_augmentation

    def transform(batch: streams.Batch, seed: tf.Tensor) -> streams.Batch:
        seeds = tf.random.split(seed, 2)
        image = batch["image"]
        # The labels are nothing but a partner that augmentation asks for.
        image, _ = augmentation.augment(
            image, tf.zeros(image.shape[:3], tf.int32), seeds[0], config.augmentation, 1
        )
        if not learned.enabled:
            return {**batch, "image": image}
        shape = [config.batch_size, 2, learned.latent_units]
        latent = tf.random.stateless_normal(shape, seeds[1])
        return {**batch, "image": image, "latent": latent}

    def sampler(rng: np.random.Generator) -> np.ndarray:
        return sampling.sample_slices(table, config.batch_size, rng)

    return streams.Stream(cohort, table, sampler, transform, salt=_SALT)
