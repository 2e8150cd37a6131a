"""A signal ends a binary whatever its main thread is in."""

import signal
import subprocess
import sys
import threading
import time

import pytest
from dscl_flags import interruptions

from dscl_tf.training import interruption
from tests.cohort import parallel_test

_BEFORE = """
import os, sys, time
import SimpleITK as sitk
from dscl_flags import binary
def busy():
    image = sitk.GaussianSource(sitk.sitkFloat32, [200, 200, 100]) + 1
    correction = sitk.N4BiasFieldCorrectionImageFilter()
    correction.SetMaximumNumberOfIterations([10000] * 4)
    correction.SetConvergenceThreshold(0)
    print("started", flush=True)
    correction.Execute(image, image > 0)
def deaf():
    for _ in range(2):
        print("started", flush=True)
        try:
            time.sleep(120)
        except KeyboardInterrupt:
            pass
def made_another():
    print("started", flush=True)
    try:
        time.sleep(120)
    except KeyboardInterrupt as error:
        raise ImportError("initialization failed") from error
def late(pipe, count, read=os.read):
    found = read(pipe, count)
    time.sleep(0.5)
    return found
def saving():
    from dscl_tf.training import interruption
    with interruption.stop_request() as stop:
        print("started", flush=True)
        while not stop:
            time.sleep(0.01)
    time.sleep(4)  # Longer than a main thread that hears nothing may take.
    print("recorded", flush=True)
os.read = late  # As on a busy machine: who listens does so when a block is left.
binary.run({main}, [], "usage")
"""


@pytest.mark.parametrize(
    ("main", "pauses_s"), [("busy", [0]), ("deaf", [0, 4]), ("made_another", [0])]
)
@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_with_the_code_of_an_interruption(main, pauses_s, kind):
    with subprocess.Popen(
        [sys.executable, "-c", _BEFORE.replace("{main}", main)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "started\n"
        for pause_s in pauses_s:
            time.sleep(pause_s)
            process.send_signal(kind)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 75
    assert errors == "Interrupted. Start the same command again to go on.\n"


def test_what_caught_the_signal_has_time_to_record_its_work():
    with subprocess.Popen(
        [sys.executable, "-c", _BEFORE.replace("{main}", "saving")],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "started\n"
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=60)
    assert (process.returncode, said) == (0, "recorded\n")


def test_after_the_hours_what_trains_is_asked_to_save(caplog):
    with interruption.stop_request() as stop:
        interruptions.limit(0.05 / 3600)
        assert parallel_test.wait_until(lambda: bool(stop))
    assert stop.signal_name == "SIGTERM"
    assert "--max_hours=1.38889e-05 have passed: saving" in caplog.text


def test_without_hours_nothing_is_asked():
    before = threading.active_count()
    interruptions.limit(None)
    assert threading.active_count() == before
