#!/usr/bin/env python3
"""The Dice that masks can reach with a cohort's pixels: labels resampled and back."""

import pathlib
import sys
from typing import Optional

import numpy as np
import SimpleITK as sitk
from absl import flags
from dscl_flags import binary

from dscl_tf import errors

_PREPARED = flags.DEFINE_string("prepared", None, "Prepared cohort.")
_EVALUATION = flags.DEFINE_string(
    "evaluation", None, "Folder that dscl-evaluate has written: its volumes alone."
)

USAGE = """
benchmarks/grid_limit.py --prepared=DIR [--evaluation=DIR]

The prepared labels are restored to the scans' voxels, as the probabilities of a network
that is right and sure everywhere would be, and compared with the original labels. For
each structure: the mean and the lowest Dice. Pixels that are too large, or that do not
cover the anatomy, show here before any training.
"""


def main() -> None:
    """Prints the table."""
    if not _PREPARED.value:
        raise errors.UserError("--prepared=DIR is needed.")
    # Imported here: they import TensorFlow, whose notices `binary.run` has turned off.
    from dscl_tf.cohort.prepared import PreparedCohort
    from dscl_tf.inference import evaluated

    cohort = PreparedCohort.open(_PREPARED.value)
    if _EVALUATION.value:
        ranked = evaluated.ranked_cases(pathlib.Path(_EVALUATION.value))
        chosen = [cohort.volume(name) for name, _ in ranked]
    else:
        chosen = [volume for volume in cohort.volumes if volume.has_label]
    if not chosen:
        raise errors.UserError(f"{_PREPARED.value} has no labelled volume.")
    limits = {volume.name: _limits(cohort, volume) for volume in chosen}
    print(f"{len(limits)} volumes\n\n| structure | mean | lowest |\n|---|---|---|")
    for label in range(1, cohort.num_classes):
        found = {name: of_volume[label] for name, of_volume in limits.items()}
        found = {name: dice for name, dice in found.items() if dice is not None}
        if found:
            mean, lowest = np.mean(list(found.values())), min(found, key=found.get)
            shown = f"{mean:.3f} | {found[lowest]:.3f} ({lowest})"
            print(f"| {cohort.label_names[label]} | {shown} |")


def _limits(cohort, volume) -> dict[int, Optional[float]]:
    """Dice of each structure; None where the volume does not have it."""
    from dscl_tf.cohort import geometry
    from dscl_tf.inference import metrics, originals

    _, truth = originals.read_checked(cohort, volume)
    # One more class for unlabelled voxels, which are not compared.
    sure = np.eye(cohort.num_classes + 1, dtype=np.float32)[cohort.label(volume.name)]
    grid = originals.grid_of(truth, cohort.settings)
    mask = geometry.restore_probabilities(sure, grid, truth)
    restored, expected = (sitk.GetArrayViewFromImage(image) for image in (mask, truth))
    known = expected != cohort.num_classes
    return {
        k: metrics.dice_of(expected == k, (restored == k) & known)
        for k in range(1, cohort.num_classes)
    }


if __name__ == "__main__":
    binary.run(main, [sys.modules[__name__]], USAGE)
