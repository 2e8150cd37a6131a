"""Training curves: the loss of each stage, the validation Dice, the probe."""

import pathlib
from collections.abc import Mapping, Sequence

from dscl_tf.reporting import charts, marks, markup, measurements, tables
from dscl_tf.reporting.charts import Axis, Point
from dscl_tf.reporting.markup import Html
from dscl_tf.reporting.measurements import Curve
from dscl_tf.reporting.tables import Cell, Column

LOSS, VALIDATION = "train/loss", "validation/mean"
PROBE = "probe/partition_accuracy"
QUANTITIES = {
    LOSS: "loss",
    VALIDATION: "mean validation Dice",
    PROBE: "neighbours in partition (share)",
}

TITLES = {LOSS: "loss", VALIDATION: "validation Dice", PROBE: "probe without labels"}

Curves = dict[str, Curve]  # By series.


def chart(
    title: str, curves: Mapping[str, Curve], axis: Axis, numbers: Mapping[str, int]
) -> Html:
    """Some curves over the steps, with their legend and last values.

    Args:
      title: of the chart.
      curves: by the series' name; at least one has points.
      axis: of the values.
      numbers: of the series, which decide how they look.
    """
    shown = {name: curve for name, curve in curves.items() if curve}
    series = {n: [Point(*point) for point in curve] for n, curve in shown.items()}
    longest = max(curve[-1][0] for curve in shown.values())
    axes = (Axis("step", (0.0, max(longest, 1.0))), axis)
    drawn = charts.lines(title, series, axes, numbers)
    key = marks.legend({name: numbers[name] for name in shown})
    is_named = len(shown) == 1 and next(iter(shown)) in title
    return charts.figure(title, drawn, None if is_named else key)


def last_values(curves: Mapping[str, Mapping[str, Curve]]) -> Html:
    """The last value of each curve, as a table.

    Args:
      curves: by chart and series.
    """
    rows = [
        [title, name, _cell(curve[-1][0], 0), _cell(curve[-1][1], 4)]
        for title, series in curves.items()
        for name, curve in series.items()
        if curve
    ]
    columns = [Column(name, numeric=False) for name in ("Curve", "Of")]
    columns += [Column("Last step"), Column("Last value")]
    table = tables.table("Last values.", columns, rows)
    return markup.folded("As a table", table, printed=False)


def _cell(value: float, digits: int) -> Cell:
    return Cell(tables.number(value, digits), value)


def mean_curve(runs: Sequence[pathlib.Path], name: str) -> Curve:
    """The mean over runs of what they logged under a name, where all have it.

    Args:
      runs: their folders; those that logged nothing are left out.
      name: in metrics.csv.
    """
    found = [dict(measurements.curves(run).get(name, [])) for run in runs]
    found = [curve for curve in found if curve]
    if not found:
        return []
    steps = sorted(set(found[0]).intersection(*found[1:]))
    return [(step, sum(each[step] for each in found) / len(found)) for step in steps]
