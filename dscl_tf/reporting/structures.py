"""Boxes of each structure's Dice over the test volumes."""

from collections import defaultdict
from typing import Any

from dscl_tf.inference import evaluated
from dscl_tf.reporting import figures
from dscl_tf.reporting.page import Section
from dscl_tf.reporting.results import Results


def section(results: Results) -> Section:
    """A chart for each structure, and a table, at each size."""
    parts = [_part(results, size) for size in results.sizes]
    data = {"parts": [part for part in parts if part["charts"]]}
    return Section("structures", "Structures", "structures", data)


def _part(results: Results, size: Any) -> dict[str, Any]:
    values = {method: _dice(results, method, size) for method in results.methods}
    charts, table = [], []
    for structure in results.structures:
        rows = [
            (results.titles[m], results.numbers[m], figures.box_of(found[structure]))
            for m, found in values.items()
            if structure in found
        ]
        if rows:
            charts.append(figures.boxes(structure, rows, "Dice"))
            table += [(structure, name, box) for name, _, box in rows]
    return {"size": size, "charts": charts, "table": table}


def _dice(results: Results, method: str, size: Any) -> dict[str, list[float]]:
    """Dice of each volume, averaged over cells, by structure."""
    found = defaultdict(list)
    for cell in results.of(method, size):
        figures = evaluated.case_figures(cell.evaluation, "dice")
        for volume, structure, dice in figures:
            found[structure, volume].append(dice)
    values = defaultdict(list)
    for (structure, _), dice in found.items():
        values[structure].append(sum(dice) / len(dice))
    return values
