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
      evaluation: its folder, where the picture goes; its Dice orders the volumes.
      other: folder of the evaluation above it, not the same.
      cohort_folder: of the prepared cohort that both were on.

    Raises:
      UserError: they have other volumes, or files are missing or have changed.
    """
    cohort = prepared.PreparedCohort.open(cohort_folder)
    folders = (other, evaluation)
    above, below = dice = [evaluated.case_dice(each) for each in folders]
    differing = sorted(above.keys() ^ below.keys())
    if differing:
        raise errors.UserError(
            f"--beside: {other} has {len(above)} volumes and {evaluation} has "
            f"{len(below)}; {', '.join(differing[:3])} in one alone: evaluate both "
            "models on the same volumes."
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
    """Volumes at equal distances in the order of their Dice; those without one last."""
    order = sorted(dice, key=lambda name: (dice[name] is None, dice[name] or 0, name))
    last = len(order) - 1
    places = {round(k * last / (_SHOWN - 1)) for k in range(_SHOWN)}
    return [order[place] for place in sorted(places)]


def _middle(views: Sequence[case_views.CaseView]) -> int:
    """The slice in the middle of the truth, without one of what anybody found."""
    found = np.max([view.prediction for view in views], axis=0)
    levels = dataclasses.replace(views[0], prediction=found).levels()
    return levels[len(levels) // 2]


def _headings(*folders: pathlib.Path) -> list[str]:
    """Where two paths differ: without what both begin and end with."""
    parts = [pathlib.Path(os.path.abspath(each)).parts for each in folders]
    shorter = min(map(len, parts))
    # Of a folder within the other one, something is to be left.
    start = min(_num_alike(*parts), shorter - 1)
    end = min(_num_alike(*(each[::-1] for each in parts)), shorter - 1 - start)
    return [_shortened("/".join(each[start : len(each) - end])) for each in parts]


def _num_alike(first: Sequence[str], second: Sequence[str]) -> int:
    """How many are the same from the start on."""
    pairs = zip(first, second)
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))


def _shortened(name: str) -> str:
    if len(name) <= _LONGEST:
        return name
    kept = _LONGEST // 2
    return f"{name[:kept]}…{name[-kept + 1 :]}"
