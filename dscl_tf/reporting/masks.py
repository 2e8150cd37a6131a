"""The best, the median and the worst test volume of evaluations, as pictures."""

import tempfile
from collections.abc import Sequence
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
) -> Section:
    """Pictures of evaluations, by heading and folder, on a cohort.

    Without one it says why not; of an experiment it says which draw is shown.
    """
    found = evaluations if cohort else ()
    data = {
        "parts": [(heading, *triptych(folder, cohort)) for heading, folder in found],
        "why_not": why_not,
        "is_experiment": is_experiment,
        "structures": cohort.label_names[1:] if cohort else (),
    }
    return Section("masks", "Masks", "masks", data)


def triptych(evaluation: Path, cohort: PreparedCohort) -> tuple[list, str]:
    """Pictures of the volumes with the highest, the middle and the lowest Dice.

    Returns:
      rank, name, Dice and picture of each; and a sentence where summary.json, masks or
      original files are missing.

    Raises:
      UserError: summary.json is damaged.
    """
    if not (evaluation / summary.FILE).exists():
        return [], f"{evaluation} has no {summary.FILE}."
    cases = evaluated.ranked_cases(evaluation)
    if not cases:
        return [], f"{evaluation} has no volume with a figure."
    chosen = {"Best": cases[-1], "Median": cases[len(cases) // 2], "Worst": cases[0]}
    try:
        return [
            (rank, name, dice, _picture(name, evaluation, cohort))
            for rank, (name, dice) in chosen.items()
        ], ""
    except errors.UserError as error:
        return [], f"No pictures: {error}"


def _picture(name: str, evaluation: Path, cohort: PreparedCohort) -> Any:
    if Path(name).name != name:
        raise errors.UserError(f"{evaluation}: {name!r} is no volume's name.")
    (view,) = evaluation_pictures.MaskViews(cohort, [evaluation]).of(name)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "case.png"
        overlays.draw_levels(view, path)
        return small_pictures.shrink(path)
