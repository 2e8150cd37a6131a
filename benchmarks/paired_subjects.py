#!/usr/bin/env python3
"""Two evaluations on the same volumes, subject by subject."""

import dataclasses
import pathlib
import sys

from absl import flags
from dscl_flags import binary

from dscl_tf import errors

_OF = flags.DEFINE_string("of", None, "Folder that dscl-evaluate has written.")
_AGAINST = flags.DEFINE_list("against", [], "Such folders that it is compared with.")
_PREPARED = flags.DEFINE_string("prepared", None, "Cohort that all are of.")

USAGE = """
benchmarks/paired_subjects.py --of=DIR --against=DIR[,DIR...] --prepared=DIR

Prints the difference in mean Dice (structures, then volumes of a subject averaged) with
its 95 % bootstrap interval over subjects, and how many subjects are above. Each
evaluation is of one model, so the interval says nothing of other draws or seeds.
"""


def main() -> None:
    """Prints a row for each folder of --against."""
    if not (_OF.value and _AGAINST.value and _PREPARED.value):
        raise errors.UserError("--of, --against and --prepared are all needed.")
    # Imported here: they import TensorFlow, whose notices `binary.run` has turned off.
    from dscl_tf import statistics
    from dscl_tf.cohort.prepared import PreparedCohort
    from dscl_tf.experiments import results

    cohort = PreparedCohort.open(_PREPARED.value)
    own = _by_subject(cohort, _OF.value)
    print("| against | difference [95 %], subjects above |\n|---|---|")
    for folder in _AGAINST.value:
        others = _by_subject(cohort, folder)
        if not own or own.keys() != others.keys():
            raise errors.UserError(
                f"{folder} has {len(others)} subjects, {_OF.value} has {len(own)}, and "
                "they are not the same: evaluate both on the same volumes."
            )
        pairs = [(dice, others[name]) for name, dice in own.items()]
        found = dataclasses.asdict(statistics.difference(*zip(*pairs)))
        print(f"| {folder} | {results.interval(found)} |")


def _by_subject(cohort, folder: str) -> dict[str, float]:
    """The mean Dice of each subject that has one."""
    from dscl_tf.inference import evaluated

    values: dict[str, list[float]] = {}
    for name, dice in evaluated.ranked_cases(pathlib.Path(folder)):
        values.setdefault(cohort.volume(name).subject, []).append(dice)
    return {key: sum(each) / len(each) for key, each in values.items()}


if __name__ == "__main__":
    binary.run(main, [sys.modules[__name__]], USAGE)
