"""Reads the figures that an evaluation wrote, and refuses damaged files."""

import math
import pathlib
from typing import Any, NamedTuple, Optional

from dscl_tf import csv_columns, files, json_forms
from dscl_tf.inference import summary
from dscl_tf.json_forms import MAYBE, NUMBER, Each, Either

_CURE = "evaluate again with --overwrite"
# Keys with a question mark may be missing: earlier versions did not write them.
_CASES = {"metric_per_case": [{"name": str, "metrics": Each({"Dice": MAYBE})}]}
_FIGURES = {"Dice": MAYBE, "HD95_mm": MAYBE, "ASSD_mm": MAYBE, "NSD?": MAYBE}
_INTERVAL = Either((type(None), {"low": NUMBER, "high": NUMBER}))
_BOUNDS = Each(_INTERVAL)
_BIAS = {"ref_ml": MAYBE, "pred_ml": MAYBE, "bias_ml": MAYBE, "bias_percent": MAYBE}
_BIAS |= {"n": int, "std_ml": MAYBE, "bias_ml_interval": _INTERVAL}
_MEANS = {
    "label_names": Each(str),
    "mean": Each(_FIGURES),
    "foreground_mean": _FIGURES,
    "num_cases": int,
    "subset": str,
    "nsd_tolerance_mm?": MAYBE,
    "intervals?": {
        "level": NUMBER,
        "num_subjects": int,
        "mean": Each(_BOUNDS),
        "foreground_mean": _BOUNDS,
    },
    "volume_bias?": Each(_BIAS),
}
_BOUNDED = dict.fromkeys(("Dice", "NSD", "HD95_mm", "ASSD_mm"), _INTERVAL)
_COUNTED = dict.fromkeys(("n_distances", "missed", "spurious", "not_applicable"), int)


class CaseFigure(NamedTuple):
    """A figure of one structure of one volume."""

    volume: str
    structure: str
    value: float


def case_figures(evaluation: pathlib.Path, column: str) -> list[CaseFigure]:
    """One figure for each volume and structure to which it applies.

    Args:
      evaluation: its folder; without cases.csv the list is empty.
      column: the figure's column of cases.csv, such as "dice".

    Raises:
      UserError: cases.csv is damaged.
    """
    path = evaluation / summary.TABLE
    rows = csv_columns.read(path, ("volume", "structure"), (column,), lacking="")
    return [CaseFigure(*row) for row in rows if math.isfinite(row[-1])]


def case_volumes_ml(evaluation: pathlib.Path) -> list[tuple[str, str, float, float]]:
    """True and predicted volume in ml for each case and structure where they apply.

    Args:
      evaluation: its folder; without cases.csv the list is empty.

    Returns:
      The case's name, structure, ml of the truth and ml of the prediction.

    Raises:
      UserError: cases.csv is damaged.
    """
    path, texts = evaluation / summary.TABLE, ("volume", "structure")
    columns = ("volume_ref_ml", "volume_pred_ml")
    rows = csv_columns.read(path, texts, columns, lacking="")
    return [row for row in rows if all(map(math.isfinite, row[2:]))]


def means(evaluation: pathlib.Path) -> dict[str, Any]:
    """The content of summary.json, with the means of an evaluation.

    Raises:
      UserError: it is missing, or not what dscl-evaluate writes.
    """
    content = _summary(evaluation, _MEANS)
    labels = {**content["mean"], **content.get("volume_bias", {})}
    names = {"label_names": dict.fromkeys(labels, str)}
    json_forms.check(evaluation / summary.FILE, content, names, _CURE)
    return content


def require_whole(evaluation: pathlib.Path) -> None:
    """Refuses a summary.json that lacks figures which this version writes.

    Raises:
      UserError: it is missing, or not what dscl-evaluate writes now.
    """
    labels = means(evaluation)["mean"]
    bounds = {"mean": dict.fromkeys(labels, _BOUNDED), "foreground_mean": _BOUNDED}
    counts = {"mean": Each(_COUNTED), "foreground_mean": _COUNTED}
    form = {**counts, "intervals": bounds, "nsd_tolerance_mm": MAYBE}
    _summary(evaluation, {**form, "volume_bias": Each(_BIAS), **_CASES})


def mask_values(evaluation: pathlib.Path) -> Optional[list[int]]:
    """The voxel value of each class in an evaluation's masks; None: the classes.

    Raises:
      UserError: summary.json is missing, or not what dscl-evaluate writes.
    """
    return _summary(evaluation, {"mask_values?": [int]}).get("mask_values")


def model_id(evaluation: pathlib.Path) -> Optional[str]:
    """The id of the model that was evaluated; None: not recorded by its version.

    Raises:
      UserError: summary.json is missing, or not what dscl-evaluate writes.
    """
    return _summary(evaluation, {"model_id?": str}).get("model_id")


def cohort_id(evaluation: pathlib.Path) -> str:
    """The id of the prepared cohort that an evaluation was made on.

    Raises:
      UserError: summary.json is missing, or not what dscl-evaluate writes.
    """
    return _summary(evaluation, {"cohort_id": str})["cohort_id"]


def case_dice(evaluation: pathlib.Path) -> dict[str, Optional[float]]:
    """The mean Dice of each volume of an evaluation, by its name.

    Means are over the structures that apply; None where none does.

    Raises:
      UserError: summary.json is missing, or not what dscl-evaluate writes.
    """
    found = {}
    for case in _summary(evaluation, _CASES)["metric_per_case"]:
        dice = [each["Dice"] for each in case["metrics"].values()]
        dice = [value for value in dice if value is not None]
        found[case["name"]] = sum(dice) / len(dice) if dice else None
    return found


def ranked_cases(evaluation: pathlib.Path) -> list[tuple[str, float]]:
    """The volumes that have a Dice (`case_dice`), the lowest first.

    Raises:
      UserError: summary.json is missing, or not what dscl-evaluate writes.
    """
    found = [each for each in case_dice(evaluation).items() if each[1] is not None]
    return sorted(found, key=lambda case: (case[1], case[0]))


def content_of(evaluation: pathlib.Path) -> dict[str, Any]:
    """The content of summary.json, whatever its keys.

    Raises:
      UserError: it is missing, or no JSON object.
    """
    path = evaluation / summary.FILE
    return files.read_json_object(path, "evaluation summary", _CURE)


def _summary(evaluation: pathlib.Path, form: Any) -> dict[str, Any]:
    content = content_of(evaluation)
    json_forms.check(evaluation / summary.FILE, content, form, _CURE)
    return content
