import pathlib
import sys

import pytest

from tests.bin import running

ROOT = pathlib.Path(__file__).parents[2]


def speed(*words):
    return running.benchmark("speed", *words)


def refusal(*words):
    done = speed("--size_px=32", *words)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return done.stderr


def test_a_folder_that_is_no_checkout_is_named(tmp_path):
    said = refusal(f"--other_checkout={tmp_path}")
    assert f"--other_checkout={tmp_path}: found no folder benchmarks" in said


def test_a_checkout_that_writes_no_cohort_is_named(tmp_path):
    (tmp_path / "benchmarks").mkdir()
    said = refusal(f"--other_checkout={tmp_path}")
    assert f"--other_checkout={tmp_path} wrote no cohort (" in said
    assert "speed_parts" in said


def test_a_later_python_without_tensorflow_is_named(tmp_path):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nexit 1\n")
    python.chmod(0o755)
    said = refusal(f"--later_python={python}")
    assert f"--later_python: {python} has no tensorflow" in said


@pytest.mark.slow
def test_one_command_times_all_contenders():
    size = ("--size_px=32", "--stages=encoder", "--rounds=1", "--steps=1")
    # This Python, and this checkout, stand for the others.
    others = (f"--later_python={sys.executable}", f"--other_checkout={ROOT}")
    done = speed(*size, *others, "--plain_keras", "--without_onednn")
    assert done.returncode == 0, done.stderr
    rows = [
        line.split(" | ")[1]
        for line in done.stdout.splitlines()
        if line.startswith("| encoder")
    ]
    assert [name for name in rows if not name.startswith("ours, TensorFlow")] == [
        "float32",
        "ours",
        "ours, batch in memory",
        "ours, without oneDNN",
        "other checkout",
        "plain Keras, float32",
        "plain Keras, bfloat16",
    ]
    assert len(rows) == 8
