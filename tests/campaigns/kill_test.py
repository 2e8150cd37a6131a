"""Training killed at any moment ends, started again, with the same weights."""

import pathlib
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from dscl_flags import binary

from dscl_tf.training import run_folder
from tests import weights
from tests.campaigns import victim

STAGES = ("encoder", "decoder", "finetune")
NUM_WRITES = 32  # Moments before and after the 16 writes of the three stages.

NUM_MOMENTS = 20


def _start(*arguments):
    command = [sys.executable, "-m", victim.__name__, *map(str, arguments)]
    return subprocess.Popen(
        command,
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
        for name, value in weights.weights_of(run.path).items():
            if name.startswith("parts/"):
                found[stage, name] = value
        found[stage, "result"] = np.array(str(sorted(run.read_result().items())))
    return found


@pytest.fixture(scope="module")
def uninterrupted(tiny_folder, tmp_path_factory):
    """The weights, and how long they take."""
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


WRITES = [
    1,
    *(pytest.param(n, marks=pytest.mark.slow) for n in range(2, NUM_WRITES)),
]


@pytest.mark.parametrize("count", WRITES)
def test_killed_at_a_write(tiny_folder, uninterrupted, tmp_path, tally, count):
    with tally("training, killed at a write").trial():
        assert _finish(tiny_folder, tmp_path, count)[0] == -signal.SIGKILL
        _check_same(tiny_folder, tmp_path, uninterrupted[0])


@pytest.mark.slow
def test_all_writes_were_met(tiny_folder, uninterrupted, tmp_path):
    """So that a write that is new is met by the test above, too."""
    assert _finish(tiny_folder, tmp_path, NUM_WRITES)[0] == 0


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_ended_at_random_moments(tiny_folder, uninterrupted, tmp_path, tally, number):
    expected, seconds = uninterrupted
    rng, counted = np.random.default_rng(number), 0
    for attempt in range(60):
        moment = rng.uniform(0.5, seconds)
        process = _start(tiny_folder, tmp_path / str(attempt))
        try:
            process.communicate(timeout=moment)
            seconds = moment  # The machine is less busy now; so it was done before.
            continue
        except subprocess.TimeoutExpired:
            process.send_signal(number)
        process.communicate(timeout=60)
        with tally(f"training, moments of {number.name}").trial():
            if number == signal.SIGTERM:
                # Before Python has started, and once it is done, nothing catches it.
                allowed = (binary.EXIT_INTERRUPTED, binary.EXIT_DONE, -number)
                assert process.returncode in allowed
            _check_same(tiny_folder, tmp_path / str(attempt), expected)
        counted += 1
        if counted == NUM_MOMENTS:
            return
    pytest.fail(f"{counted} of {NUM_MOMENTS} moments met a run.")
