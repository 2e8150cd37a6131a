import pytest

from dscl_tf.experiments import results


def cell(method, draw, dice, size=1, **fields):
    found = {"method": method, "size": size, "draw": draw, "seed": 0, "dice": dice}
    found |= {"structures": {"a": dice, "b": None}, "state": "done", "error": None}
    return {**found, "run": f"{method}_{draw}", **fields}


def test_rows_pair_the_same_draws():
    cells = [cell("random", 0, 0.5), cell("random", 1, 0.6), cell("random", 2, 0.7)]
    cells += [cell("gr", 0, 0.6), cell("gr", 2, 0.9)]
    cells += [cell("gr", 1, None, state="failed", error="why")]
    cells += [cell("random", 0, 0.8, size="all"), cell("random", 0, 0.1, size=8)]
    rows = results.table_rows(cells, ["random", "gr"], {"gr": {"1": 0.631}})
    assert [(r["size"], r["method"]) for r in rows] == [
        (1, "random"),
        (1, "gr"),
        (8, "random"),
        ("all", "random"),
    ]
    gr = rows[1]
    assert gr["n"] == 2 and gr["mean"] == pytest.approx(0.75)
    assert gr["versus_random"]["mean"] == pytest.approx(0.15)  # 0.1 and 0.2.
    assert gr["versus_random"]["n"] == 2 and gr["versus_gr"] is None
    assert gr["paper"] == 0.631 and rows[0]["paper"] is None
    assert gr["structures"] == {"a": {"mean": pytest.approx(0.75), "std": gr["std"]}}


def test_seeds_of_a_draw_are_one_pair():
    # Gains of draw 0 are 0.1 and 0.3, of draw 1 0.4.
    cells = [cell("random", 0, 0.5), cell("random", 0, 0.5, seed=1)]
    cells += [cell("random", 1, 0.5), cell("gd", 1, 0.9)]
    cells += [cell("gd", 0, 0.6), cell("gd", 0, 0.8, seed=1)]
    row = results.table_rows(cells, ["random", "gd"], {})[1]
    # Dice of the draws 0.7 and 0.9, as mean and spread.
    assert row["n"] == 2 and row["mean"] == pytest.approx(0.8)
    assert row["std"] == pytest.approx(0.02**0.5)
    assert row["structures"]["a"]["mean"] == pytest.approx(0.8)
    assert row["versus_random"]["n"] == 2
    assert row["versus_random"]["mean"] == pytest.approx(0.3)


def test_tables_for_readers():
    cells = [cell("random", 0, 0.5), cell("gr", 0, 0.625)]
    cells.append(cell("gr", 1, None, state="failed", error="no memory"))
    content = {
        "cohort": {"label_names": ["background", "a", "b"]},
        "grid": {
            "methods": [
                {"name": "random", "title": "Random"},
                {"name": "gr", "title": "G^R"},
            ]
        },
        "cells": cells,
        "table": results.table_rows(cells, ["random", "gr"], {}),
    }
    text = results.as_markdown(content)
    assert "| 1 | G^R | 1 | 0.625 | 0.625 |  | +0.125, 1 of 1 |  |" in text
    assert "1 of 3 cells have no result:\n- gr_1: no memory" in text
    lines = results.as_csv(content).splitlines()
    assert lines[0].startswith("labelled,method,title,n,dice_mean,dice_std,a_mean")
    assert lines[2].startswith("1,gr,G^R,1,0.625,,0.625,")
