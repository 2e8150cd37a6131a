"""The batch sizes of a stage, computed without making a batch."""

from collections.abc import Iterator

import numpy as np

from dscl_tf.cohort import probe_volumes
from dscl_tf.cohort.prepared import PreparedCohort
from dscl_tf.cohort.splits import Split
from dscl_tf.config import StageConfig
from dscl_tf.pipeline import batches, sampling


def sizes(stage: StageConfig, cohort: PreparedCohort, split: Split) -> Iterator[int]:
    """Yields the number of images in each of the batches that one step uses.

    Batches of fine-tuning methods are left out, since they are as large as the labelled
    batch; those of the joint losses have sizes of their own and are included.

    Raises:
      UserError: a batch cannot be drawn: too few volumes, or one with too few slices.
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
