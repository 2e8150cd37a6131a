"""The figures of an evaluation: nnU-Net's summary.json, a table, and a log line.

`summary.json` has the keys of nnU-Net v2 (`foreground_mean`, `mean`,
`metric_per_case`) and beside them the distances in mm and the counts of structures
that were missed, spurious or not applicable. It is strict JSON: what does not apply
and what is infinite is null, and `missed` or `spurious` tell the latter apart.
"""

import csv
import dataclasses
import io
import math
from collections.abc import Sequence
from typing import Any, Optional

from dscl_tf import files
from dscl_tf.cohort import label_values
from dscl_tf.inference import metrics

FILE = "summary.json"
_COUNTS = ("TP", "FP", "FN", "TN", "n_pred", "n_ref")
_STATUSES = ("missed", "spurious", "not_applicable")
_WORDS = {"missed": "missed", "spurious": "spurious", "not_applicable": "-"}
_COLUMNS = ("volume", "subject", "label", "structure", "status", "dice", "iou")
_COLUMNS += ("hd95_mm", "assd_mm", "tp", "fp", "fn", "tn", "n_pred", "n_ref")


@dataclasses.dataclass(frozen=True)
class CaseResult:
    """One evaluated volume."""

    name: str
    subject: str
    prediction_file: str
    reference_file: str
    structures: dict[int, metrics.StructureMetrics]  # By label, background left out.

    @property
    def dice(self) -> Optional[float]:
        """Mean Dice of the structures that apply, None when there is none."""
        return _mean(each.dice for each in self.structures.values())


def summarise(
    cases: Sequence[CaseResult],
    label_names: Sequence[str],
    values: Optional[Sequence[int]] = None,
) -> dict[str, Any]:
    """The content of summary.json.

    Means are over the cases to which a figure applies; means of distances are over
    those where truth and prediction both have the structure (`n_distances`), so read
    them together with `missed` and `spurious`. `foreground_mean` is the mean over the
    structures, its counts are sums.

    Args:
      cases: at least one.
      label_names: of each class; the first is the background.
      values: what masks say for each class, which become the keys; None: the classes.
    """
    values = label_values.of_classes(values, len(label_names))
    labels = range(1, len(label_names))
    mean = {
        str(values[label]): _label_mean([case.structures[label] for case in cases])
        for label in labels
    }
    return {
        "foreground_mean": _foreground_mean(list(mean.values())),
        "mean": mean,
        "metric_per_case": [_case_json(case, values) for case in cases],
        "label_names": {str(values[label]): label_names[label] for label in labels},
        "num_cases": len(cases),
    }


def _mean(values: Any) -> Optional[float]:
    finite = [each for each in values if each is not None and math.isfinite(each)]
    return sum(finite) / len(finite) if finite else None


def _figures(found: metrics.StructureMetrics) -> dict[str, Any]:
    figures = {"Dice": found.dice, "IoU": found.iou}
    figures |= {"HD95_mm": found.hd95_mm, "ASSD_mm": found.assd_mm}
    return figures | {key: getattr(found, key.lower()) for key in _COUNTS}


def _label_mean(found: list[metrics.StructureMetrics]) -> dict[str, Any]:
    figures = [_figures(each) for each in found]
    mean = {key: _mean(each[key] for each in figures) for key in figures[0]}
    statuses = [each.status for each in found]
    counts = {status: statuses.count(status) for status in _STATUSES}
    return mean | {"n_distances": statuses.count("found")} | counts


def _foreground_mean(means: list[dict[str, Any]]) -> dict[str, Any]:
    sums = {"n_distances", *_STATUSES}
    return {
        key: sum(each[key] for each in means)
        if key in sums
        else _mean(each[key] for each in means)
        for key in means[0]
    }


def _case_json(case: CaseResult, values: Sequence[int]) -> dict[str, Any]:
    return {
        "metrics": {
            str(values[label]): _structure_json(found)
            for label, found in case.structures.items()
        },
        "name": case.name,
        "prediction_file": case.prediction_file,
        "reference_file": case.reference_file,
    }


def _structure_json(found: metrics.StructureMetrics) -> dict[str, Any]:
    figures = {
        key: None if value == math.inf else value
        for key, value in _figures(found).items()
    }
    return figures | {status: found.status == status for status in _STATUSES}


def write_table(
    cases: Sequence[CaseResult],
    label_names: Sequence[str],
    path: files.PathLike,
    values: Optional[Sequence[int]] = None,
) -> None:
    """Writes cases.csv: a row per volume and structure, sorted as `cases` are.

    The column "label" has what masks say for a class: `values`, as for `summarise`.
    Infinite distances are `inf`; what does not apply is empty.
    """
    values = label_values.of_classes(values, len(label_names))
    text = io.StringIO()
    table = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
    table.writeheader()
    for case in cases:
        for label, found in case.structures.items():
            row = {"volume": case.name, "subject": case.subject}
            row |= {"label": values[label]}
            row |= {"structure": label_names[label], "status": found.status}
            table.writerow(
                row | {key: getattr(found, key) for key in _COLUMNS if key not in row}
            )
    files.write_text(path, text.getvalue())


def case_line(case: CaseResult, label_names: Sequence[str]) -> str:
    """One line for the log: the Dice of each structure, or why it has none."""
    parts = [
        f"{label_names[label]} "
        + (f"{found.dice:.3f}" if found.status == "found" else _WORDS[found.status])
        for label, found in case.structures.items()
    ]
    return f"{case.name}: Dice " + ", ".join(parts)


def table(content: dict[str, Any]) -> str:
    """A table of the means, a line per structure.

    Args:
      content: what `summarise` returned.

    Returns:
      Lines; `with mm` is the number of cases that the distances are means of, `no
      truth` of those that have neither truth nor prediction.
    """
    rows = [
        (content["label_names"][key], each) for key, each in content["mean"].items()
    ]
    rows.append(("all", content["foreground_mean"]))
    width = max(len(name) for name, _ in rows)
    head = f"{'':{width}}   Dice  HD95 mm  ASSD mm  with mm  missed  spurious  no truth"
    return "\n".join([head, *(_format_row(name, each, width) for name, each in rows)])


def _format_row(name: str, mean: dict[str, Any], width: int) -> str:
    cells = [
        "-" if mean[key] is None else f"{mean[key]:.{digits}f}"
        for key, digits in (("Dice", 3), ("HD95_mm", 1), ("ASSD_mm", 1))
    ]
    return (
        f"{name:{width}}  {cells[0]:>5}  {cells[1]:>7}  {cells[2]:>7}"
        f"  {mean['n_distances']:>7}  {mean['missed']:>6}  {mean['spurious']:>8}"
        f"  {mean['not_applicable']:>8}"
    )
