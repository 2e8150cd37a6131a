"""The tables of an experiment: Dice of each method at each size."""

from typing import Any

from dscl_tf.reporting.page import Section
from dscl_tf.reporting.results import Results
from dscl_tf.results_json import REFERENCES


def section(results: Results) -> Section:
    """An overview, and a table for each number of labelled volumes."""
    tables = [_table(results, size) for size in results.sizes if results.table]
    row_of = {(row["method"], it["size"]): row for it in tables for row in it["rows"]}
    data = {
        "tables": tables,
        "overview": [
            (
                results.titles[method],
                [row_of.get((method, it["size"])) for it in tables],
            )
            for method in results.methods
        ],
        "structures": results.structures,
        "dataset": results.cohort.get("paper_dataset"),
    }
    return Section("dice", "Dice on the test volumes", "dice", data)


def _table(results: Results, size: Any) -> dict[str, Any]:
    """The rows of results.json at a size, with titles, the best one marked."""
    found = [results.row(method, size) for method in results.methods]
    found = [row for row in found if row]
    is_known = len(found) > 1 and not results.why_no_best(size)
    highest = max(row["mean"] for row in found) if is_known else None
    paired = {
        name: [row[name] for row in found if row.get(name)] for name in REFERENCES
    }
    titles = {name: results.titles.get(m, m) for name, m in REFERENCES.items()}
    return {
        "size": size,
        "rows": [
            {
                **dict.fromkeys(("paper", *REFERENCES)),
                **row,
                "title": results.titles[row["method"]],
                "is_best": row["mean"] == highest,
            }
            for row in found
        ],
        "references": [(name, titles[name]) for name, it in paired.items() if it],
        "has_interval": any(p["low"] is not None for it in paired.values() for p in it),
        "has_paper": any(row.get("paper") is not None for row in found),
        "is_even": results.is_even(size),
    }
