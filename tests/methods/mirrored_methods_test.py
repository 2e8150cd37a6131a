import csv
import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from tests import weights
from tests.methods import mirrored_methods

SCRIPT = pathlib.Path(__file__).with_name("mirrored_methods.py")


def scalars_of(folder):
    with (folder / "metrics.csv").open() as file:
        rows = [row for row in csv.reader(file) if "loss" in row[1]]
    return {(row[0], row[1]): float(row[2]) for row in rows}


def assert_same_weights(first, second):
    one, two = weights.weights_of(first), weights.weights_of(second)
    assert one.keys() == two.keys()
    for key in one:
        if key.startswith("parts/") and "OPTIMIZER_SLOT" not in key:
            # Weights have moved by up to 3e-3, Adam's steps of 1e-3.
            np.testing.assert_allclose(two[key], one[key], atol=2e-4, err_msg=key)


@pytest.mark.slow
def test_all_methods_on_two_devices(tiny_folder, tmp_path):
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(tiny_folder), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    one, two = (scalars_of(tmp_path / kind) for kind in ("none", "mirrored"))
    assert one.keys() == two.keys()
    names = {name for _, name in one}
    assert names >= {f"train/{kind}_loss" for kind in ("global", "local", "class")}
    for key in one:
        np.testing.assert_allclose(two[key], one[key], rtol=1e-3, err_msg=str(key))
    for start in ("", *(f"{task}_" for task in mirrored_methods.TASKS)):
        assert_same_weights(tmp_path / f"{start}none", tmp_path / f"{start}mirrored")
    assert json.loads((tmp_path / "own" / "result.json").read_text())["steps"] == 3
