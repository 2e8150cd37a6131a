"""What an experiment wrote into results.json, checked where the report relies on it."""

import dataclasses
import math
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Optional

from dscl_tf import errors, files

FORMAT = 1
FILE = "results.json"
RANDOM = "random"
ALL = "all"  # The size of a benchmark.
_CURE = "run dscl-experiment again, which writes it anew from its cells"


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
        return {
            each["name"]: each.get("title") or each["name"]
            for each in self.grid["methods"]
        }

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
    return Results(
        folder=folder,
        **{name: content[name] for name in _EXPECTED if name != "cells"},
        cells=[_cell(folder, each) for each in content["cells"]],
    )


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
    _require(path, content, _EXPECTED)
    _require(path, content["cohort"], {"label_names": list, "size_px": list}, "cohort")
    _require(path, content["grid"], {"methods": list}, "grid")
    for place in ("pretraining", "cells", "table"):
        _check_list(path, content[place], place)
    _check_list(path, content["grid"]["methods"], "methods")
    _check_names(path, content)
    return content


_NUMBER = (int, float)
_MAYBE = (int, float, type(None))
_SIZE = (int, str)
_EXPECTED = {
    "name": str,
    "versions": dict,
    "cohort": dict,
    "grid": dict,
    "pretraining": list,
    "cells": list,
    "table": list,
}
_PLACES: dict[str, dict] = {
    "methods": {"name": str},
    "pretraining": {"name": str, "run": str, "state": str},
    "cells": {
        "method": str,
        "size": _SIZE,
        "draw": int,
        "seed": int,
        "state": str,
        "run": str,
        "evaluation": str,
        "dice": _MAYBE,
    },
    "table": {
        "method": str,
        "size": _SIZE,
        "n": int,
        "mean": _NUMBER,
        "std": _MAYBE,
        "structures": dict,
    },
}
_OPTIONAL = {
    "title": str,
    "group": str,
    "seconds": _MAYBE,
    "error": (str, type(None)),
    "paper": _MAYBE,
}
_PAIRED = {
    "n": int,
    "mean": _NUMBER,
    "low": _MAYBE,
    "high": _MAYBE,
    "num_above": int,
}


def _require(
    path: pathlib.Path, content: Any, expected: Mapping, where: str = ""
) -> None:
    """Refuses an object without the fields that are expected."""
    for name, kind in expected.items():
        value = content.get(name, _CURE) if isinstance(content, dict) else content
        missing = not isinstance(content, dict) or name not in content
        if missing or not isinstance(value, kind):
            found = "nothing" if missing else type(value).__name__
            kinds = kind if isinstance(kind, tuple) else (kind,)
            wanted = " or ".join(
                "null" if each is type(None) else each.__name__ for each in kinds
            )
            field = f"{where}.{name}" if where else name
            raise errors.UserError(
                f"{path}: {field}: found {found}, expected {wanted}: {_CURE}."
            )


def _check_list(path: pathlib.Path, items: Iterable, place: str) -> None:
    for index, item in enumerate(items):
        where = f"{place}[{index}]"
        _require(path, item, _PLACES[place], where)
        present = {name: kind for name, kind in _OPTIONAL.items() if name in item}
        _require(path, item, present, where)
        size = item.get("size", ALL)
        if isinstance(size, str) and size != ALL:
            raise errors.UserError(
                f"{path}: {where}.size: found {size!r}, expected a number or "
                f"{ALL!r}: {_CURE}."
            )
        for name in ("versus_random", "versus_gr"):
            if item.get(name) is not None:
                _require(path, item[name], _PAIRED, f"{where}.{name}")
        for name, found in (
            item.get("structures", {}).items() if place == "table" else ()
        ):
            expected = {"mean": _NUMBER, "std": _MAYBE}
            _require(path, found, expected, f"{where}.structures.{name}")


def _check_names(path: pathlib.Path, content: Mapping) -> None:
    known = {each["name"] for each in content["grid"]["methods"]}
    for place in ("cells", "table"):
        unknown = {each["method"] for each in content[place]} - known
        if unknown:
            raise errors.UserError(
                f"{path}: {place}: found the method {min(unknown)!r}, expected one of "
                f"grid.methods: {_CURE}."
            )
    names = content["cohort"]["label_names"]
    if not names or not all(isinstance(name, str) for name in names):
        raise errors.UserError(
            f"{path}: cohort.label_names: found {names!r}, expected names: {_CURE}."
        )


def _cell(folder: pathlib.Path, item: Mapping) -> Cell:
    return Cell(
        item["method"],
        item["size"],
        item["draw"],
        item["seed"],
        item["state"],
        folder / item["run"],
        folder / item["evaluation"],
        item["dice"],
        item.get("seconds"),
        item.get("error"),
    )
