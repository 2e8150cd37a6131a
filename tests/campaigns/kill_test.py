"""Training killed at any moment ends, started again, with the same weights."""

import pathlib
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf

from dscl_tf.training import run_folder

STAGES = ("encoder", "decoder", "finetune")


def _command(prepared, runs, *count):
    return [sys.executable, "-m", "tests.campaigns.victim", prepared, runs, *count]


def _start(*arguments):
    return subprocess.Popen(
        [str(word) for word in _command(*arguments)],
        cwd=pathlib.Path(__file__).parents[2],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def _finish(*arguments):
    process = _start(*arguments)
    _, stderr = process.communicate(timeout=300)
    return process.returncode, stderr.decode()[-1000:]


def _weights(runs):
    """Every variable of each stage's final checkpoint, and its step and scores."""
    found = {}
    for stage in STAGES:
        run = run_folder.RunFolder(runs / stage)
        path = str(run.final_checkpoint())
        for name, _ in tf.train.list_variables(path):
            if name.startswith("parts/"):
                found[stage, name] = tf.train.load_variable(path, name)
        found[stage, "result"] = np.array(str(sorted(run.read_result().items())))
    return found


@pytest.fixture(scope="module")
def uninterrupted(tiny_folder, tmp_path_factory):
    runs = tmp_path_factory.mktemp("whole")
    before = time.monotonic()
    assert _finish(tiny_folder, runs)[0] == 0
    return _weights(runs), time.monotonic() - before


def _check_same(tiny_folder, runs, expected):
    code, stderr = _finish(tiny_folder, runs)
    assert code == 0, stderr
    found = _weights(runs)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=str(name))


WRITES = [1, *(pytest.param(n, marks=pytest.mark.slow) for n in range(3, 31))]


@pytest.mark.parametrize("count", WRITES)
def test_killed_at_a_write(tiny_folder, uninterrupted, tmp_path, count):
    assert _finish(tiny_folder, tmp_path, count)[0] in (-9, 0)
    _check_same(tiny_folder, tmp_path, uninterrupted[0])


@pytest.mark.slow
def test_killed_at_random_moments(tiny_folder, uninterrupted, tmp_path, capsys):
    expected, seconds = uninterrupted
    moments, killed = np.random.default_rng(0).uniform(0, seconds, 20), 0
    for k, moment in enumerate(moments):
        process = _start(tiny_folder, tmp_path / str(k))
        try:
            process.communicate(timeout=moment)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            killed += 1
        _check_same(tiny_folder, tmp_path / str(k), expected)
    with capsys.disabled():
        print(f"\nkill, training: {killed} moments, failures 0")  # noqa: T201
    assert killed > 0
