"""A small experiment folder, as dscl-experiment leaves it, without its runs."""

import json

import pytest

from dscl_tf.experiments import results


def cell(method, size, draw, dice, **fields):
    found = {
        "method": method,
        "size": size,
        "draw": draw,
        "seed": 0,
        "state": "done" if dice is not None else "failed",
        "run": f"cells/n{size}_draw{draw}_{method}/finetune",
        "evaluation": f"cells/n{size}_draw{draw}_{method}/test",
        "dice": dice,
        "structures": {} if dice is None else {"disc": dice},
        "seconds": 60.0,
        "error": None if dice is not None else "<script>alert(1)</script> no memory",
    }
    return {**found, **fields}


@pytest.fixture
def experiment(tmp_path):
    """A function from changes of results.json to the folder."""

    def make(**changes):
        cells = [
            cell(method, size, draw, base + 0.1 * size + 0.01 * draw)
            for method, base in (("random", 0.3), ("gd", 0.4))
            for size in (1, 2)
            for draw in range(3)
        ]
        cells.append(cell("gd", 2, 3, None))
        content = {
            "format": results.FORMAT,
            "name": "trial <b>",
            "versions": {"dscl_tf": "0"},
            "cohort": {
                "id": "none",
                "prepared": "/no/such/cohort",
                "label_names": ["background", "disc"],
                "size_px": [16, 16],
                "spacing_mm": 2.0,
                "paper_dataset": "acdc",
            },
            "grid": {
                "methods": [
                    {"name": "random", "title": "Random"},
                    {"name": "gd", "title": "G^D & more"},
                ],
                "sizes": [1, 2],
                "draws": [0, 1, 2, 3],
                "seeds": [0],
                "settings": {"encoder": {"seed": 0}},
            },
            "pretraining": [
                {"name": "gd/encoder", "run": "pre", "state": "done"}
                | {"seconds": 100.0, "error": None}
            ],
            "cells": cells,
            "table": results.table_rows(cells, ["random", "gd"], {"gd": {"1": 0.691}}),
        }
        (tmp_path / "results.json").write_text(json.dumps({**content, **changes}))
        run = tmp_path / "pre"
        run.mkdir(exist_ok=True)
        rows = [f"{step},train/loss,{3 - step / 100}" for step in range(0, 200, 10)]
        (run / "metrics.csv").write_text("step,name,value\n" + "\n".join(rows) + "\n")
        return tmp_path

    return make
