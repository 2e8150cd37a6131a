"""The figures of an evaluation: nnU-Net's summary.json, and a table of cases.

`summary.json` has the keys of nnU-Net v2 (`foreground_mean`, `mean`,
`metric_per_case`) and beside them the distances in mm, NSD at `nsd_tolerance_mm` and
the counts of structures that were missed, spurious or not applicable. It is strict
JSON: figures that do not apply or are infinite are null; for the infinite ones `missed`
or `spurious` is true. `intervals` holds the confidence intervals of the means,
`volume_bias` how far volumes in ml are from the true ones. `left_out`, there if voxels
may be unknown, has the numbers of voxels and of whole slices that count in no figure.
"""

import csv
import dataclasses
import io
import math
from collections.abc import Sequence
from typing import Any, NamedTuple, Optional

import numpy as np

from dscl_tf import files, statistics
from dscl_tf.cohort import label_values
from dscl_tf.inference import metrics, volume_bias

FILE = "summary.json"
TABLE = "cases.csv"
_COUNTS = ("TP", "FP", "FN", "TN", "n_pred", "n_ref")
_BOUNDED = ("Dice", "IoU", "NSD", "HD95_mm", "ASSD_mm")  # Those with intervals.
_VOLUMES = ("volume_ref_ml", "volume_pred_ml", "volume_difference_ml")
_STATUSES = ("missed", "spurious", "not_applicable")
_COLUMNS = ("volume", "subject", "label", "structure", "status", "dice", "iou")
_COLUMNS += ("nsd", "hd95_mm", "assd_mm", "tp", "fp", "fn", "tn", "n_pred", "n_ref")
_COLUMNS += _VOLUMES


class LeftOut(NamedTuple):
    """How much of a volume was not compared, since nobody labelled it."""

    voxels: int  # Of the original.
    slices: int  # Entirely unknown ones.


@dataclasses.dataclass(frozen=True)
class CaseResult:
    """One evaluated volume."""

    name: str
    subject: str
    prediction_file: str
    reference_file: str
    structures: dict[int, metrics.StructureMetrics]  # By label, background left out.
    left_out: Optional[LeftOut] = None  # None: everything is labelled.

    @property
    def dice(self) -> Optional[float]:
        """Mean Dice of the structures that apply, None when there is none."""
        return _mean(each.dice for each in self.structures.values())


def summarise(
    cases: Sequence[CaseResult],
    label_names: Sequence[str],
    nsd_tolerance_mm: Optional[float] = None,
    values: Optional[Sequence[int]] = None,
) -> dict[str, Any]:
    """The content of summary.json.

    Means are over the cases to which a figure applies; means of distances are over
    those where truth and prediction both have the structure (`n_distances`), so read
    them together with `missed` and `spurious`. `foreground_mean` is the mean over the
    structures, its counts are sums. `intervals` has the same fields: 95 % percentile
    bootstrap intervals over subjects, with all volumes of each, or null where fewer
    than three subjects have a figure. `volume_bias` is what `volume_bias.of_structure`
    returns for each structure.

    Args:
      cases: at least one.
      label_names: name of each class; the first is the background.
      nsd_tolerance_mm: the tolerance of the cases' NSD.
      values: voxel value of each class in masks, used as keys; None: the classes.
    """
    values = label_values.of_classes(values, len(label_names))
    labels = range(1, len(label_names))
    subjects = [case.subject for case in cases]
    unknown = [case.left_out for case in cases if case.left_out]
    mean = {
        str(values[label]): _label_mean([case.structures[label] for case in cases])
        for label in labels
    }
    return {
        "foreground_mean": _foreground_mean(list(mean.values())),
        "mean": mean,
        "intervals": _intervals(cases, values),
        "volume_bias": {
            str(values[label]): volume_bias.of_structure(
                [case.structures[label] for case in cases], subjects
            )
            for label in labels
        },
        "metric_per_case": [_case_json(case, values) for case in cases],
        "label_names": {str(values[label]): label_names[label] for label in labels},
        "num_cases": len(cases),
        "nsd_tolerance_mm": nsd_tolerance_mm,
        **(
            {"left_out": LeftOut(*map(sum, zip(*unknown)))._asdict()} if unknown else {}
        ),
    }


