"""Gains over random weights of the draws of several experiments."""

import statistics
from collections.abc import Mapping, Sequence

RANDOM = "random"


def pooled(experiments: Sequence[Mapping], size: int) -> list[dict]:
    """The finished cells of one size, of the methods that every experiment has.

    Args:
      experiments: contents of results.json.
      size: number of labelled volumes.

    Returns:
      Cells whose draws are those of all cohorts, numbered through. A cohort's draws
      are the same volumes in all experiments on it, so they keep their numbers.
    """
    done = [
        [cell for cell in each["cells"] if cell["size"] == size and _is_done(cell)]
        for each in experiments
    ]
    shared = set.intersection(*({cell["method"] for cell in cells} for cells in done))
    cohorts = [each["cohort"].get("id") for each in experiments]
    count = 1 + max((cell["draw"] for cells in done for cell in cells), default=0)
    first = {cohort: count * k for k, cohort in enumerate(dict.fromkeys(cohorts))}
    return [
        {**cell, "draw": first[cohort] + cell["draw"]}
        for cohort, cells in zip(cohorts, done)
        for cell in cells
        if cell["method"] in shared
    ]


def gains(cells: Sequence[Mapping]) -> dict[str, list[float]]:
    """Each draw's differences to random weights, by method, seeds averaged."""
    dice = _dice(cells)
    found: dict[str, list[float]] = {}
    for (method, draw), values in sorted(dice.items()):
        base = dice.get((RANDOM, draw), {})
        shared = [value - base[seed] for seed, value in values.items() if seed in base]
        if method != RANDOM and shared:
            found.setdefault(method, []).append(statistics.fmean(shared))
    return found


def as_markdown(cells: Sequence[Mapping], order: Sequence[str]) -> str:
    """Each draw's gains over random weights, lowest random weights first."""
    others = [method for method in order if method != RANDOM]
    lines = [f"| {RANDOM} | {' | '.join(others)} |", "|---" * len(order) + "|"]
    rows = []
    for (method, draw), values in _dice(cells).items():
        if method == RANDOM:
            own = gains([cell for cell in cells if cell["draw"] == draw])
            rows.append((statistics.fmean(values.values()), own))
    for base, own in sorted(rows, key=lambda row: row[0]):
        shown = [f"{own[name][0]:+.3f}" if name in own else "" for name in others]
        lines.append(f"| {base:.3f} | {' | '.join(shown)} |")
    return "\n".join(lines)


def _is_done(cell: Mapping) -> bool:
    return cell["dice"] is not None


def _dice(cells: Sequence[Mapping]) -> dict[tuple, dict[int, float]]:
    """By method and draw, then by seed."""
    found: dict[tuple, dict[int, float]] = {}
    for cell in filter(_is_done, cells):
        of_draw = found.setdefault((cell["method"], cell["draw"]), {})
        of_draw[cell["seed"]] = cell["dice"]
    return found
