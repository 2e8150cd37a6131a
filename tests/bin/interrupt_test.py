"""Interrupted at any moment, however often: exit code 75, nothing else said or left."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from tests import miniatures
from tests.cohort import parallel_test

SCRIPTS = pathlib.Path(sys.executable).parent
AGAIN = "Start the same command again to go on."


def start(name, *flags):
    """The installed binary in a group of its own, as a terminal starts it."""
    script = SCRIPTS / f"dscl-{name}"
    if not script.exists():
        pytest.skip("the binaries are not installed")
    return subprocess.Popen(
        [str(script), *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def ended(process, said=""):
    """What a process said, once it has ended as an interrupted one does."""
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 75, said + errors
    assert "Traceback" not in errors and AGAIN in errors
    assert parallel_test.wait_until(lambda: not group_exists(process.pid))


def group_exists(number):
    """Whether a process of the group is left."""
    try:
        os.killpg(number, 0)
    except ProcessLookupError:
        return False
    return True


def interrupt(process, times, pause_s=0.05, kind=signal.SIGINT):
    for _ in range(times):
        try:
            os.killpg(process.pid, kind)
        except ProcessLookupError:
            return
        time.sleep(pause_s)


@pytest.fixture
def prepare(tmp_path):
    source = miniatures.folder(tmp_path, num_volumes=60, num_labelled=0)

    def run():
        flags = [
            f"--source={source}",
            f"--output={tmp_path / 'out'}",
            "--num_workers=2",
        ]
        return start("prepare", *flags, "--size_px=16", "--spacing_mm=2")

    return run


def wait_for(process, text, is_module=False):
    """What is said until `text` is, or the module of that name is imported."""
    said = ""
    for line in process.stderr:
        said += line
        if line.split("|")[-1].strip() == text if is_module else text in line:
            return said
    raise AssertionError(said)


@pytest.mark.parametrize(
    ("moment", "times", "kind"),
    [
        ("Checking", 1, signal.SIGINT),
        ("Checking", 3, signal.SIGINT),
        ("3/60", 1, signal.SIGTERM),
        ("12/60", 2, signal.SIGINT),
        ("12/60", 5, signal.SIGINT),
    ],
)
def test_while_workers_start_and_run(prepare, moment, times, kind):
    process = prepare()
    said = wait_for(process, moment)
    interrupt(process, times, kind=kind)
    ended(process, said)


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("prepare", "dscl_bin"),
        ("prepare", "SimpleITK"),
        ("train", "dscl_bin"),
        ("train", "tensorflow.python.framework.ops"),
        ("predict", "tensorflow"),
    ],
)
def test_while_it_imports(
    prepare, tiny_folder, export_folder, tmp_path, monkeypatch, name, module
):
    monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")  # Each import is said.
    if name == "prepare":
        process = prepare()
    elif name == "train":
        flags = [f"--prepared={tiny_folder}", f"--workdir={tmp_path / 'run'}"]
        process = start("train", *flags, "--num_train_volumes=1")
    else:
        source = miniatures.folder(tmp_path, num_volumes=60)
        flags = [f"--model={export_folder}", f"--input={source}"]
        process = start("predict", *flags, f"--output={tmp_path / 'out'}")
    wait_for(process, module, is_module=True)
    interrupt(process, 2)
    ended(process)
