"""Two evaluations of the same volumes side by side, as one picture."""

import dataclasses
import itertools
import os
import pathlib
from collections.abc import Sequence

import numpy as np

from dscl_tf import errors
from dscl_tf.cohort import prepared
from dscl_tf.inference import case_views, evaluated, evaluation_pictures, overlays

FILE = "beside.png"
_SHOWN = 6  # Volumes.
_LONGEST = 30  # Characters that fit beside a row.


def draw(evaluation: pathlib.Path, other: pathlib.Path, cohort_folder: str) -> None:
    """Draws beside.png: volumes from the lowest Dice to the highest, in two rows.

    Args:
      evaluation: folder of the evaluation in the lower row. The picture is written
        there, and its Dice orders the volumes.
      other: folder of another evaluation, drawn in the upper row.
      cohort_folder: the prepared cohort that both were made on.

    Raises:
      UserError: their volumes differ, or files are missing or have changed.
    """
    cohort = prepared.PreparedCohort.open(cohort_folder)
    folders = (other, evaluation)
    above, below = dice = [evaluated.case_dice(each) for each in folders]
    differing = sorted(above.keys() ^ below.keys())
    if differing:
        raise errors.UserError(
            f"--beside: {other} has {len(above)} volumes and {evaluation} has "
            f"{len(below)}; {', '.join(differing[:3])} only in one of them: evaluate "
            "both models on the same volumes."
        )
    masks = evaluation_pictures.MaskViews(cohort, folders)
    rows: list[list[case_views.Thumbnail]] = [[], []]
    for name in _chosen(below):
        views = masks.of(name)
        index = _middle(views)
        for row, of_cases, view in zip(rows, dice, views):
            row.append(case_views.thumbnail(view, of_cases[name], index))
    names = [f"{name}\n{_mean(f)}" for name, f in zip(_headings(*folders), folders)]
    overlays.draw_beside(list(zip(names, rows)), evaluation / FILE)


def _mean(evaluation: pathlib.Path) -> str:
    dice = evaluated.means(evaluation)["foreground_mean"]["Dice"]
    return "no Dice" if dice is None else f"Dice {dice:.3f}"


def _chosen(dice: dict[str, float]) -> list[str]:
    """Volumes evenly spaced in the order of their Dice; those without one come last."""
    order = sorted(dice, key=lambda name: (dice[name] is None, dice[name] or 0, name))
    last = len(order) - 1
    places = {round(k * last / (_SHOWN - 1)) for k in range(_SHOWN)}
    return [order[place] for place in sorted(places)]


def _middle(views: Sequence[case_views.CaseView]) -> int:
    """The middle slice of the truth; if that is empty, of what either model found."""
    found = np.max([view.prediction for view in views], axis=0)
    levels = dataclasses.replace(views[0], prediction=found).levels()
    return levels[len(levels) // 2]


def _headings(*folders: pathlib.Path) -> list[str]:
    """The parts of two paths that differ, without their common start and end."""
    parts = [pathlib.Path(os.path.abspath(each)).parts for each in folders]
    shorter = min(map(len, parts))
    # At least one part is kept, also if one folder lies within the other.
    start = min(_num_alike(*parts), shorter - 1)
    end = min(_num_alike(*(each[::-1] for each in parts)), shorter - 1 - start)
    return [_shortened("/".join(each[start : len(each) - end])) for each in parts]


def _num_alike(first: Sequence[str], second: Sequence[str]) -> int:
    """The length of the common start."""
    pairs = zip(first, second)
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))


def _shortened(name: str) -> str:
    if len(name) <= _LONGEST:
        return name
    kept = _LONGEST // 2
    return f"{name[:kept]}…{name[-kept + 1 :]}"
