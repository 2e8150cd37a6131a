"""The best, the median and the worst test volume of evaluations, as pictures."""

import base64
import io
import pathlib
import tempfile
from collections.abc import Sequence
from typing import Any, NamedTuple, Optional

from PIL import Image  # matplotlib brings it.

from dscl_tf import errors, palette
from dscl_tf.cohort.prepared import PreparedCohort
from dscl_tf.inference import evaluate, overlays
from dscl_tf.reporting import measurements, words
from dscl_tf.reporting.page import Section

_COLORED = 8  # Structures with colours of their own in a picture; of 256 in all.


class Picture(NamedTuple):
    """A test volume's slices with their contours."""

    rank: str  # Best, Median or Worst.
    case: str  # The volume and its Dice.
    width: int  # In pixels.
    height: int
    png: str  # In base 64.


def section(
    evaluations: Sequence[tuple[str, pathlib.Path]],
    cohort: Optional[PreparedCohort],
    why_not: str,
    is_experiment: bool,
) -> Section:
    """Pictures of some evaluations.

    Args:
      evaluations: headings and folders.
      cohort: that they were on.
      why_not: a sentence, if there is no cohort.
      is_experiment: or a run, for the words around them.
    """
    found = evaluations if cohort else ()
    data = {
        "parts": [{"heading": name, **triptych(it, cohort)} for name, it in found],
        "why_not": why_not,
        "is_experiment": is_experiment,
        "structures": cohort.label_names[1:] if cohort else (),
    }
    return Section("masks", "Masks", "masks", data)


def triptych(evaluation: pathlib.Path, cohort: PreparedCohort) -> dict[str, Any]:
    """Pictures of the volumes with the highest, the middle and the lowest Dice.

    Args:
      evaluation: folder with summary.json and masks/.
      cohort: that the evaluation was on.

    Returns:
      pictures; and absent, a sentence if masks or original files are missing.

    Raises:
      UserError: summary.json is damaged.
    """
    if not (evaluation / evaluate.SUMMARY).exists():
        return _absent(f"{evaluation} has no {evaluate.SUMMARY}.")
    cases = measurements.ranked_cases(evaluation)
    if not cases:
        return _absent(f"{evaluation} has no volume with a figure.")
    chosen = {"Best": cases[-1], "Median": cases[len(cases) // 2], "Worst": cases[0]}
    try:
        drawn = [
            _picture(rank, *case, evaluation, cohort) for rank, case in chosen.items()
        ]
    except errors.UserError as error:
        return _absent(f"No pictures: {error}")
    return {"pictures": drawn, "absent": ""}


def _absent(sentence: str) -> dict[str, Any]:
    return {"pictures": [], "absent": sentence}


def _picture(
    rank: str,
    name: str,
    dice: float,
    evaluation: pathlib.Path,
    cohort: PreparedCohort,
) -> Picture:
    if pathlib.PurePath(name).name != name:
        raise errors.UserError(f"{evaluation}: {name!r} is no volume's name.")
    mask = evaluation / "masks" / f"{name}.nii.gz"
    view = evaluate.evaluated_view(cohort, cohort.volume(name), mask)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "case.png"
        overlays.draw_levels(view, path)
        return Picture(rank, f"{name}, Dice {words.number(dice)}", *small_png(path))


def small_png(path: pathlib.Path) -> tuple[int, int, str]:
    """Width and height of a PNG in pixels, and a small copy of it in base 64."""
    buffer = io.BytesIO()
    with Image.open(path) as picture:
        small = picture.convert("RGB").quantize(
            palette=_palette(), dither=Image.Dither.NONE
        )
    small.save(buffer, "PNG", optimize=True)
    return *small.size, base64.b64encode(buffer.getvalue()).decode("ascii")


def _palette() -> Image.Image:
    """Greys, and the structures' colours on dark and on lighter grey.

    A palette that is found for each picture would spend itself on greys, of which a
    scan has the most pixels, and lose the colours of the contours.
    """
    colors = [(grey, grey, grey) for grey in range(0, 256, 2)]
    for label in range(1, _COLORED + 1):
        name = palette.structure_color(label)
        color = [int(name[at : at + 2], 16) for at in (1, 3, 5)]
        for ground in (20, 100):
            for share in (k / 8 for k in range(1, 9)):
                mixed = [round(ground + share * (c - ground)) for c in color]
                colors.append(tuple(mixed))
    found = Image.new("P", (1, 1))
    found.putpalette([part for color in colors for part in color])
    return found
