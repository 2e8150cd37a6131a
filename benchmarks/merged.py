#!/usr/bin/env python3
"""Merges the results.json of an experiment that was run in pieces, on several days."""

import pathlib
import sys
from collections.abc import Iterable, Mapping, Sequence

import result_files
from absl import flags
from dscl_flags import binary

from dscl_tf import errors, files, results_json

_INPUT = flags.DEFINE_list("input", [], "Files results.json, two or more.")
_OUTPUT = flags.DEFINE_string("output", None, "File to write; may be one of them.")

USAGE = """
benchmarks/merged.py --input=A/results.json,B/results.json[,...] --output=C.json

Puts the cells of pieces together (other methods, sizes, draws or seeds, the same
settings and kind of slices), writes them with their table, and prints that. A cell that
several have is the first one's.
"""
_KEY = ("seed", "draw", "size", "method")
# What draws and Dice depend on. Ids are not compared, as prepared cohorts of two
# machines differ by rounding.
_OF_COHORT = ("label_names", "size_px", "spacing_mm", "paper_dataset")


def main() -> None:
    """Writes and prints the merged results.

    Raises:
      UserError: the pieces do not fit together.
    """
    if len(_INPUT.value) < 2 or not _OUTPUT.value:
        raise errors.UserError("--input=FILE,FILE[,...] and --output=FILE are needed.")
    contents = result_files.read_all(_INPUT.value)
    result_files.check_same_settings(_INPUT.value, contents)
    result_files.check_same_methods(_INPUT.value, contents)
    _check_same_cohort(_INPUT.value, contents)
    # Imported here: it imports TensorFlow, whose notices `binary.run` has turned off.
    from dscl_tf.experiments import results

    whole = merge(contents)
    names = [method["name"] for method in whole["grid"]["methods"]]
    of_paper = results.of_paper(whole["cohort"].get("paper_dataset"))
    whole["table"] = results.table_rows(whole["cells"], names, of_paper)
    files.write_json(pathlib.Path(_OUTPUT.value), whole)
    print(results.as_markdown(whole))


def _check_same_cohort(paths: Sequence[str], contents: Sequence[Mapping]) -> None:
    first = contents[0]["cohort"]
    for path, content in zip(paths[1:], contents[1:]):
        for name in _OF_COHORT:
            one, other = first.get(name), content["cohort"].get(name)
            if one != other:
                raise errors.UserError(
                    f"{paths[0]} and {path} are of other cohorts: {name} is {one!r} "
                    f"and {other!r}. Give pieces of one experiment."
                )


def merge(contents: Sequence[Mapping]) -> dict:
    """The content of a results.json with the cells of all, without their table.

    Args:
      contents: of each results.json; of a cell that several have, the first is kept.
    """
    first = contents[0]
    grids = [content["grid"] for content in contents]
    methods = _unique((m for grid in grids for m in grid["methods"]), ("name",))
    order = [method["name"] for method in methods]
    # What was not run gives way to the same of another piece that was.
    listed = [cell for content in contents for cell in content["cells"]]
    listed.sort(key=lambda cell: cell["dice"] is None)
    cells = _unique(listed, _KEY)
    cells.sort(key=lambda cell: _place(cell, order))
    runs = [run for content in contents for run in content["pretraining"]]
    runs.sort(key=lambda run: run["state"] != "done")
    numbers = {
        name: sorted(set().union(*(grid[name] for grid in grids)))
        for name in ("sizes", "draws", "seeds")
    }
    return {
        **first,
        "grid": {**first["grid"], "methods": methods, **numbers},
        "pretraining": _unique(runs, ("name",)),
        "cells": cells,
    }


def _unique(found: Iterable[dict], key: Sequence[str]) -> list[dict]:
    """The first of each key."""
    kept: dict[tuple, dict] = {}
    for each in found:
        kept.setdefault(tuple(each[name] for name in key), each)
    return list(kept.values())


def _place(cell: Mapping, order: Sequence[str]) -> tuple:
    """Sort key for the order of dscl-experiment: by seed, draw, size and method."""
    size = results_json.size_order(cell["size"])
    return (cell["seed"], cell["draw"], size, order.index(cell["method"]))


if __name__ == "__main__":
    binary.run(main, [sys.modules[__name__]], USAGE)
