"""What a run logged, as charts."""

import csv
import math
import pathlib

from dscl_tf import errors
from dscl_tf.reporting import charts

_MOST = 400  # Points of a line; more than that cannot be seen.
Curve = list[tuple[float, float]]


def read(run: pathlib.Path, name: str) -> Curve:
    """The values of one name in metrics.csv by step; empty without any.

    Raises:
      UserError: the file cannot be read.
    """
    path = run / "metrics.csv"
    if not path.exists():
        return []
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = [row for row in csv.reader(file) if len(row) == 3 and row[1] == name]
        found = [(float(step), float(value)) for step, _, value in rows]
    except (OSError, UnicodeDecodeError, ValueError, csv.Error) as error:
        raise errors.UserError(f"Cannot read {path}: {error}.") from None
    found = [point for point in found if math.isfinite(point[1])]
    # From the end, so that the last one stays.
    return found[:: -max(1, len(found) // _MOST)][::-1]


def chart(runs: dict[str, pathlib.Path], name: str, title: str, unit: str) -> str:
    """One quantity of some runs over the steps; empty where none has it."""
    series = {label: read(path, name) for label, path in runs.items()}
    series = {label: curve for label, curve in series.items() if len(curve) > 1}
    if not series:
        return ""
    return f"<h3>{title}</h3>" + charts.lines(title, series, "step", unit)
