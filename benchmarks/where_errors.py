#!/usr/bin/env python3
"""Where masks are wrong: what structures are mistaken for, at which height, in whom."""

import pathlib
import sys
from collections.abc import Sequence

import confusions
import numpy as np
from absl import flags
from dscl_flags import binary

from dscl_tf import errors

_INPUT = flags.DEFINE_list("evaluations", [], "Folders that dscl-evaluate has written.")
_PREPARED = flags.DEFINE_string("prepared", None, "Cohort that they are of.")
_PICTURES = flags.DEFINE_string(
    "pictures", None, "Folder for pictures of the lowest, middle and highest volume."
)

USAGE = """
benchmarks/where_errors.py --evaluations=DIR[,DIR...] --prepared=DIR [--pictures=DIR]

For each structure, over all volumes of all evaluations: which share of its voxels is
called what, its size as found by its true size (median), and Dice by thirds of its
slices, in the order of the prepared volumes. Then the volumes with the lowest Dice.
--pictures draws three volumes: each on its own, and all three in extremes.png.
"""

_LOWEST = 5


def main() -> None:
    """Prints the tables, and draws pictures if --pictures is given."""
    if not _INPUT.value or not _PREPARED.value:
        raise errors.UserError("--evaluations and --prepared are needed.")
    found = [case for folder in _INPUT.value for case in _cases(pathlib.Path(folder))]
    if not found:
        raise errors.UserError(
            f"--evaluations: no volume of {', '.join(_INPUT.value)} has a Dice."
        )
    names = found[0][1].label_names
    print(_by_structure([view for _, view in found], names))
    ordered = sorted(found, key=lambda case: case[0])
    lowest = (f"{view.name} {dice:.3f}" for dice, view in ordered[:_LOWEST])
    print(f"\nLowest: {', '.join(lowest)}.")
    if _PICTURES.value:
        _draw(ordered, pathlib.Path(_PICTURES.value))


def _draw(ordered: Sequence[tuple], folder: pathlib.Path) -> None:
    """The highest, the middle and the lowest volume, one by one and together."""
    from dscl_tf.inference import case_views, overlays

    folder.mkdir(parents=True, exist_ok=True)
    places = {"highest": -1, "middle": len(ordered) // 2, "lowest": 0}
    rows = []
    for name, place in places.items():
        dice, view = ordered[place]
        overlays.draw_case(view, folder / f"{name}.png")
        means = {k: np.mean(list(view.slice_dice(k).values())) for k in view.levels()}
        slices = [case_views.thumbnail(view, mean, k) for k, mean in means.items()]
        rows.append((f"{name}\nDice {dice:.3f}", slices))
    fewest = min(len(slices) for _, slices in rows)
    alike = [(heading, slices[:fewest]) for heading, slices in rows]
    overlays.draw_beside(alike, folder / "extremes.png")


def _cases(folder: pathlib.Path) -> list[tuple]:
    """(mean Dice, view) of each volume of an evaluation."""
    # Imported here: it imports TensorFlow, whose notices `binary.run` has turned off.
    from dscl_tf.cohort.prepared import PreparedCohort
    from dscl_tf.inference import evaluated, evaluation_pictures

    cohort = PreparedCohort.open(_PREPARED.value)
    masks = evaluation_pictures.MaskViews(cohort, [folder])
    ranked = evaluated.ranked_cases(folder)
    return [(dice, *masks.of(name)) for name, dice in ranked]


def _by_structure(views: Sequence, names: Sequence[str]) -> str:
    count = len(names)
    matrices = np.stack([_counted(view, count) for view in views])
    head = [f"called {name}" for name in names]
    head += ["size", "first third", "middle", "last third"]
    lines = [f"| structure | {' | '.join(head)} |", "|---" * (len(head) + 1) + "|"]
    for label in range(1, count):
        called, size = confusions.called(matrices, label)
        cells = [f"{share:.0%}" for share in called] + [f"{size:.2f}"]
        cells += [f"{dice:.3f}" for dice in _dice_by_third(views, label)]
        lines.append(f"| {names[label]} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _counted(view, num_classes: int) -> np.ndarray:
    """The confusion matrix of a volume's labelled voxels."""
    known = slice(None) if view.unknown is None else ~view.unknown
    return confusions.count(view.truth[known], view.prediction[known], num_classes)


def _dice_by_third(views: Sequence, label: int) -> list[float]:
    """Mean Dice over volumes, by thirds of the slices that truly have the structure."""
    thirds = [[], [], []]
    for view in views:
        filled = np.flatnonzero((view.truth == label).any(axis=(1, 2)))
        for values, indices in zip(thirds, np.array_split(filled, 3)):
            dice = [view.slice_dice(index).get(label, 0.0) for index in indices]
            values += [np.mean(dice)] if dice else []
    return [float(np.mean(values)) for values in thirds]


if __name__ == "__main__":
    binary.run(main, [sys.modules[__name__]], USAGE)
