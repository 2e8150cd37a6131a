"""Prepare, predict, evaluate and export, killed at any moment and started again."""

import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).parents[2]
# A SavedModel's graph holds names that differ from one writing to the next.
_NOT_COMPARED = ("saved_model.pb", "fingerprint.pb", "variables.index")


@pytest.fixture
def commands(request, dataset, cohort_folder, export_folder, mixed_run):
    """Flags of each command, without its output."""
    images = dataset / "images"
    return {
        "prepare": [
            f"--source={images}",
            f"--labels={dataset / 'labels'}",
            "--size_px=32,24",
            "--spacing_mm=2",
            "--num_workers=1",
        ],
        "predict": [f"--model={export_folder}", f"--input={images}"],
        "evaluate": [
            f"--model={export_folder}",
            f"--prepared={cohort_folder}",
            "--subset=all",
        ],
        "export": [f"--model={mixed_run[0].parent}"],
    }


def _start(name, flags, output):
    return subprocess.Popen(
        [sys.executable, f"bin/{name}.py", *flags, f"--output={output}"],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,  # So that its workers die with it.
    )


def _finish(name, flags, output):
    process = _start(name, flags, output)
    _, stderr = process.communicate(timeout=300)
    assert process.returncode == 0, stderr.decode()[-1000:]
    return _visible(output)


def _visible(output):
    """What a reader may take for a result: content of each file by its name."""
    found = {}
    for path in sorted(output.rglob("*")):
        name = str(path.relative_to(output))
        hidden = any(part[0] == "." for part in pathlib.PurePath(name).parts)
        if path.is_file() and not hidden:
            content = path.read_bytes().replace(str(output).encode(), b"OUT")
            found[name] = b"" if path.name in _NOT_COMPARED else content
    return found


def _campaign(name, flags, tmp_path, num_moments, tally):
    """Kills, looks, starts again and compares."""
    start = time.monotonic()
    expected = _finish(name, flags, tmp_path / "whole")
    seconds = time.monotonic() - start
    assert expected
    shares = np.random.default_rng(0).uniform(0.3, 1, num_moments)
    for k, moment in enumerate(shares * seconds):
        output = tmp_path / f"killed{k}"
        # It may be quicker than the first one was, on a machine with other work.
        while not _killed_after(moment, name, flags, output):
            shutil.rmtree(output)
            moment /= 2
        with tally.trial():
            left = _visible(output)
            partial = {key for key in left if left[key] != expected.get(key)}
            assert not partial, f"killed after {moment:.2f} s: {partial}"
            assert _finish(name, flags, output) == expected


def _killed_after(seconds, name, flags, output):
    """Starts a command and kills it; False if it was done before."""
    process = _start(name, flags, output)
    try:
        process.communicate(timeout=seconds)
        return False
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return True


@pytest.mark.parametrize(
    "name, num_moments",
    [
        ("prepare", 2),
        pytest.param("prepare", 20, marks=pytest.mark.slow),
        pytest.param("predict", 12, marks=pytest.mark.slow),
        pytest.param("evaluate", 12, marks=pytest.mark.slow),
        pytest.param("export", 12, marks=pytest.mark.slow),
    ],
)
def test_killed_at_random_moments(commands, tmp_path, tally, name, num_moments):
    counted = tally(f"{name}, moments of SIGKILL")
    _campaign(name, commands[name], tmp_path, num_moments, counted)
    assert counted.trials == num_moments
