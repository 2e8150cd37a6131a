#!/usr/bin/env python3
"""What several experiments say together, each with a cohort or a seed of its own."""

import pathlib
from collections.abc import Mapping, Sequence

from absl import flags
from dscl_flags import binary

from dscl_tf import errors, files
from dscl_tf.experiments import results

_INPUT = flags.DEFINE_list("input", [], "Files results.json, two at least.")
_SIZE = flags.DEFINE_integer("size", 1, "Number of labelled volumes.", 1)

USAGE = """
benchmarks/pooled.py --input=A/results.json,B/results.json [--size=1]

Prints the table of the methods that all the experiments have, over the draws of all of
them (each draw still compared with random weights on its own cohort and seed), and the
gains of each draw, lowest Dice of random weights first.
"""
_RANDOM = "random"


def main() -> None:
    """Prints both tables."""
    if len(_INPUT.value) < 2:
        raise errors.UserError("--input names fewer than two files results.json.")
    read = [
        files.read_json_object(pathlib.Path(path), "results") for path in _INPUT.value
    ]
    cells = pooled([content["cells"] for content in read], _SIZE.value)
    shared = {cell["method"] for cell in cells}
    if _RANDOM not in shared:
        raise errors.UserError(
            f"{_INPUT.value[0]} and the others do not all have cells of {_RANDOM!r} "
            f"with {_SIZE.value} labelled volumes."
        )
    methods = read[0]["grid"]["methods"]
    order = [each["name"] for each in methods if each["name"] in shared]
    table = results.table_rows(cells, order, {})
    print(results.as_markdown({**read[0], "cells": cells, "table": table}))
    print()
    print(gains(cells, order))


def pooled(experiments: Sequence[Sequence[Mapping]], size: int) -> list[dict]:
    """The finished cells of one size, of the methods that every experiment has.

    Args:
      experiments: the cells of each.
      size: number of labelled volumes.

    Returns:
      Cells whose draws are those of all experiments, numbered through.
    """
    done = [
        [cell for cell in cells if cell["size"] == size and cell["dice"] is not None]
        for cells in experiments
    ]
    shared = set.intersection(*({cell["method"] for cell in cells} for cells in done))
    found, first = [], 0
    for cells in done:
        kept = [cell for cell in cells if cell["method"] in shared]
        found += [{**cell, "draw": first + cell["draw"]} for cell in kept]
        first += 1 + max((cell["draw"] for cell in kept), default=-1)
    return found


def gains(cells: Sequence[Mapping], order: Sequence[str]) -> str:
    """Each draw's gains over random weights, lowest random weights first."""
    dice = {
        (cell["method"], cell["draw"], cell["seed"]): cell["dice"] for cell in cells
    }
    others = [method for method in order if method != _RANDOM]
    lines = [f"| {_RANDOM} | {' | '.join(others)} |", "|---" * len(order) + "|"]
    start = {key[1:]: value for key, value in dice.items() if key[0] == _RANDOM}
    for pair, base in sorted(start.items(), key=lambda item: item[1]):
        own = [dice.get((method, *pair)) for method in others]
        shown = ["" if value is None else f"{value - base:+.3f}" for value in own]
        lines.append(f"| {base:.3f} | {' | '.join(shown)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    binary.run(main, [], USAGE)
