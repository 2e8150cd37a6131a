"""Gains over random weights of the draws of several experiments."""

from collections.abc import Mapping, Sequence

from dscl_tf import results_json

RANDOM = "random"


def pooled(experiments: Sequence[Mapping], size: int) -> list[dict]:
    """The finished cells of one size, of the methods that every experiment has.

    Args:
      experiments: contents of results.json.
      size: number of labelled volumes.

    Returns:
      Cells whose draws have numbers that are unique across cohorts. Draws of one cohort
      are the same volumes in all experiments on it, so these share the numbers.
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
    base = dice.get(RANDOM, {})
    return {
        method: results_json.means_of_draws(
            {key: value - base[key] for key, value in own.items() if key in base}
        )
        for method, own in dice.items()
        if method != RANDOM
    }


def as_markdown(cells: Sequence[Mapping], order: Sequence[str]) -> str:
    """Each draw's gains over random weights, lowest random weights first."""
    others = [method for method in order if method != RANDOM]
    lines = [f"| {RANDOM} | {' | '.join(others)} |", "|---" * len(order) + "|"]
    rows = []
    for draw in dict.fromkeys(cell["draw"] for cell in cells):
        of_draw = [cell for cell in cells if cell["draw"] == draw]
        base = results_json.means_of_draws(_dice(of_draw).get(RANDOM, {}))
        rows += [(value, gains(of_draw)) for value in base]
    for base, own in sorted(rows, key=lambda row: row[0]):
        shown = [f"{own[name][0]:+.3f}" if own.get(name) else "" for name in others]
        lines.append(f"| {base:.3f} | {' | '.join(shown)} |")
    return "\n".join(lines)


def _is_done(cell: Mapping) -> bool:
    return cell["dice"] is not None


def _dice(cells: Sequence[Mapping]) -> dict[str, dict[tuple[int, int], float]]:
    """Dice by method, then by draw and seed."""
    found: dict[str, dict[tuple[int, int], float]] = {}
    for cell in filter(_is_done, cells):
        key = cell["draw"], cell["seed"]
        found.setdefault(cell["method"], {})[key] = cell["dice"]
    return found
