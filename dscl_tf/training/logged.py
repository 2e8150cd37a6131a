"""Reads what runs left: curves of what they logged, and their records."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dscl_tf import csv_columns, files, json_forms

Curve = list[tuple[float, float]]  # (step, value), by step.
_MOST_POINTS = 160  # More cannot be seen in a chart.


def curves(run: Path) -> dict[str, Curve]:
    """What a run logged, by name, without values that are not finite.

    Args:
      run: the run folder; if nothing was logged, there are no curves.

    Raises:
      UserError: metrics.csv is damaged.
    """
    found: dict[str, Curve] = {}
    rows = csv_columns.read(run / "metrics.csv", ("name",), ("step", "value"))
    for name, step, value in rows:
        if math.isfinite(step + value):
            found.setdefault(name, []).append((step, value))
    return {name: thinned(sorted(curve)) for name, curve in found.items()}


def thinned(curve: Curve) -> Curve:
    """A curve of at most 160 points, each the mean of its neighbours."""
    count = max(math.ceil(len(curve) / _MOST_POINTS), 1)
    groups = [curve[at : at + count] for at in range(0, len(curve), count)]
    return [(it[-1][0], sum(value for _, value in it) / len(it)) for it in groups]


def mean_curve(runs: Sequence[Path], name: str) -> Curve:
    """The mean over runs of a logged value, at the steps at which all logged it.

    Args:
      runs: run folders; those that did not log it are left out.
      name: in metrics.csv.
    """
    found = [dict(curves(run).get(name, [])) for run in runs]
    found = [curve for curve in found if curve]
    steps = sorted(set.intersection(*map(set, found))) if found else []
    return [(step, sum(each[step] for each in found) / len(found)) for step in steps]


def record(run: Path) -> dict[str, Any]:
    """A run's config.json as it is, of any version; empty if there is none.

    Raises:
      UserError: it is damaged.
    """
    path = run / "config.json"
    if not path.exists():
        return {}
    content = files.read_json_object(path, "run's config")
    json_forms.check(path, content, {"config?": dict, "split?": dict}, "train again")
    return content
