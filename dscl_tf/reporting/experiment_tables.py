"""The tables of an experiment."""

from collections.abc import Mapping
from typing import Any, Optional

from dscl_tf.reporting import markup, tables
from dscl_tf.reporting.markup import Html, title_text
from dscl_tf.reporting.results import ALL, Results, same_count, size_words
from dscl_tf.reporting.tables import Cell, Column

_INTERVALS = (
    ", with its 95\N{NO-BREAK SPACE}% bootstrap interval, which is rather too narrow "
    "for a few draws and not corrected for the number of methods."
)
_REFERENCES = {"versus_random": "random", "versus_gr": "gr"}


def all_tables(results: Results) -> Html:
    """An overview, and a table for each number of labelled volumes."""
    if not results.table:
        return markup.absent("No cell has finished yet, so there is no table.")
    return markup.join(
        _overview(results) if len(results.sizes) > 1 else None,
        *(_of_size(results, size) for size in results.sizes),
    )


def _overview(results: Results) -> Html:
    """Mean and spread of each method at each size."""
    columns = [Column("Method", numeric=False)]
    columns += [Column(_size_heading(size)) for size in results.sizes]
    highest = {size: _highest(results, size) for size in results.sizes}
    rows = []
    for method in results.methods:
        found = [results.row(method, size) for size in results.sizes]
        cells = [
            _dice_cell(row, bool(row) and row["mean"] == highest[size])
            for row, size in zip(found, results.sizes)
        ]
        rows.append([title_text(results.titles[method]), *cells])
    caption = (
        "Mean Dice over structures and test volumes: mean ± standard deviation over "
        "the draws of the labelled volumes. The highest mean of a column is set bold "
        "once all its methods have as many cells, two at least."
    )
    return markup.join(
        markup.tag("h3", "All methods"), tables.table(caption, columns, rows)
    )


def _size_heading(size: Any) -> str:
    return "All labelled" if size == ALL else f"|Xtr| = {size}"


def _highest(results: Results, size: Any) -> Optional[float]:
    rows = [row for row in results.table if row["size"] == size]
    if len(rows) < 2 or results.why_no_best(size):
        return None
    return max(row["mean"] for row in rows)


def _of_size(results: Results, size: Any) -> Html:
    """Everything about the methods at one size."""
    rows = [results.row(method, size) for method in results.methods]
    rows = [row for row in rows if row is not None]
    if not rows:
        return markup.absent(f"No cell with {size_words(size)} has finished yet.")
    with_paper = any(row.get("paper") is not None for row in rows)
    references = [n for n in _REFERENCES if any(row.get(n) for row in rows)]
    columns = [Column("Method", numeric=False), Column("n"), Column("Dice")]
    columns += [Column(_reference_heading(results, name)) for name in references]
    columns += [Column(name) for name in results.structures]
    columns += [Column("Paper", of_paper=True)] if with_paper else []
    highest = _highest(results, size)
    lines = []
    for row in rows:
        line = [title_text(results.titles[row["method"]]), _count_cell(row)]
        line.append(_dice_cell(row, row["mean"] == highest))
        line += [_paired_cell(row.get(name)) for name in references]
        line += [_dice_cell(row["structures"].get(n)) for n in results.structures]
        line += [_number_cell(row.get("paper"))] if with_paper else []
        lines.append(line)
    return markup.join(
        markup.tag("h3", f"With {size_words(size)}"),
        tables.table(_caption(results, rows, with_paper), columns, lines),
    )


def _reference_heading(results: Results, name: str) -> str:
    method = _REFERENCES[name]
    return f"Δ to {title_text(results.titles.get(method, method))}"


def _caption(results: Results, rows: list[Mapping], with_paper: bool) -> str:
    words = "Dice, mean ± standard deviation over n draws."
    if not same_count(rows):
        words += " Methods have different n: compare them by Δ alone."
    paired = [row[name] for row in rows for name in _REFERENCES if row.get(name)]
    if paired:
        words += " Δ: mean difference over the same draws"
        words += _INTERVALS if any(p["low"] is not None for p in paired) else "."
        words += " After it, in how many of them the method is above."
    if with_paper:
        words += (
            " Paper: the mean Dice that the paper reports on its own data of "
            f"{results.cohort.get('paper_dataset')}; it was not measured here."
        )
    return words


def _count_cell(row: Mapping) -> Cell:
    return Cell(str(row["n"]), row["n"])


def _number_cell(value: Optional[float]) -> Cell:
    return Cell(tables.number(value), value)


def _dice_cell(found: Optional[Mapping], strong: bool = False) -> Cell:
    if not found:
        return Cell("–")
    return Cell(tables.spread(found["mean"], found["std"]), found["mean"], strong)


def _paired_cell(found: Optional[Mapping]) -> Cell:
    if not found:
        return Cell("–")
    shown = tables.interval(found["mean"], found["low"], found["high"])
    return Cell(f"{shown}, {found['num_above']} of {found['n']}", found["mean"])


def unfinished(results: Results) -> Html:
    """What failed or has not run, with the reason; nothing if all is done."""
    parts = [
        (title_text(results.titles[c.method]), _place(c), c.state, c.error)
        for c in results.cells
        if c.state != "done"
    ]
    parts += [
        (each["name"], "pre-training", each["state"], each.get("error"))
        for each in results.pretraining
        if each["state"] != "done"
    ]
    if not parts:
        return Html("")
    columns = [Column(n, numeric=False) for n in ("What", "Cell", "State", "Reason")]
    rows = [[what, cell, state, error or ""] for what, cell, state, error in parts]
    caption = "The figures are without these."
    return markup.tag(
        "details",
        markup.tag("summary", f"What has no result ({len(parts)})"),
        tables.table(caption, columns, rows),
        open=len(parts) <= 12,
    )


def _place(cell: Any) -> str:
    return f"{size_words(cell.size)}, draw {cell.draw}, seed {cell.seed}"
