"""What an experiment wrote into results.json, checked where the report relies on it."""

import dataclasses
import math
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, Optional

from dscl_tf import errors, files, json_forms
from dscl_tf.json_forms import MAYBE, NUMBER, Each, Either, Word
from dscl_tf.reporting import words

FORMAT = 1
FILE = "results.json"
RANDOM = "random"
ALL = "all"  # The size of a benchmark.
EVERY = "All methods"
_MOST_LINES = 6  # In one chart; of more methods each group has a chart.
_CURE = "run dscl-experiment again, which writes it anew from its cells"
_TEXT = (str, type(None))
_SIZE = Either((int, Word(ALL)))
_PAIRED = {"n": int, "mean": NUMBER, "low": MAYBE, "high": MAYBE, "num_above": int}
_FORM = {
    "name": str,
    "versions": dict,
    "cohort": {"label_names": [str], "size_px": list},
    "grid": {"methods": [{"name": str, "title?": str, "group?": str}]},
    "pretraining": [
        {"name": str, "run": str, "state": str, "seconds?": MAYBE, "error?": _TEXT}
    ],
    "cells": [
        {
            **{"method": str, "size": _SIZE, "draw": int, "seed": int, "state": str},
            **{"run": str, "evaluation": str, "dice": MAYBE},
            **{"seconds?": MAYBE, "error?": _TEXT},
        }
    ],
    "table": [
        {
            **{"method": str, "size": _SIZE, "n": int, "mean": NUMBER, "std": MAYBE},
            **{"structures": Each({"mean": NUMBER, "std": MAYBE}), "paper?": MAYBE},
            **dict.fromkeys(
                ("versus_random?", "versus_gr?"), Either((type(None), _PAIRED))
            ),
        }
    ],
}


@dataclasses.dataclass(frozen=True)
class Cell:
    """One fine-tuning and its evaluation."""

    method: str
    size: Any  # int or "all".
    draw: int
    seed: int
    state: str  # done, failed or missing.
    run: pathlib.Path
    evaluation: pathlib.Path
    dice: Optional[float]
    seconds: Optional[float]
    error: Optional[str]


