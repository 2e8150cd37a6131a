"""Chooses the pre-training volumes that are held out to probe networks with."""

import numpy as np

from dscl_tf.cohort.prepared import PreparedCohort

# Constant, so that all runs on a cohort hold out the same volumes.
_SEED = 20_201_206


def hold_out(
    cohort: PreparedCohort, names: tuple[str, ...], num_probe: int
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Holds out all volumes of some pre-training subjects for the probes.

    At most a tenth of the subjects is held out, and none of fewer than twenty: probes
    need a neighbour in another held-out subject, and small cohorts cannot spare two.

    Args:
      cohort: the cohort of the volumes.
      names: the volumes to pre-train on.
      num_probe: number of subjects to hold out.

    Returns:
      (names to train on, names to probe with).
    """
    subject_of = {name: cohort.volume(name).subject for name in names}
    subjects = list(dict.fromkeys(subject_of.values()))
    count = min(num_probe, len(subjects) // 10)
    if count < 2:
        return names, ()
    chosen = np.random.default_rng(_SEED).permutation(len(subjects))[:count]
    held_out = {subjects[k] for k in chosen}
    kept, probe = (
        tuple(name for name in names if (subject_of[name] in held_out) == is_held_out)
        for is_held_out in (False, True)
    )
    return kept, probe
