"""The picture of `benchmarks/pooled.py`: gains over random weights, draw by draw."""

import pathlib
from collections.abc import Mapping, Sequence
from typing import Optional

from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Colours of the methods, in order.
COLORS = ("#5b6770", "#1768ac", "#c2571a", "#2a7f3f", "#8a3ffc", "#b0125b")
_HALF = 0.38  # Half the width of a method's column; columns are 1 apart.


def draw(
    tables: Mapping[int, Sequence[Mapping]],
    gains: Mapping[int, Sequence[Mapping[str, Sequence[float]]]],
    titles: Mapping[str, str],
    path: pathlib.Path,
) -> None:
    """Draws a panel for each number of labelled volumes, a column for each method.

    Args:
      tables: rows of all experiments together, by number of labelled volumes.
      gains: for each experiment, by method, each draw's difference to random weights.
      titles: titles of the methods to draw, in order.
      path: the PNG.
    """
    figure = Figure(figsize=(1.0 + 2.7 * len(tables), 3.4), layout="constrained")
    axes = figure.subplots(1, len(tables), sharey=True, squeeze=False)[0]
    for panel, (size, rows) in zip(axes, tables.items()):
        _frame(panel, f"{size} labelled volume{'s' if size > 1 else ''}", titles)
        for column, method in enumerate(titles):
            color = COLORS[column % len(COLORS)]
            of_method = [each.get(method, ()) for each in gains[size]]
            _dots(panel, column, of_method, color)
            found = [row["versus_random"] for row in rows if row["method"] == method]
            _interval(panel, column, found[0] if found else None, color)
    axes[0].set_ylabel("Dice minus random weights' Dice")
    figure.savefig(path, dpi=150)


def _frame(panel: Axes, title: str, titles: Mapping[str, str]) -> None:
    panel.set_title(title, fontsize=10)
    panel.axhline(0, color="#777777", linewidth=0.9)
    panel.grid(axis="y", color="#e4e4e4", linewidth=0.6)
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)
    names = [title.replace(" + ", "\n+ ") for title in titles.values()]
    names = [name.replace("^R", "$^R$").replace("^D", "$^D$") for name in names]
    panel.set_xticks(range(len(names)), names, fontsize=8)
    panel.tick_params(axis="y", labelsize=8)


def _dots(
    panel: Axes, column: int, experiments: Sequence[Sequence[float]], color: str
) -> None:
    """Dots side by side: filled for the first experiment, hollow for the others."""
    count = sum(len(each) for each in experiments)
    first = 0
    for number, values in enumerate(experiments):
        places = [
            column - _HALF + 2 * _HALF * (first + k + 0.5) / count
            for k in range(len(values))
        ]
        first += len(values)
        face = "white" if number else color
        panel.scatter(places, values, s=15, facecolors=face, edgecolors=color)


def _interval(panel: Axes, column: int, found: Optional[Mapping], color: str) -> None:
    if found is None:
        return
    sides = [column - _HALF, column + _HALF]
    panel.plot(sides, [found["mean"]] * 2, color=color)
    if found["low"] is not None:
        panel.fill_between(
            sides, found["low"], found["high"], color=color, alpha=0.15, linewidth=0
        )