@dataclasses.dataclass(frozen=True)
class Results:
    """An experiment's results."""

    folder: pathlib.Path
    name: str
    versions: Mapping[str, Any]
    cohort: Mapping[str, Any]
    grid: Mapping[str, Any]
    pretraining: Sequence[Mapping[str, Any]]
    cells: Sequence[Cell]
    table: Sequence[Mapping[str, Any]]

    @property
    def methods(self) -> list[str]:
        """Names in the order of the grid."""
        return [each["name"] for each in self.grid["methods"]]

    @property
    def titles(self) -> dict[str, str]:
        """As the page shows them, by name."""
        return {
            each["name"]: words.title_text(each.get("title") or each["name"])
            for each in self.grid["methods"]
        }

    @property
    def numbers(self) -> dict[str, int]:
        """How each method looks in every chart; random weights are grey."""
        others = [method for method in self.methods if method != RANDOM]
        return {RANDOM: -1, **{method: k for k, method in enumerate(others)}}

    @property
    def groups(self) -> dict[str, str]:
        return {
            each["name"]: each.get("group") or "Methods"
            for each in self.grid["methods"]
        }

    @property
    def sizes(self) -> list:
        """Numbers of labelled volumes that have cells or results; "all" last."""
        found = {each.size for each in self.cells} | {r["size"] for r in self.table}
        return sorted(found, key=size_order)

    @property
    def structures(self) -> list[str]:
        return list(self.cohort["label_names"][1:])

    def of(self, method: str, size: Any) -> list[Cell]:
        """The finished cells of a method at a size."""
        return [
            cell
            for cell in self.cells
            if (cell.method, cell.size, cell.state) == (method, size, "done")
        ]

    def why_no_best(self, size: Any) -> str:
        """Why the highest mean at a size says nothing yet; empty if it does."""
        rows = [row for row in self.table if row["size"] == size]
        asked = {cell.method for cell in self.cells if cell.size == size}
        if not rows:
            return "no result yet"
        if len(rows) < len(asked):
            return (
                f"{len(rows)} of {len(asked)} methods have a result: which is the "
                "best is not known yet"
            )
        if not same_count(rows):
            counts = sorted(row["n"] for row in rows)
            return (
                f"methods have {counts[0]} to {counts[-1]} finished cells: their means "
                "are not comparable yet"
            )
        if len(rows) > 1 and rows[0]["n"] == 1:
            return "one cell of each method: too few to tell which is the best"
        return ""

    def grouped(self, methods: Sequence[str]) -> dict[str, list[str]]:
        """Methods by chart; where there are several, random weights are in each."""
        groups: dict[str, list[str]] = {}
        for method in methods:
            if method != RANDOM:
                groups.setdefault(self.groups[method], []).append(method)
        parts = {
            f"{name} ({at // _MOST_LINES + 1} of {-(-len(members) // _MOST_LINES)})"
            if len(members) > _MOST_LINES
            else name: members[at : at + _MOST_LINES]
            for name, members in groups.items()
            for at in range(0, len(members), _MOST_LINES)
        }
        if len(methods) <= _MOST_LINES or len(parts) == 1:
            return {EVERY: list(methods)}
        reference = [method for method in methods if method == RANDOM]
        return {name: reference + members for name, members in parts.items()}

    def shown_cells(self) -> dict[str, Cell]:
        """A finished cell for each method: that of the first method's median draw.

        A method without that draw has its own median one.
        """
        found = {method: self.median_cell(method) for method in self.methods}
        found = {method: cell for method, cell in found.items() if cell}
        shared = next(iter(found.values()), None)
        for method in found:
            for cell in self.of(method, shared.size):
                same = (cell.draw, cell.seed) == (shared.draw, shared.seed)
                if same and cell.dice is not None:
                    found[method] = cell
        return found

    def median_cell(self, method: str) -> Optional[Cell]:
        """The finished cell of a method's smallest size that has the median Dice."""
        for size in self.sizes:
            cells = [cell for cell in self.of(method, size) if cell.dice is not None]
            if cells:
                cells.sort(key=lambda cell: (cell.dice, cell.draw))
                return cells[(len(cells) - 1) // 2]
        return None

    def row(self, method: str, size: Any) -> Optional[Mapping[str, Any]]:
        """The row of the table for a method at a size."""
        found = [r for r in self.table if (r["method"], r["size"]) == (method, size)]
        return found[0] if found else None


def same_count(rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether rows are means of as many cells, so that they can be compared."""
    return len({row["n"] for row in rows}) == 1


def size_order(size: Any) -> float:
    """The order of sizes: numbers, then "all"."""
    return math.inf if size == ALL else size


def size_words(size: Any) -> str:
    """A number of labelled volumes in words."""
    if size == ALL:
        return "all labelled volumes"
    return f"{size} labelled volume{'' if size == 1 else 's'}"


def read(folder: pathlib.Path) -> Results:
    """Reads an experiment's results.

    Raises:
      UserError: results.json is missing, or not what dscl-experiment writes.
    """
    content = read_content(folder / FILE)
    cells = [
        Cell(
            *(each[name] for name in ("method", "size", "draw", "seed", "state")),
            folder / each["run"],
            folder / each["evaluation"],
            each["dice"],
            each.get("seconds"),
            each.get("error"),
        )
        for each in content["cells"]
    ]
    others = {name: content[name] for name in _FORM if name != "cells"}
    return Results(folder=folder, cells=cells, **others)


def read_content(path: pathlib.Path) -> dict[str, Any]:
    """Reads a results.json, wherever it lies, as it is.

    Raises:
      UserError: it is missing, or not what dscl-experiment writes.
    """
    content = files.read_json_object(path, "experiment's results")
    if content.get("format") != FORMAT:
        raise errors.UserError(
            f"{path}: format {content.get('format')!r}, expected {FORMAT}: {_CURE}."
        )
    json_forms.check(path, content, _FORM, _CURE)
    if not content["cohort"]["label_names"]:
        raise errors.UserError(
            f"{path}: cohort.label_names: found no name, expected some: {_CURE}."
        )
    known = {each["name"] for each in content["grid"]["methods"]}
    for place in ("cells", "table"):
        unknown = {each["method"] for each in content[place]} - known
        if unknown:
            raise errors.UserError(
                f"{path}: {place}: found the method {min(unknown)!r}, expected one of "
                f"grid.methods: {_CURE}."
            )
    return content
