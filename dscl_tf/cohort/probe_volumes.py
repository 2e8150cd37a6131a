"""Which pre-training volumes are kept from training, to probe networks with."""

import numpy as np

from dscl_tf.cohort.prepared import PreparedCohort

# Draws them; a constant, so that all runs on a cohort share them.
_SEED = 20_201_206


def hold_out(
    cohort: PreparedCohort, names: tuple[str, ...], num_probe: int
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Sets some of the pre-training subjects aside for the probes, all their volumes.

    At most a tenth of them; none of fewer than twenty, since a neighbour in
    another held-out subject is needed and small cohorts cannot spare two.

    Args:
      cohort: whose they are.
      names: of the volumes to pre-train on.
      num_probe: subjects to set aside.

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
