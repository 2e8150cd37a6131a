"""The tables of an experiment: Dice of each method at each size."""

from typing import Any

from dscl_tf.reporting.page import Section
from dscl_tf.reporting.results import Results, same_count, size_words

_REFERENCES = {"versus_random": "random", "versus_gr": "gr"}


def section(results: Results) -> Section:
    """An overview, and a table for each number of labelled volumes."""
    sizes = results.sizes if results.table else []
    rows = {size: rows_of(results, size) for size in sizes}
    by_method = {(r["method"], size): r for size in sizes for r in rows[size]}
    overview = [
        (results.titles[method], [by_method.get((method, size)) for size in sizes])
        for method in results.methods
    ]
    data = {
        "sizes": sizes,
        "overview": overview,
        "tables": [_table(results, size, rows[size]) for size in sizes],
        "structures": results.structures,
        "dataset": results.cohort.get("paper_dataset"),
    }
    return Section("dice", "Dice on the test volumes", "dice", data)


def rows_of(results: Results, size: Any) -> list[dict[str, Any]]:
    """The rows of results.json at a size, with titles, the best one marked."""
    found = [results.row(method, size) for method in results.methods]
    found = [row for row in found if row is not None]
    is_known = len(found) > 1 and not results.why_no_best(size)
    highest = max(row["mean"] for row in found) if is_known else None
    return [
        {
            **dict.fromkeys(("paper", *_REFERENCES)),
            **row,
            "title": results.titles[row["method"]],
            "is_best": row["mean"] == highest,
        }
        for row in found
    ]


def _table(results: Results, size: Any, rows: list[dict[str, Any]]) -> dict[str, Any]:
    references = {
        name: results.titles.get(method, method)
        for name, method in _REFERENCES.items()
        if any(row.get(name) for row in rows)
    }
    paired = [row[name] for row in rows for name in references if row.get(name)]
    return {
        "size": size,
        "rows": rows,
        "references": list(references.items()),
        "has_interval": any(each["low"] is not None for each in paired),
        "has_paper": any(row.get("paper") is not None for row in rows),
        "is_even": not rows or same_count(rows),
    }


def unfinished(results: Results) -> list[tuple[str, str, str, str]]:
    """What failed or has not run: its name, cell, state and reason."""
    cells = [
        (
            results.titles[cell.method],
            f"{size_words(cell.size)}, draw {cell.draw}, seed {cell.seed}",
            cell.state,
            cell.error or "",
        )
        for cell in results.cells
    ]
    stages = [
        (each["name"], "pre-training", each["state"], each.get("error") or "")
        for each in results.pretraining
    ]
    return [each for each in cells + stages if each[2] != "done"]
