"""Two evaluations of the same volumes side by side, as one picture."""

import itertools
import os
import pathlib
from collections.abc import Sequence

from dscl_tf import errors
from dscl_tf.cohort import prepared
from dscl_tf.inference import case_views, evaluate, evaluated, overlays

FILE = "beside.png"
_SHOWN = 6  # Volumes.
_LONGEST = 28  # Characters that fit beside a row.


def draw(evaluation: pathlib.Path, other: pathlib.Path, cohort_folder: str) -> None:
    """Draws beside.png: volumes from the lowest Dice to the highest, in two rows.

    Args:
      evaluation: its folder, where the picture goes; its Dice orders the volumes.
      other: folder of the evaluation above it.
      cohort_folder: of the prepared cohort that both were on.

    Raises:
      UserError: they have other volumes, or files are missing or have changed.
    """
    cohort = prepared.PreparedCohort.open(cohort_folder)
    ranked, above = (evaluated.ranked_cases(each) for each in (evaluation, other))
    dice = {other: dict(above), evaluation: dict(ranked)}
    differing = sorted(dice[evaluation].keys() ^ dice[other].keys())
    if differing or not ranked:
        raise errors.UserError(
            f"--beside: {other} has {len(above)} volumes with a Dice and {evaluation} "
            f"has {len(ranked)}; {', '.join(differing[:3]) or 'none'} in one alone: "
            "evaluate both models on the same volumes."
        )
    last = len(ranked) - 1
    places = {round(k * last / (_SHOWN - 1)) for k in range(_SHOWN)}
    rows: dict[pathlib.Path, list] = {other: [], evaluation: []}
    for name, _ in (ranked[place] for place in sorted(places)):
        views = evaluate.evaluated_views(cohort, cohort.volume(name), list(rows))
        for folder, view in zip(rows, views):
            shown = case_views.thumbnail(view, dice[folder][name])
            rows[folder].append(shown)
    headings = _headings({folder: _mean(dice[folder]) for folder in rows})
    overlays.draw_beside(
        {headings[folder]: shown for folder, shown in rows.items()}, evaluation / FILE
    )


def _mean(dice: dict[str, float]) -> float:
    return sum(dice.values()) / len(dice)


def _headings(means: dict[pathlib.Path, float]) -> dict[pathlib.Path, str]:
    """Where their folders differ, with their mean Dice."""
    parts = [pathlib.Path(os.path.abspath(each)).parts for each in means]
    start = _num_alike(*parts)
    end = _num_alike(*(each[start:][::-1] for each in parts))
    names = ["/".join(each[start : len(each) - end]) for each in parts]
    return {
        folder: f"{_shortened(name)}\nDice {mean:.3f}"
        for name, (folder, mean) in zip(names, means.items())
    }


def _num_alike(first: Sequence[str], second: Sequence[str]) -> int:
    """How many are the same from the start on."""
    pairs = zip(first, second)
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))


def _shortened(name: str) -> str:
    return name if len(name) <= _LONGEST else f"…{name[1 - _LONGEST :]}"
