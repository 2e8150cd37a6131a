"""Dice against the number of labelled volumes."""

from dscl_tf.reporting import figures, words
from dscl_tf.reporting.figures import Series
from dscl_tf.reporting.page import Section
from dscl_tf.reporting.results import Results
from dscl_tf.results_json import ALL

_LABELS = ("labelled volumes |Xtr|", "mean test Dice")
_APART = 0.24  # Spread of the bars at one size, which would hide each other.


def section(results: Results) -> Section:
    """A chart, or one for each group of methods, all with the same range of Dice."""
    sizes = [size for size in results.sizes if size != ALL]
    rows = [row for row in results.table if row["size"] != ALL]
    ends = [r["mean"] + sign * (r["std"] or 0) for r in rows for sign in (-1, 1)]
    benchmark = [row["mean"] for row in results.rows(ALL)]
    level = ("all labelled", max(benchmark)) if benchmark else None
    measured = {row["method"] for row in rows}
    methods = [method for method in results.methods if method in measured]
    charts = []
    for group, members in results.grouped(methods).items() if rows else ():
        low, high = figures.limits(ends + benchmark)
        shares = [k / max(len(members) - 1, 1) - 0.5 for k in range(len(members))]
        series = [
            _series(results, method, sizes, _APART * share)
            for method, share in zip(members, shares)
        ]
        within, places = (max(low, 0.0), high), [str(size) for size in sizes]
        charts.append(figures.lines(group, series, _LABELS, within, level, places))
    title = "Dice and the number of labelled volumes"
    return Section("sizes", title, "sizes", {"charts": charts})


def _series(results: Results, method: str, sizes: list[int], apart: float) -> Series:
    rows = [(k, results.row(method, size)) for k, size in enumerate(sizes)]
    rows = [(k, row) for k, row in rows if row]
    return Series(
        results.titles[method],
        results.numbers[method],
        [k + apart for k, _ in rows],
        [row["mean"] for _, row in rows],
        [row["std"] for _, row in rows],
        [f"{words.spread(r['mean'], r['std'])} with {r['size']}" for _, r in rows],
    )
