"""Embeddings of slices unseen in an encoder's training, before and after it."""

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Optional

import numpy as np
import tensorflow as tf

from dscl_tf import errors, networks
from dscl_tf.cohort import partitions
from dscl_tf.cohort.prepared import PreparedCohort
from dscl_tf.training import checkpoints, runtime, slicewise
from dscl_tf.training.records import RunRecord
from dscl_tf.training.run_folder import RunFolder

_MOST_VOLUMES = 12
STAGES = ("encoder", "pretext")  # Those that train an encoder without labels.


@dataclasses.dataclass(frozen=True)
class Slices:
    """Prepared slices of some volumes."""

    images: list[np.ndarray]  # float32 [Q, H, W, 1] of each volume.
    names: list[str]  # Names of the volumes.
    partition: np.ndarray  # int [N].
    volume: np.ndarray  # int [N].
    subject: np.ndarray  # str [N].


def unseen_slices(record: RunRecord, cohort: PreparedCohort) -> Slices:
    """Slices of subjects that a run was not trained on.

    Args:
      record: of a run of one of `STAGES`.
      cohort: the one that it was trained on.

    Raises:
      UserError: the cohort is another one, or has too few such subjects.
    """
    if cohort.content_id != record.cohort_id:
        raise errors.UserError(
            f"the prepared cohort {cohort.folder} is not the one it was trained on."
        )
    if record.config.stage not in STAGES:
        raise errors.UserError(f"the stage {record.config.stage} trains no encoder.")
    count = record.config.global_.num_partitions
    learned = {cohort.volume(name).subject for name in record.volumes_learned_from()}
    names = [
        volume.name
        for volume in cohort.volumes
        if volume.subject not in learned and volume.num_slices >= count
    ][:_MOST_VOLUMES]
    subjects = [cohort.volume(name).subject for name in names]
    if len(set(subjects)) < 2:
        raise errors.UserError("fewer than two subjects were kept from its training.")
    images = [np.asarray(cohort.slices(name)) for name in names]
    counts = [len(each) for each in images]
    partition = [partitions.partition_of_slices(each, count) for each in counts]
    return Slices(
        images,
        names,
        np.concatenate(partition),
        np.repeat(np.arange(len(names)), counts),
        np.repeat(subjects, counts),
    )


def before_and_after(
    run: pathlib.Path, cohort: PreparedCohort
) -> tuple[Slices, dict[str, np.ndarray]]:
    """Slices that a stage was not trained on, and its encoder's embeddings of them.

    The encoder's own features are taken, not those of a projection head, since they
    are what every pre-training stage hands over.

    Args:
      run: folder of a finished run of one of `STAGES`.
      cohort: the one that it was trained on.

    Returns:
      The slices; and float32 [N, D] by "Before" (the random weights that the stage
      began with) and "After".

    Raises:
      UserError: the cohort is another one, or has too few such subjects, or the run
        has no weights.
    """
    record = RunFolder(run).read_record()
    slices = unseen_slices(record, cohort)
    states = {"Before": None, "After": run}
    return slices, {
        name: embed(encoder_of(record, weights), slices.images)
        for name, weights in states.items()
    }


def encoder_of(record: RunRecord, run: Optional[pathlib.Path]) -> tf.keras.Model:
    """The encoder with the weights of a finished run, or with those it began with."""
    with runtime.float32_networks():
        # As in the stage, which then builds its networks, the encoder first.
        tf.keras.utils.set_random_seed(record.config.seed)
        encoder = networks.build_encoder(
            record.config.network,
            record.preprocessing.size_px,
            record.preprocessing.num_channels,
        )
    if run is not None:
        checkpoints.read_parts(RunFolder(run).final_checkpoint(), {"encoder": encoder})
    return encoder


def embed(encoder: tf.keras.Model, images: Sequence[np.ndarray]) -> np.ndarray:
    """The encoder's last feature maps, averaged over their pixels.

    Args:
      encoder: in float32.
      images: float32 [Q, H, W, 1] of each volume.

    Returns:
      float32 [N, D].
    """

    # Not compiled: each encoder sees a few volumes only.
    def means(slices: np.ndarray) -> tf.Tensor:
        return tf.reduce_mean(encoder(slices, training=False)[-1], [1, 2])

    found = [part for each in images for part in slicewise.answers(means, each)]
    return np.concatenate(found)


def principal_plane(values: np.ndarray) -> tuple[np.ndarray, tuple[float, float]]:
    """The first two principal components of some vectors.

    Args:
      values: float [N, D], N and D at least 2.

    Returns:
      float [N, 2], each column with its largest entry positive; and the shares of the
      variance that the two explain.
    """
    centred = np.asarray(values, np.float64) - np.mean(values, axis=0)
    left, lengths, _ = np.linalg.svd(centred, full_matrices=False)
    plane = left[:, :2] * lengths[:2]
    # The sign of a component is arbitrary: without this it could differ by machine.
    largest = plane[np.abs(plane).argmax(axis=0), [0, 1]]
    plane = plane * np.where(largest < 0, -1, 1)
    variance = lengths**2
    total = max(float(variance.sum()), 1e-12)
    return plane, (float(variance[0]) / total, float(variance[1]) / total)
