"""Draws of several experiments together."""

import pytest

from benchmarks import pooled_gains


def experiment(cohort, seed, dice):
    """Cells of random weights and G^D, two draws."""
    cells = [
        {"method": name, "size": 1, "draw": draw, "seed": seed, "dice": value}
        for name, values in zip(("random", "gd"), dice)
        for draw, value in enumerate(values)
    ]
    return {"cohort": {"id": cohort}, "cells": cells}


def test_seeds_of_a_cohort_share_its_draws():
    cells = pooled_gains.pooled(
        [
            experiment("a", 0, [(0.5, 0.6), (0.6, 0.6)]),
            experiment("a", 1, [(0.5, 0.6), (0.8, 0.8)]),
            experiment("b", 0, [(0.3, 0.4), (0.4, 0.3)]),
        ],
        1,
    )
    assert len({cell["draw"] for cell in cells}) == 4
    assert pooled_gains.gains(cells)["gd"] == pytest.approx([0.2, 0.1, 0.1, -0.1])
    rows = pooled_gains.as_markdown(cells, ["random", "gd"]).splitlines()[2:]
    assert rows == [
        "| 0.300 | +0.100 |",
        "| 0.400 | -0.100 |",
        "| 0.500 | +0.200 |",
        "| 0.600 | +0.100 |",
    ]
