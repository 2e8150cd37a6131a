"""Whether the batches of a stage can be drawn and divided, found before any work."""

import os
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from dscl_tf.cohort import probe_volumes
from dscl_tf.cohort.prepared import PreparedCohort
from dscl_tf.cohort.splits import Split
from dscl_tf.config import RuntimeConfig, StageConfig
from dscl_tf.pipeline import batches, sampling
from dscl_tf.training import distribution, runtime, tf_config


def check(stage: StageConfig, cohort: PreparedCohort, split: Split) -> None:
    """Refuses a stage whose batches its cohort or its devices cannot have.

    Raises:
      UserError: too few volumes, one with too few slices, fewer images in a batch than
        devices to divide it among, or a cluster that is not valid.
    """
    num_devices = _num_devices(stage.runtime)
    for size in sizes(stage, cohort, split):
        distribution.row_bounds(size, num_devices)


def sizes(stage: StageConfig, cohort: PreparedCohort, split: Split) -> Iterator[int]:
    """How many images each of the batches has that a step takes together.

    Those of the methods are as large as the labelled one and left out, but for the
    joint losses'.

    Raises:
      UserError: a batch cannot be drawn.
    """
    has_global, has_local = stage.stage == "encoder", stage.stage == "decoder"
    names = split.pretrain
    if stage.stage == "finetune":
        joint = stage.finetune.joint
        has_global, has_local = joint.global_weight > 0, joint.local_weight > 0
        yield stage.finetune.batch_size
    elif stage.stage == "pretext":
        yield stage.pretext.batch_size
    else:
        names, _ = probe_volumes.hold_out(cohort, names, stage.num_probe)
    for is_used, settings, sampler in (
        (has_global, stage.global_, batches.global_sampler),
        (has_local, stage.local, batches.local_sampler),
    ):
        if is_used:
            table = sampling.slice_table(cohort, names, settings.num_partitions)
            rows = sampler(table, settings)(np.random.default_rng(0))
            yield len(rows) * settings.num_views


def _num_devices(settings: RuntimeConfig) -> int:
    """Among how many devices batches will be divided; no other worker is asked."""
    if settings.distribution == "mirrored":
        return runtime.devices(settings).num_replicas
    cluster = os.environ.get("TF_CONFIG")
    if settings.distribution == "none" or not cluster:
        return 1  # A cluster that is missing is said when it is to be joined.
    gpus = len(tf.config.list_physical_devices("GPU"))
    return tf_config.num_workers(cluster) * max(1, gpus)
