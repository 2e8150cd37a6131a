"""benchmarks/paired_subjects.py on two evaluations whose difference is known."""

import json
import pathlib
import shutil
import subprocess
import sys

import pytest

from dscl_tf.inference import evaluate, predictor
from tests.bin import running

SCRIPT = pathlib.Path(__file__).parents[2] / "benchmarks" / "paired_subjects.py"


def compare(*words):
    command = [sys.executable, str(SCRIPT), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def first(export_folder, cohort_folder, tmp_path_factory):
    """An evaluation of p1 with Dice 1 and p2 with 1/3."""
    folder = tmp_path_factory.mktemp("paired") / "first"
    settings = evaluate.EvaluationConfig(
        str(cohort_folder), str(folder), "all", pictures=False
    )
    evaluate.evaluate(predictor.open_predictor(export_folder), settings)
    return folder


def changed(first, folder, change):
    shutil.copytree(first, folder)
    content = json.loads((folder / "summary.json").read_text())
    change(content["metric_per_case"])
    (folder / "summary.json").write_text(json.dumps(content))
    return folder


def test_the_mean_difference_and_who_is_above(first, cohort_folder, tmp_path):
    def halve(cases):
        for case in cases:
            for each in case["metrics"].values():
                each["Dice"] = each["Dice"] and each["Dice"] / 2

    second = changed(first, tmp_path / "second", halve)
    words = f"--prepared={cohort_folder}", f"--of={first}", f"--against={second}"
    done = compare(*words)
    assert done.returncode == 0, done.stderr
    # (1 - 1/2 + 1/3 - 1/6) / 2; two subjects are too few for an interval.
    assert f"| {second} | +0.333, 2 of 2 |" in done.stdout


def test_other_volumes_are_refused(first, cohort_folder, tmp_path):
    fewer = changed(first, tmp_path / "fewer", lambda cases: cases.pop())
    done = compare(f"--prepared={cohort_folder}", f"--of={first}", f"--against={fewer}")
    assert running.is_one_sentence(done)
    assert "evaluate both on the same volumes" in done.stderr
    assert running.is_one_sentence(compare(f"--of={first}"))
