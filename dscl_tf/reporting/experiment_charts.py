"""Dice against the number of labelled volumes, and the structures' boxes."""

import dataclasses
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Optional

from dscl_tf.reporting import boxes, charts, marks, markup, measurements, tables
from dscl_tf.reporting.charts import Axis, Point
from dscl_tf.reporting.markup import Html, title_text
from dscl_tf.reporting.results import ALL, RANDOM, Results, size_words
from dscl_tf.reporting.tables import Cell, Column

EVERY = "All methods"
_MOST_LINES = 6  # In one chart; of more methods each group has a chart.


def numbers_of(results: Results) -> dict[str, int]:
    """How each method looks, by title, in every chart."""
    titles = [title_text(results.titles[method]) for method in results.methods]
    reference = title_text(results.titles.get(RANDOM, ""))
    return marks.numbers_of(titles, reference)


def dice_by_size(results: Results) -> Html:
    """Dice against the number of labelled volumes."""
    sizes = [size for size in results.sizes if size != ALL]
    series = {m: _points(results, m, sizes) for m in results.methods}
    series = {method: points for method, points in series.items() if points}
    if not series:
        return markup.absent("No cell has finished yet, so there is nothing to draw.")
    numbers = numbers_of(results)
    limits = _common_limits(results, series)
    axes = (
        Axis("labelled volumes |Xtr|", names=tuple(str(size) for size in sizes)),
        Axis("mean test Dice", limits),
    )
    figures = []
    for group, members in grouped(results, list(series)).items():
        shown = {title_text(results.titles[m]): series[m] for m in members}
        shown = _set_apart(shown)
        drawn = charts.lines(
            f"Dice against |Xtr|: {group}", shown, axes, numbers, _level(results)
        )
        key = marks.legend({name: numbers[name] for name in shown})
        figures.append(charts.figure(group, drawn, key))
    note = (
        "Points are means over the draws of the labelled volumes, bars one standard "
        "deviation to each side; points are set a little apart so that bars can be "
        "seen. The tables above hold the same figures."
    )
    return markup.join(
        charts.small_multiples(*figures), markup.paragraph(note, class_="note")
    )


def _set_apart(series: dict[str, list[Point]]) -> dict[str, list[Point]]:
    """Points beside each other, since bars at one place would hide each other."""
    last = max(len(series) - 1, 1)
    return {
        name: [
            dataclasses.replace(point, x=point.x + 0.24 * (k / last - 0.5))
            for point in points
        ]
        for k, (name, points) in enumerate(series.items())
    }


def _points(results: Results, method: str, sizes: Sequence) -> list[Point]:
    rows = [(k, results.row(method, size)) for k, size in enumerate(sizes)]
    return [Point(k, row["mean"], row["std"]) for k, row in rows if row is not None]


def _level(results: Results) -> Optional[tuple[str, float]]:
    """The benchmark: the highest mean with all labelled volumes."""
    rows = [row for row in results.table if row["size"] == ALL]
    if not rows:
        return None
    return "all labelled", max(row["mean"] for row in rows)


def _common_limits(results: Results, series) -> tuple[float, float]:
    """One range for all charts, so that they can be compared."""
    points = [point for each in series.values() for point in each]
    ends = [p.y + sign * (p.spread or 0) for p in points for sign in (-1, 1)]
    level = _level(results)
    ends += [] if level is None else [level[1]]
    low, high = min(ends), max(ends)
    margin = max(0.04 * (high - low), 0.01)
    return max(low - margin, 0.0), high + margin


def grouped(results: Results, methods: list[str]) -> dict[str, list[str]]:
    """Methods by chart; where there are several, random weights are in each."""
    if len(methods) <= _MOST_LINES:
        return {EVERY: methods}
    groups = defaultdict(list)
    for method in methods:
        if method != RANDOM:
            groups[results.groups[method]].append(method)
    charts_of = {}
    for name, members in groups.items():
        parts = [
            members[at : at + _MOST_LINES] for at in range(0, len(members), _MOST_LINES)
        ]
        for number, part in enumerate(parts, 1):
            heading = name if len(parts) == 1 else f"{name} ({number} of {len(parts)})"
            charts_of[heading] = [m for m in methods if m == RANDOM][:1] + part
    if len(charts_of) == 1:
        return {EVERY: methods}
    return charts_of


def structures(results: Results) -> Html:
    """Boxes of each structure's Dice, a chart each, at each size."""
    parts = []
    for size in results.sizes:
        values = {m: _structure_values(results, m, size) for m in results.methods}
        values = {method: found for method, found in values.items() if found}
        if values:
            parts.append((size, _structure_charts(results, size, values)))
    if not parts:
        return markup.absent(
            "No cases.csv of a finished cell is there, so there are no boxes."
        )
    note = (
        "Each value is a test volume, its Dice averaged over draws. Boxes reach from "
        "the first to the third quartile, the thick line is the median, whiskers end "
        "at the last value within 1.5 times the box, circles lie beyond."
    )
    first, *others = parts
    folded = [
        markup.folded(f"With {size_words(size)}", content) for size, content in others
    ]
    return markup.join(
        markup.tag("h3", f"With {size_words(first[0])}"),
        markup.paragraph(note, class_="note"),
        first[1],
        *folded,
    )


def _structure_values(results: Results, method: str, size: Any) -> dict:
    """Dice of each volume, averaged over cells, by structure."""
    found = defaultdict(list)
    for cell in results.of(method, size):
        for case in measurements.case_dice(cell.evaluation):
            found[case.structure, case.volume].append(case.dice)
    values = defaultdict(list)
    for (structure, _), dice in found.items():
        values[structure].append(sum(dice) / len(dice))
    return dict(values)


def _structure_charts(results: Results, size: Any, values: dict) -> Html:
    numbers = numbers_of(results)
    figures, rows = [], []
    for structure in results.structures:
        found = {
            title_text(results.titles[method]): boxes.box_of(by_name[structure])
            for method, by_name in values.items()
            if by_name.get(structure)
        }
        if not found:
            continue
        title = f"{structure}, {size_words(size)}"
        axis = Axis("Dice", (0.0, 1.0))
        drawn = boxes.box_chart(title, found, axis, numbers)
        figures.append(charts.figure(structure, drawn))
        rows += [[structure, name, *_figures(box)] for name, box in found.items()]
    columns = [Column("Structure", numeric=False), Column("Method", numeric=False)]
    names = ("Volumes", "Lowest", "1st quartile", "Median", "3rd quartile", "Highest")
    columns += [Column(name) for name in names]
    table = tables.table(f"Dice with {size_words(size)}.", columns, rows)
    return markup.join(
        charts.small_multiples(*figures),
        markup.folded("As a table", table, printed=False),
    )


def _figures(box: boxes.Box) -> list[Cell]:
    ends = (min((box.low, *box.outliers)), max((box.high, *box.outliers)))
    values = (ends[0], box.first, box.median, box.third, ends[1])
    return [
        Cell(str(box.count), box.count),
        *(Cell(tables.number(value), value) for value in values),
    ]
