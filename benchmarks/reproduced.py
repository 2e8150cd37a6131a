#!/usr/bin/env python3
"""Checks whether an experiment that was run again gives the same figures."""

import statistics
import sys
from collections.abc import Mapping, Sequence

import result_files
from absl import flags
from dscl_flags import binary

from dscl_tf import errors

_INPUT = flags.DEFINE_string("input", None, "File results.json of the new run.")
_REFERENCE = flags.DEFINE_string(
    "reference", None, "File results.json that it is held against."
)

USAGE = """
benchmarks/reproduced.py --input=NEW/results.json --reference=docs/results/NAME.json

Compares the cells that both have (method, labelled volumes, draw, seed), row by row:
the means, how far single cells lie apart, and whether the new mean lies within the
standard deviation over draws that the reference states (a row of one draw has none).
Exit code 1 if one does not.
"""
_KEY = ("method", "size", "draw", "seed")


def main() -> None:
    """Prints the comparison.

    Raises:
      UserError: there is nothing to compare, or a row is not reproduced.
    """
    if not _INPUT.value or not _REFERENCE.value:
        raise errors.UserError("--input=FILE and --reference=FILE are needed.")
    paths = (_INPUT.value, _REFERENCE.value)
    new, old = result_files.read_all(paths)
    result_files.check_same_settings(paths, (new, old))
    result_files.check_same_methods(paths, (new, old))
    rows = compare(new["cells"], old["cells"], old["table"])
    if not rows:
        raise errors.UserError(
            f"{_INPUT.value} and {_REFERENCE.value} have no finished cell in common."
        )
    print(as_markdown(rows, {m["name"]: m["title"] for m in old["grid"]["methods"]}))
    if new["cohort"]["id"] != old["cohort"]["id"]:
        print("\nThe prepared cohorts differ, at least by rounding.")
    outside = [row for row in rows if row["within"] is False]
    if outside:
        said = ", ".join(f"{row['method']} with {row['size']}" for row in outside)
        raise errors.UserError(f"Not within the stated spread: {said}.")


def compare(
    new: Sequence[Mapping], old: Sequence[Mapping], stated: Sequence[Mapping]
) -> list[dict]:
    """A row for each method and size, over the cells that both have.

    Args:
      new: cells of results.json.
      old: those that they are compared with.
      stated: the table of the old cells, however few of its draws are repeated.
    """
    spreads = {(row["method"], row["size"]): row["std"] for row in stated}
    before, now = _by_key(old), _by_key(new)
    found = []
    for method, size in dict.fromkeys(key[:2] for key in before if key in now):
        keys = [key for key in before if key[:2] == (method, size) and key in now]
        std = spreads.get((method, size))
        old_mean = statistics.fmean(before[key] for key in keys)
        new_mean = statistics.fmean(now[key] for key in keys)
        apart = [abs(now[key] - before[key]) for key in keys]
        found.append(
            {
                "method": method,
                "size": size,
                "n": len(keys),
                "old": old_mean,
                "new": new_mean,
                "std": std,
                "apart": statistics.fmean(apart),
                "most": max(apart),
                # A row of one draw states no spread to compare with.
                "within": None if std is None else abs(new_mean - old_mean) <= std,
            }
        )
    return found


def _by_key(cells: Sequence[Mapping]) -> dict[tuple, float]:
    done = [cell for cell in cells if cell["dice"] is not None]
    return {tuple(cell[name] for name in _KEY): cell["dice"] for cell in done}


def as_markdown(rows: Sequence[Mapping], titles: Mapping[str, str]) -> str:
    """The table for readers."""
    lines = [
        "| labelled | method | n | before | again | cells apart: mean, most | within |",
        "|---" * 7 + "|",
    ]
    words = {True: "yes", False: "no", None: "–"}
    for row in rows:
        deviation = "" if row["std"] is None else f" ± {row['std']:.3f}"
        lines.append(
            f"| {row['size']} | {titles[row['method']]} | {row['n']} | "
            f"{row['old']:.3f}{deviation} | {row['new']:.3f} | {row['apart']:.3f}, "
            f"{row['most']:.3f} | {words[row['within']]} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    binary.run(main, [sys.modules[__name__]], USAGE)
