"""benchmarks/paired_subjects.py on two evaluations whose difference is known."""

import json
import shutil

from tests import miniatures
from tests.bin import running


def compare(*words):
    return running.benchmark("paired_subjects", *words)


def changed(evaluation, folder, change):
    shutil.copytree(evaluation, folder)
    cases = json.loads((folder / "summary.json").read_text())["metric_per_case"]
    change(cases)
    miniatures.edit_json(folder / "summary.json", metric_per_case=cases)
    return folder


def test_the_mean_difference_and_who_is_above(evaluation, cohort_folder, tmp_path):
    def halve(cases):
        for case in cases:
            for each in case["metrics"].values():
                each["Dice"] = each["Dice"] and each["Dice"] / 2

    second = changed(evaluation, tmp_path / "second", halve)
    words = f"--prepared={cohort_folder}", f"--of={evaluation}", f"--against={second}"
    done = compare(*words)
    assert done.returncode == 0, done.stderr
    # (1 - 1/2 + 1/3 - 1/6) / 2; two subjects are too few for an interval.
    assert f"| {second} | +0.333, 2 of 2 |" in done.stdout


def test_other_volumes_are_refused(evaluation, cohort_folder, tmp_path):
    fewer = changed(evaluation, tmp_path / "fewer", lambda cases: cases.pop())
    done = compare(
        f"--prepared={cohort_folder}", f"--of={evaluation}", f"--against={fewer}"
    )
    assert running.is_one_sentence(done)
    assert "evaluate both on the same volumes" in done.stderr
    assert running.is_one_sentence(compare(f"--of={evaluation}"))
