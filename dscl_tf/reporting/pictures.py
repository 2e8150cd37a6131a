"""The best, the middle and the worst volume of an evaluation, as pictures."""

import base64
import html
import io
import pathlib
import statistics
import tempfile

from PIL import Image  # matplotlib depends on it.

from dscl_tf import errors, files
from dscl_tf.cohort.prepared import PreparedCohort
from dscl_tf.inference import evaluate
from dscl_tf.reporting import page

_MOST_PX = 900


def of_evaluation(folder: pathlib.Path, cohort: PreparedCohort) -> str:
    """Pictures of the volumes with the highest, the middle and the lowest Dice.

    They are drawn from the masks and the original files. Where those are missing, a
    sentence says so in their place.

    Args:
      folder: of the evaluation.
      cohort: that it was on.
    """
    try:
        ranked = _ranked(folder)
        chosen = {
            "Best": ranked[-1],
            "Median": ranked[len(ranked) // 2],
            "Worst": ranked[0],
        }
        drawn = [_figure(k, *case, folder, cohort) for k, case in chosen.items()]
    except errors.UserError as error:
        return page.paragraph(f"No pictures: {error}", soft=True)
    return f'<div class="grid-of">{"".join(drawn)}</div>'


def _ranked(folder: pathlib.Path) -> list[tuple[float, str]]:
    """(mean Dice, volume), the lowest first."""
    summary = files.read_json_object(folder / "summary.json", "evaluation summary")
    try:
        dice = {
            case["name"]: [each["Dice"] for each in case["metrics"].values()]
            for case in summary["metric_per_case"]
        }
        found = [
            (statistics.fmean(known), name)
            for name, values in dice.items()
            if (known := [value for value in values if value is not None])
        ]
    except (KeyError, TypeError, AttributeError) as error:
        raise damaged(folder, error) from error
    if not found:
        raise errors.UserError(f"{folder} has no volume with a structure.")
    return sorted(found)


def damaged(folder: pathlib.Path, error: Exception) -> errors.UserError:
    """The UserError of an evaluation whose summary is not one."""
    return errors.UserError(
        f"{folder / 'summary.json'} is not what dscl-evaluate writes "
        f"({type(error).__name__}: {error}): evaluate again with --overwrite."
    )


def _small(path: pathlib.Path) -> bytes:
    """A picture as JPEG of a size that many of fit into a page."""
    with Image.open(path) as picture:
        small = picture.convert("RGB")
    small.thumbnail((_MOST_PX, _MOST_PX))
    data = io.BytesIO()
    small.save(data, "JPEG", quality=85)
    return data.getvalue()


def _figure(
    rank: str, dice: float, name: str, folder: pathlib.Path, cohort: PreparedCohort
) -> str:
    mask = folder / "masks" / f"{name}.nii.gz"
    with tempfile.TemporaryDirectory() as scratch:
        path = pathlib.Path(scratch) / "picture.png"
        evaluate.draw_evaluated(cohort, cohort.volume(name), mask, path)
        data = base64.b64encode(_small(path)).decode()
    caption = html.escape(f"{rank}: {name}, Dice {dice:.3f}")
    return (
        f'<figure><img alt="{caption}: image, truth, prediction, contours" '
        f'src="data:image/jpeg;base64,{data}"><figcaption>{caption}</figcaption></figure>'
    )
