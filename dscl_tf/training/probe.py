"""Probes, without labels, whether embeddings of the same partition are neighbours."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from dscl_tf.cohort import partitions
from dscl_tf.cohort.prepared import PreparedCohort
from dscl_tf.training import slicewise


class PartitionProbe:
    """Nearest-neighbour partition accuracy on volumes that are not trained on.

    For each slice, the most similar slice (cosine of embeddings) of the *other*
    probed subjects is looked up; the accuracy is how often it is of the same
    partition. Chance is about 1 / S.
    """

    def __init__(
        self,
        encoder: tf.keras.Model,
        head: tf.keras.Model,
        cohort: PreparedCohort,
        names: Sequence[str],
        num_partitions: int,
    ):
        """A probe on volumes `names` of at least two subjects."""
        self._images = [np.asarray(cohort.slices(n)) for n in names]
        counts = [len(images) for images in self._images]
        self._subject = np.repeat([cohort.volume(n).subject for n in names], counts)
        self._partition = np.concatenate(
            [partitions.partition_of_slices(count, num_partitions) for count in counts]
        )
        shape = [None, *encoder.input_shape[1:]]
        self._embed = tf.function(
            lambda images: head(encoder(images, training=False)[-1], training=False),
            input_signature=[tf.TensorSpec(shape, tf.float32)],
            autograph=False,
        )

    def accuracy(self) -> float:
        """The share of slices whose nearest neighbour is of their partition."""
        embeddings = np.concatenate(
            [
                embedded
                for images in self._images
                for embedded in slicewise.answers(self._embed, images)
            ]
        )
        return partition_accuracy(embeddings, self._subject, self._partition)


def partition_accuracy(
    embeddings: np.ndarray, subject: np.ndarray, partition: np.ndarray
) -> float:
    """Nearest-neighbour partition accuracy across subjects.

    Args:
      embeddings: float [N, D].
      subject: int or str [N].
      partition: int [N].
    """
    lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
    units = embeddings / np.maximum(lengths, 1e-6)
    similarity = units @ units.T
    similarity[subject[:, None] == subject[None]] = -np.inf
    return float(np.mean(partition[similarity.argmax(axis=1)] == partition))
