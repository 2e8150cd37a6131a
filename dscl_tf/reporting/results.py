"""The results of an experiment, as the sections of the report need them."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Optional

from dscl_tf import results_json
from dscl_tf.reporting import figures, words

RANDOM = "random"
EVERY = "All methods"
_MOST_LINES = 6  # In one chart; with more methods each group has a chart of its own.


class Cell(NamedTuple):
    """One fine-tuning and its evaluation."""

    method: str
    size: Any  # int or "all".
    draw: int
    seed: int
    state: str  # done, failed or missing.
    run: Path
    evaluation: Path
    dice: Optional[float]
    seconds: Optional[float]
    error: Optional[str]


class Results(NamedTuple):
    """An experiment's results."""

    folder: Path
    name: str
    versions: Mapping[str, Any]
    cohort: Mapping[str, Any]
    grid: Mapping[str, Any]
    pretraining: Sequence[Mapping[str, Any]]
    cells: Sequence[Cell]
    table: Sequence[Mapping[str, Any]]

    @property
    def methods(self) -> list[str]:
        """The methods' names in the order of the grid."""
        return [each["name"] for each in self.grid["methods"]]

    @property
    def titles(self) -> dict[str, str]:
        """The methods' titles as the page shows them, by name."""
        return {
            each["name"]: words.title_text(each.get("title") or each["name"])
            for each in self.grid["methods"]
        }

    @property
    def numbers(self) -> dict[str, int]:
        """The number that decides how a method looks in every chart."""
        others = [method for method in self.methods if method != RANDOM]
        return {RANDOM: figures.REFERENCE, **{m: k for k, m in enumerate(others)}}

    @property
    def sizes(self) -> list:
        """Numbers of labelled volumes that have cells or results; "all" last."""
        found = {each.size for each in self.cells} | {r["size"] for r in self.table}
        return sorted(found, key=results_json.size_order)

    @property
    def structures(self) -> list[str]:
        return list(self.cohort["label_names"][1:])

    def of(self, method: str, size: Any) -> list[Cell]:
        """The finished cells of a method at a size."""
        wanted = (method, size, "done")
        return [it for it in self.cells if (it.method, it.size, it.state) == wanted]

    def rows(self, size: Any) -> list[Mapping[str, Any]]:
        """The rows of the table at a size."""
        return [row for row in self.table if row["size"] == size]

    def row(self, method: str, size: Any) -> Optional[Mapping[str, Any]]:
        """The row of the table for a method at a size."""
        return next((r for r in self.rows(size) if r["method"] == method), None)

    def why_no_best(self, size: Any) -> str:
        """Why the best method at a size cannot be told yet; empty if it can."""
        counts = sorted(row["n"] for row in self.rows(size))
        asked = {cell.method for cell in self.cells if cell.size == size}
        if not counts:
            return "no result yet"
        if len(counts) < len(asked):
            return (
                f"{len(counts)} of {len(asked)} methods have a result: which is the "
                "best is not known yet"
            )
        if not self.is_even(size):
            return (
                "methods have finished cells of other draws or seeds: their means are "
                "not comparable yet"
            )
        if len(counts) > 1 and counts[0] == 1:
            return "one cell of each method: too few to tell which is the best"
        return ""

    def is_even(self, size: Any) -> bool:
        """Whether all methods with a result have finished the same draws and seeds."""
        done = (self.of(row["method"], size) for row in self.rows(size))
        return len({frozenset((it.draw, it.seed) for it in each) for each in done}) <= 1

    def grouped(self, methods: Sequence[str]) -> dict[str, list[str]]:
        """Methods by chart; if there are several charts, random weights are in each."""
        groups: dict[str, list[str]] = {}
        for each in self.grid["methods"]:
            if each["name"] in methods and each["name"] != RANDOM:
                group = each.get("group") or "Methods"
                groups.setdefault(group, []).append(each["name"])
        parts = {}
        for name, members in groups.items():
            count = math.ceil(len(members) / _MOST_LINES)
            for k in range(count):
                heading = name if count == 1 else f"{name} ({k + 1} of {count})"
                parts[heading] = members[k * _MOST_LINES : (k + 1) * _MOST_LINES]
        if len(methods) <= _MOST_LINES or len(parts) == 1:
            return {EVERY: list(methods)}
        reference = [method for method in methods if method == RANDOM]
        return {name: reference + members for name, members in parts.items()}

    def median_cell(self, method: str) -> Optional[Cell]:
        """The finished cell with the median Dice, at the smallest size of a method."""
        for size in self.sizes:
            cells = [cell for cell in self.of(method, size) if cell.dice is not None]
            if cells:
                cells.sort(key=lambda cell: (cell.dice, cell.draw))
                return cells[(len(cells) - 1) // 2]
        return None

    def shown_cells(self) -> dict[str, Cell]:
        """A finished cell for each method: that of the first method's median draw.

        A method that lacks that draw is shown by its own median cell.
        """
        found = {method: self.median_cell(method) for method in self.methods}
        found = {method: cell for method, cell in found.items() if cell}
        draws = [(cell.size, cell.draw, cell.seed) for cell in found.values()][:1]
        for cell in self.cells:
            is_shared = (cell.size, cell.draw, cell.seed) in draws
            if is_shared and cell.state == "done" and cell.dice is not None:
                found[cell.method] = cell
        return found


def read(folder: Path) -> Results:
    """Reads an experiment's results.

    Raises:
      UserError: results.json is missing, or not what dscl-experiment writes.
    """
    content = results_json.read(folder / results_json.FILE)
    cells = [
        Cell(
            **{name: it.get(name) for name in Cell._fields}
            | {name: folder / it[name] for name in ("run", "evaluation")}
        )
        for it in content["cells"]
    ]
    others = {name: content[name] for name in Results._fields if name in content}
    return Results(**{**others, "folder": folder, "cells": cells})