def named_means(
    content: dict[str, Any], whole: str
) -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Means and their intervals, of each structure and of all.

    Args:
      content: of summary.json; that of earlier versions has no intervals.
      whole: the name of the mean of all structures.

    Returns:
      Names, means by key and intervals by key.
    """
    names, intervals = content["label_names"], content.get("intervals", {})
    bounds = intervals.get("mean", {})
    rows = [
        (names[label], mean, bounds.get(label, {}))
        for label, mean in content["mean"].items()
    ]
    of_all = intervals.get("foreground_mean", {})
    return [*rows, (whole, content["foreground_mean"], of_all)]


def _mean(values: Any) -> Optional[float]:
    finite = [each for each in values if each is not None and math.isfinite(each)]
    return sum(finite) / len(finite) if finite else None


def _figures(found: metrics.StructureMetrics) -> dict[str, Any]:
    figures = {"Dice": found.dice, "IoU": found.iou, "NSD": found.nsd}
    figures |= {"HD95_mm": found.hd95_mm, "ASSD_mm": found.assd_mm}
    return figures | {key: getattr(found, key.lower()) for key in _COUNTS}


def _label_mean(found: list[metrics.StructureMetrics]) -> dict[str, Any]:
    figures = [_figures(each) for each in found]
    mean = {key: _mean(each[key] for each in figures) for key in figures[0]}
    statuses = [each.status for each in found]
    counts = {status: statuses.count(status) for status in _STATUSES}
    measured = [each.hd95_mm for each in found if each.status == "found"]
    return mean | {"n_distances": sum(mm is not None for mm in measured)} | counts


def _foreground_mean(means: list[dict[str, Any]]) -> dict[str, Any]:
    sums = {"n_distances", *_STATUSES}
    return {
        key: sum(each[key] for each in means)
        if key in sums
        else _mean(each[key] for each in means)
        for key in means[0]
    }


def _intervals(cases: Sequence[CaseResult], values: Sequence[int]) -> dict[str, Any]:
    labels = range(1, len(values))
    subjects = [case.subject for case in cases]
    figures = [[_figures(case.structures[label]) for label in labels] for case in cases]

    def bounds(key: str, columns: slice) -> Optional[dict[str, float]]:
        values = [[_finite(each[key]) for each in row[columns]] for row in figures]
        found = statistics.mean_interval(np.array(values), subjects)
        return statistics.bounds_json(found)

    return {
        "level": statistics.LEVEL,
        "resamples": statistics.RESAMPLES,
        "seed": statistics.SEED,
        "num_subjects": len(set(subjects)),
        "foreground_mean": {key: bounds(key, slice(None)) for key in _BOUNDED},
        "mean": {
            str(values[label]): {key: bounds(key, slice(k, k + 1)) for key in _BOUNDED}
            for k, label in enumerate(labels)
        },
    }


def _finite(value: Optional[float]) -> float:
    """A figure for means; NaN, which they leave out, if it is None or infinite."""
    return math.nan if value is None or math.isinf(value) else value


def _case_json(case: CaseResult, values: Sequence[int]) -> dict[str, Any]:
    return {
        "metrics": {
            str(values[label]): _structure_json(found)
            for label, found in case.structures.items()
        },
        "name": case.name,
        "prediction_file": case.prediction_file,
        "reference_file": case.reference_file,
        **({"left_out": case.left_out._asdict()} if case.left_out else {}),
    }


def _structure_json(found: metrics.StructureMetrics) -> dict[str, Any]:
    figures = {
        key: None if value == math.inf else value
        for key, value in _figures(found).items()
    }
    figures |= {key.capitalize(): getattr(found, key) for key in _VOLUMES}
    return figures | {status: found.status == status for status in _STATUSES}


def write_table(
    cases: Sequence[CaseResult],
    label_names: Sequence[str],
    path: files.PathLike,
    values: Optional[Sequence[int]] = None,
) -> None:
    """Writes cases.csv: a row per volume and structure, sorted as `cases` are.

    The column "label" has the voxel value of the class in masks: `values`, as for
    `summarise`.
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
