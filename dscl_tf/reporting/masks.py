"""The best, the median and the worst test volume of evaluations, as pictures."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Optional

from dscl_tf import errors
from dscl_tf.cohort.prepared import PreparedCohort
from dscl_tf.inference import (
    evaluated,
    evaluation_pictures,
    overlays,
    small_pictures,
    summary,
)
from dscl_tf.reporting.page import Section


def section(
    evaluations: Sequence[tuple[str, Path]],
    cohort: Optional[PreparedCohort],
    why_not: str,
    is_experiment: bool,
    remarks: Mapping[str, str],
) -> Section:
    """Pictures of the masks of evaluations.

    Args:
      evaluations: headings and folders.
      cohort: the one that they were made on; None if it cannot be used.
      why_not: what the section says if there is no cohort.
      is_experiment: whether to say which draw is shown.
      remarks: notes to show before the pictures of some evaluations, by heading.
    """
    found = evaluations if cohort else ()
    data = {
        "parts": [
            (heading, remarks.get(heading, ""), *triptych(folder, cohort))
            for heading, folder in found
        ],
        "why_not": why_not,
        "is_experiment": is_experiment,
        "structures": cohort.label_names[1:] if cohort else (),
    }
    return Section("masks", "Masks", "masks", data)


def triptych(evaluation: Path, cohort: PreparedCohort) -> tuple[list, str]:
    """Pictures of the volumes with the highest, the median and the lowest Dice.

    Returns:
      Rank, name, Dice and picture of each; and a sentence if summary.json, masks or
      original files are missing, else "".

    Raises:
      UserError: summary.json is damaged.
    """
    if not (evaluation / summary.FILE).exists():
        return [], f"{evaluation} has no {summary.FILE}."
    cases = evaluated.ranked_cases(evaluation)
    if not cases:
        return [], f"{evaluation} has no volume with a figure."
    try:
        return [
            (rank, name, dice, _picture(name, evaluation, cohort))
            for rank, (name, dice) in _chosen(cases).items()
        ], ""
    except errors.UserError as error:
        return [], f"No pictures: {error}"


def _chosen(cases: Sequence[tuple[str, float]]) -> dict[str, tuple[str, float]]:
    """The cases to show by rank, none twice, from cases in ascending order of Dice."""
    if len(cases) == 1:
        return {"Only": cases[0]}
    # The lower of two middle ones, as `Results.median_cell` takes.
    middle = {"Median": cases[(len(cases) - 1) // 2]} if len(cases) > 2 else {}
    return {"Best": cases[-1], **middle, "Worst": cases[0]}


def _picture(name: str, evaluation: Path, cohort: PreparedCohort) -> Any:
    if Path(name).name != name:
        raise errors.UserError(f"{evaluation}: {name!r} is no volume's name.")
    (view,) = evaluation_pictures.MaskViews(cohort, [evaluation]).of(name)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "case.png"
        overlays.draw_levels(view, path)
        return small_pictures.shrink(path)
