"""One experiment's results, put together from its pieces."""

import json
import pathlib

import pytest

from tests.bin import running
from tests.rounding import rounded

ROOT = pathlib.Path(__file__).parents[1]
COMMITTED = ROOT / "docs" / "results"
WHOLE = COMMITTED / "table1_phantom.json"


def merged(output, *inputs):
    paths = ",".join(str(path) for path in inputs)
    return running.benchmark("merged", f"--input={paths}", f"--output={output}")


def piece(path, wanted, **changed):
    """A part of the committed results, with a table that is not the whole's."""
    content = json.loads(WHOLE.read_text(encoding="utf-8"))
    cells = [cell for cell in content["cells"] if wanted(cell)]
    methods = {cell["method"] for cell in cells}
    grid = content["grid"]
    part = {
        **content,
        "grid": {
            **grid,
            "methods": [m for m in grid["methods"] if m["name"] in methods],
            **{
                f"{name}s": sorted({cell[name] for cell in cells})
                for name in ("size", "draw", "seed")
            },
        },
        "cells": cells,
        "table": [],
        **changed,
    }
    path.write_text(json.dumps(part), encoding="utf-8")
    return path


def test_pieces_give_the_whole(tmp_path):
    pieces = [
        piece(tmp_path / "random.json", lambda cell: cell["method"] == "random"),
        piece(
            tmp_path / "early.json",
            lambda cell: cell["method"] != "random" and cell["draw"] < 3,
        ),
        piece(
            tmp_path / "late.json",
            lambda cell: cell["method"] != "random" and cell["draw"] >= 3,
        ),
    ]
    done = merged(tmp_path / "whole.json", *pieces)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "whole.json").read_text(encoding="utf-8"))
    assert rounded(found) == rounded(json.loads(WHOLE.read_text(encoding="utf-8")))
    # The output may be one of the inputs.
    assert merged(pieces[0], *pieces).returncode == 0
    assert pieces[0].read_bytes() == (tmp_path / "whole.json").read_bytes()
    assert "| 1 | G^D | 6 | 0.571 ± 0.058 |" in done.stdout


def test_pretraining_that_one_piece_lacks_is_taken_from_another(tmp_path):
    runs = json.loads(WHOLE.read_text(encoding="utf-8"))["pretraining"]
    states = [
        [{**run, "state": state} for run in runs] for state in ("missing", "done")
    ]
    pieces = [
        piece(tmp_path / f"{k}.json", lambda cell: True, pretraining=found)
        for k, found in enumerate(states)
    ]
    assert merged(tmp_path / "both.json", *pieces).returncode == 0
    found = json.loads((tmp_path / "both.json").read_text(encoding="utf-8"))
    assert found["pretraining"] == states[1]


@pytest.mark.parametrize(
    ("methods", "fits"), [({"random", "gd+lr_crops"}, True), (None, False)]
)
def test_settings_of_methods_that_no_row_has_do_not_count(tmp_path, methods, fits):
    content = json.loads((COMMITTED / "today_test_acdc.json").read_text("utf-8"))
    grid = content["grid"]
    rows = [m for m in grid["methods"] if methods is None or m["name"] in methods]
    cells = [c for c in content["cells"] if methods is None or c["method"] in methods]
    paths = []
    for factor in (12.0, 24.0):
        for stage in grid["settings"].values():
            stage["finetune"]["consistency"]["steps_factor"] = factor
        part = {**content, "grid": {**grid, "methods": rows}, "cells": cells}
        part["table"] = []
        paths.append(tmp_path / f"{factor}.json")
        paths[-1].write_text(json.dumps(part), encoding="utf-8")
    done = merged(tmp_path / "both.json", *paths)
    assert (done.returncode == 0) is fits, done.stderr
    if not fits:
        said = "are of other settings: finetune.finetune.consistency.steps_factor is"
        assert said in done.stderr


def test_the_first_result_of_a_cell_stays(tmp_path):
    content = json.loads(WHOLE.read_text(encoding="utf-8"))
    cells = [dict(cell) for cell in content["cells"][:3]]
    before = [cell["dice"] for cell in cells]
    again = [{**cell, "dice": 0.5} for cell in cells]
    cells[1].update(dice=None, state="missing")
    first = piece(tmp_path / "first.json", lambda cell: True, cells=cells)
    second = piece(tmp_path / "second.json", lambda cell: True, cells=again)
    assert merged(tmp_path / "both.json", first, second).returncode == 0
    found = json.loads((tmp_path / "both.json").read_text(encoding="utf-8"))
    # Of a cell that was not run in the first piece, it is the second's.
    dice = {(c["size"], c["method"]): c["dice"] for c in found["cells"]}
    keys = [(cell["size"], cell["method"]) for cell in cells]
    assert [dice[key] for key in keys] == [before[0], 0.5, before[2]]


@pytest.mark.parametrize(
    "name, said",
    [
        ("steps800_phantom", "finetune.optimizer.num_steps is"),
        ("no_such", "no_such.json"),
        ("recipe_test_acdc", "are of other"),
    ],
)
def test_what_does_not_go_together_is_one_sentence(tmp_path, name, said):
    done = merged(tmp_path / "x.json", WHOLE, COMMITTED / f"{name}.json")
    assert running.is_one_sentence(done), done.stderr
    assert said in done.stderr
    assert not (tmp_path / "x.json").exists()


def test_other_volumes_or_rounds_are_refused(tmp_path):
    content = json.loads(WHOLE.read_text(encoding="utf-8"))
    content["grid"]["settings"]["finetune"]["split"]["num_test"] = 4
    other = tmp_path / "split.json"
    other.write_text(json.dumps(content), encoding="utf-8")
    done = merged(tmp_path / "x.json", WHOLE, other)
    assert running.is_one_sentence(done), done.stderr
    assert "are of other settings: split.num_test is 16 and 4" in done.stderr
    content = json.loads(WHOLE.read_text(encoding="utf-8"))
    content["grid"]["methods"][-1]["settings"]["local.strategy"] = "ld"
    other.write_text(json.dumps(content), encoding="utf-8")
    done = merged(tmp_path / "x.json", WHOLE, other)
    assert running.is_one_sentence(done), done.stderr
    assert "split.json: gd+lr is {" in done.stderr


def test_other_slices_are_refused(tmp_path):
    content = json.loads(WHOLE.read_text(encoding="utf-8"))
    larger = {**content["cohort"], "size_px": [192, 192]}
    other = piece(tmp_path / "other.json", lambda cell: True, cohort=larger)
    done = merged(tmp_path / "x.json", WHOLE, other)
    assert running.is_one_sentence(done), done.stderr
    assert "of other cohorts: size_px is [64, 64] and [192, 192]" in done.stderr


def test_one_file_is_not_enough(tmp_path):
    done = merged(tmp_path / "x.json", WHOLE)
    assert running.is_one_sentence(done), done.stderr
    assert "--input=FILE,FILE[,...] and --output=FILE are needed" in done.stderr
