"""Dice against the number of labelled volumes."""

from dscl_tf.reporting import figures
from dscl_tf.reporting.figures import Series
from dscl_tf.reporting.page import Section
from dscl_tf.reporting.results import ALL, Results

_LABELS = ("labelled volumes |Xtr|", "mean test Dice")


def section(results: Results) -> Section:
    """A chart, or one for each group of methods, in one range of Dice."""
    sizes = [size for size in results.sizes if size != ALL]
    rows = {
        method: [(k, results.row(method, size)) for k, size in enumerate(sizes)]
        for method in results.methods
    }
    rows = {m: [each for each in found if each[1]] for m, found in rows.items()}
    rows = {method: found for method, found in rows.items() if found}
    benchmark = [row["mean"] for row in results.table if row["size"] == ALL]
    level = ("all labelled", max(benchmark)) if benchmark else None
    ends = benchmark + [
        row["mean"] + sign * (row["std"] or 0)
        for found in rows.values()
        for _, row in found
        for sign in (-1, 1)
    ]
    charts = []
    for group, members in results.grouped(list(rows)).items() if rows else ():
        series = [
            _series(results, method, rows[method], k / max(len(members) - 1, 1) - 0.5)
            for k, method in enumerate(members)
        ]
        low, high = figures.limits(ends)
        within, places = (max(low, 0.0), high), [str(size) for size in sizes]
        charts.append(figures.lines(group, series, _LABELS, within, level, places))
    title = "Dice and the number of labelled volumes"
    return Section("sizes", title, "sizes", {"charts": charts})


def _series(results: Results, method: str, rows: list, share: float) -> Series:
    """A method's line, set apart since bars at one place would hide each other."""
    return Series(
        results.titles[method],
        results.numbers[method],
        [place + 0.24 * share for place, _ in rows],
        [row["mean"] for _, row in rows],
        [row["std"] for _, row in rows],
    )
