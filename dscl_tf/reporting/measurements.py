"""What runs and evaluations wrote into their folders, checked when it is read."""

import csv
import math
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Optional

from dscl_tf import errors, files, json_forms
from dscl_tf.inference import evaluate
from dscl_tf.json_forms import MAYBE, Each

Curve = list[tuple[float, float]]  # (step, value), by step.
_MOST_POINTS = 160  # More cannot be seen in a chart.
_CASES = {"metric_per_case": [{"name": str, "metrics": Each({"Dice": MAYBE})}]}
_MEANS = {"Dice": MAYBE, "HD95_mm": MAYBE, "ASSD_mm": MAYBE}
_SUMMARY = {
    "label_names": Each(str),
    "mean": Each(_MEANS),
    "foreground_mean": _MEANS,
    "num_cases": int,
    "subset": str,
}
_CURE = "evaluate again"
_RECORD = {"config?": dict, "split?": dict}


class CaseDice(NamedTuple):
    """Dice of one structure of one test volume."""

    volume: str
    structure: str
    dice: float


def curves(run: pathlib.Path) -> dict[str, Curve]:
    """What a run logged, by name; empty where it logged nothing.

    Values that are not finite are left out.

    Args:
      run: its folder.

    Raises:
      UserError: metrics.csv is damaged.
    """
    found: dict[str, Curve] = {}
    for name, step, value in _rows(run / "metrics.csv", ("name",), ("step", "value")):
        if math.isfinite(step + value):
            found.setdefault(name, []).append((step, value))
    return {name: thinned(sorted(curve)) for name, curve in found.items()}


def thinned(curve: Curve) -> Curve:
    """A curve of so many points as can be seen, each the mean of its neighbours."""
    count = max(math.ceil(len(curve) / _MOST_POINTS), 1)
    groups = [curve[at : at + count] for at in range(0, len(curve), count)]
    return [
        (group[-1][0], sum(value for _, value in group) / len(group))
        for group in groups
    ]


def mean_curve(runs: Sequence[pathlib.Path], name: str) -> Curve:
    """The mean over runs of what they logged under a name, where all have it.

    Args:
      runs: their folders; those that logged nothing are left out.
      name: in metrics.csv.
    """
    found = [dict(curves(run).get(name, [])) for run in runs]
    found = [curve for curve in found if curve]
    steps = sorted(set.intersection(*map(set, found))) if found else []
    return [(step, sum(each[step] for each in found) / len(found)) for step in steps]


def case_dice(evaluation: pathlib.Path) -> list[CaseDice]:
    """Dice of each structure and volume that an evaluation has a figure for.

    Args:
      evaluation: its folder; without cases.csv the list is empty.

    Raises:
      UserError: cases.csv is damaged.
    """
    rows = _rows(evaluation / "cases.csv", ("volume", "structure"), ("dice",), "")
    return [CaseDice(*row) for row in rows if math.isfinite(row[-1])]


def _rows(
    path: pathlib.Path,
    texts: tuple[str, ...],
    numbers: tuple[str, ...],
    lacking: Optional[str] = None,
) -> Iterator[list]:
    """Columns of a CSV's rows; a number that is lacking is not a number."""
    if not path.exists():
        return
    try:
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                values = (row[name] for name in numbers)
                found = [math.nan if v == lacking else float(v) for v in values]
                yield [*(row[name] for name in texts), *found]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise errors.UserError(f"Cannot read {path}: {error}.") from error
    except (KeyError, TypeError, ValueError) as error:
        raise errors.UserError(
            f"{path}: expected the columns {', '.join((*texts, *numbers))} with "
            f"numbers in {' and '.join(numbers)}, found otherwise ({error}): bring the "
            "file back, or leave it out."
        ) from None


def summary(evaluation: pathlib.Path) -> dict[str, Any]:
    """The means of an evaluation's summary.json.

    Raises:
      UserError: it is missing, or not what dscl-evaluate writes.
    """
    content = _summary(evaluation, _SUMMARY)
    names = {"label_names": dict.fromkeys(content["mean"], str)}
    json_forms.check(evaluation / evaluate.SUMMARY, content, names, _CURE)
    return content


def ranked_cases(evaluation: pathlib.Path) -> list[tuple[str, float]]:
    """The volumes of an evaluation with their mean Dice, the lowest first.

    Means are over the structures that apply; volumes without any are left out.

    Raises:
      UserError: summary.json is missing, or not what dscl-evaluate writes.
    """
    found = []
    for case in _summary(evaluation, _CASES)["metric_per_case"]:
        dice = [each["Dice"] for each in case["metrics"].values()]
        dice = [value for value in dice if value is not None]
        if dice:
            found.append((case["name"], sum(dice) / len(dice)))
    return sorted(found, key=lambda case: (case[1], case[0]))


def _summary(evaluation: pathlib.Path, form: Any) -> dict[str, Any]:
    path = evaluation / evaluate.SUMMARY
    content = files.read_json_object(path, "evaluation summary")
    json_forms.check(path, content, form, _CURE)
    return content


def record(run: pathlib.Path) -> dict[str, Any]:
    """A run's config.json as it is; empty where there is none.

    Raises:
      UserError: it is damaged.
    """
    path = run / "config.json"
    if not path.exists():
        return {}
    content = files.read_json_object(path, "run's config")
    json_forms.check(path, content, _RECORD, "train again")
    return content
