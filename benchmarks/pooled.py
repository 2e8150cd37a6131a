#!/usr/bin/env python3
"""Gains over random weights, draw by draw, in one experiment or several together."""

import pathlib
import sys
from collections.abc import Mapping, Sequence

import pooled_figure
import pooled_gains
import result_files
from absl import flags
from dscl_flags import binary

from dscl_tf import errors

_INPUT = flags.DEFINE_list("input", [], "Files results.json, one at least.")
_SIZE = flags.DEFINE_integer("size", 1, "Number of labelled volumes.", 1)
_FIGURE = flags.DEFINE_string(
    "figure", None, "PNG to draw in place of the tables, of all sizes that all have."
)

_METHODS = flags.DEFINE_list(
    "methods", [], "Methods to show beside random weights; all, if empty."
)

USAGE = """
benchmarks/pooled.py --input=A/results.json[,B/results.json ...] [--size=1]
    [--methods=METHOD,METHOD,...] [--figure=FILE]

Prints the table of the methods that all the experiments have, over the draws of all of
them, and the gains of each draw, lowest Dice of random weights first. Each draw is
compared with random weights on its own cohort and seed, so each experiment has another
cohort or seed; seeds of one cohort's draw are averaged. A cohort that was prepared
twice counts as two: give each once. With --figure draws the gains for each number of
labelled volumes: a dot for each draw (filled: the first experiment), the mean and its
95 % interval.
"""
_RANDOM = pooled_gains.RANDOM


def main() -> None:
    """Prints both tables, or draws them."""
    if not _INPUT.value:
        raise errors.UserError("--input=FILE[,FILE...] is needed: files results.json.")
    read = result_files.read_all(_INPUT.value)
    result_files.check_apart(_INPUT.value, read)
    result_files.check_same_settings(_INPUT.value, read)
    result_files.check_same_methods(_INPUT.value, read)
    if _FIGURE.value:
        _draw(read, pathlib.Path(_FIGURE.value))
        return
    cells, order = _of_size(read, _SIZE.value)
    # Imported here: it imports TensorFlow, whose notices `binary.run` has turned off.
    from dscl_tf.experiments import results

    table = results.table_rows(cells, order, {})
    print(results.as_markdown({**read[0], "cells": cells, "table": table}))
    print()
    print(pooled_gains.as_markdown(cells, order))


def _of_size(read: Sequence[Mapping], size: int) -> tuple[list[dict], list[str]]:
    """The cells of all experiments, and their methods in order.

    Raises:
      UserError: there is nothing that can be compared.
    """
    cells = pooled_gains.pooled(read, size)
    shared = {cell["method"] for cell in cells}
    if _RANDOM not in shared:
        raise errors.UserError(
            f"{_INPUT.value[0]} and the others do not all have cells of {_RANDOM!r} "
            f"with {size} labelled volumes."
        )
    order = [each["name"] for each in read[0]["grid"]["methods"]]
    if missing := [name for name in _METHODS.value if name not in shared]:
        raise errors.UserError(
            f"--methods has {missing[0]}, expected methods that all of --input have "
            f"with {size} labelled volumes: {', '.join(sorted(shared))}."
        )
    wanted = [_RANDOM, *(_METHODS.value or order)]
    kept = [name for name in dict.fromkeys(wanted) if name in shared]
    return [cell for cell in cells if cell["method"] in kept], kept


def _draw(read: Sequence[Mapping], path: pathlib.Path) -> None:
    from dscl_tf.experiments import results

    of_all = [{cell["size"] for cell in content["cells"]} for content in read]
    titles = {m["name"]: m["title"] for m in read[0]["grid"]["methods"]}
    tables, each, shown = {}, {}, {}
    for size in sorted(n for n in set.intersection(*of_all) if isinstance(n, int)):
        cells, order = _of_size(read, size)
        tables[size] = results.table_rows(cells, order, {})
        each[size] = [
            pooled_gains.gains(
                [cell for cell in content["cells"] if cell["size"] == size]
            )
            for content in read
        ]
        shown.update({name: titles[name] for name in order if name != _RANDOM})
    pooled_figure.draw(tables, each, shown, path)


if __name__ == "__main__":
    binary.run(main, [sys.modules[__name__]], USAGE)
