"""Batches of labelled slices, with the methods' changes."""

from collections.abc import Sequence
from typing import Optional

import numpy as np

from dscl_tf.cohort import sparse
from dscl_tf.cohort.prepared import PreparedCohort
from dscl_tf.methods.method import MoreLabels
from dscl_tf.pipeline import batches, sampling
from dscl_tf.pipeline.streams import BatchChange, LabelOf, Stream
from dscl_tf.training.stage_context import StageContext


def known_slices(cohort: PreparedCohort, names: Sequence[str]) -> list[np.ndarray]:
    """Which slices of each labelled volume have labels, bool [Q] each."""
    return [sparse.is_labelled(cohort.label(name), cohort.unknown) for name in names]


def labelled_batches(
    context: StageContext,
    more: Optional[MoreLabels] = None,
    changes: Sequence[BatchChange] = (),
    salt: int = 0,
) -> Stream:
    """Batches of fine-tuning; with more labels, half of each batch has those.

    Of manually labelled volumes, slices on which nothing is labelled are not drawn;
    slices with pseudo-labels are drawn even if none of their pixels is known.

    Args:
      context: of the stage.
      more: labels beside those of the split's labelled volumes.
      changes: applied one after the other, after augmentation.
      salt: makes draws differ between streams that one step uses together.

    Raises:
      UserError: a batch too small for two halves, or no labelled slice.
    """
    cohort, names = context.cohort, context.split.train
    # Partitions do not matter here, so volumes of any number of slices will do.
    table = sampling.slice_table(cohort, names, num_partitions=1)
    known = known_slices(cohort, names)
    table = sampling.of_slices(table, known)  # Raises if none is labelled.
    label_of, num_labelled = None, None
    if more is not None:
        label_of, num_labelled = _label_of(cohort, names, more), len(names)
        names = (*names, *more.names)
        known += [np.ones(cohort.volume(n).num_slices, bool) for n in more.names]
        table = sampling.slice_table(cohort, names, num_partitions=1)
        table = sampling.of_slices(table, known)
    stream = batches.finetune_batches(
        cohort, table, context.config.finetune, salt, label_of, num_labelled
    )
    for change in changes:
        stream = stream.then(change)
    return stream


def _label_of(
    cohort: PreparedCohort, names: Sequence[str], more: MoreLabels
) -> LabelOf:
    """The cohort's labels of the volumes `names`, and `more` of others."""
    true = frozenset(names)
    return lambda name: (cohort.label if name in true else more.label_of)(name)
