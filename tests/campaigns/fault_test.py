"""Faults of the machine: each ends with a clear sentence, and the run can go on."""

import contextlib
import resource
import shutil

import pytest
import tensorflow as tf

from dscl_tf import stages
from dscl_tf.cohort import prepared
from dscl_tf.training import run_folder
from tests.campaigns import guarding


@contextlib.contextmanager
def _no_file_above(size):
    """Writing more into a file fails, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_files_that_do_not_fit_are_said_and_the_run_goes_on(make_stage, tmp_path):
    stage = make_stage("finetune", tmp_path / "run", 2)
    with _no_file_above(6000):
        code, stderr = guarding.run(lambda: stages.run([stage]))
    assert code == 1 and "Error: Cannot write" in stderr, stderr
    assert not (tmp_path / "run" / "result.json").exists()
    assert guarding.run(lambda: stages.run([stage]))[0] == 0
    assert run_folder.load_segmenter(tmp_path / "run").model is not None


def test_a_checkpoint_alone_does_not_fit(make_stage, tmp_path, monkeypatch):
    def full(manager, **keywords):
        raise tf.errors.ResourceExhaustedError(None, None, "No space left on device")

    stage = make_stage("encoder", tmp_path / "run", 2)
    with monkeypatch.context() as patch:
        patch.setattr(tf.train.CheckpointManager, "save", full)
        code, stderr = guarding.run(lambda: stages.run([stage]))
    assert code == 1 and "Error: Cannot write the checkpoint of step 2" in stderr
    assert guarding.run(lambda: stages.run([stage]))[0] == 0


def test_an_output_that_cannot_be_written(make_stage):
    stage = make_stage("finetune", "/proc/run", 2)
    code, stderr = guarding.run(lambda: stages.run([stage]))
    assert code == 1 and "Cannot write /proc/run" in stderr


@pytest.mark.parametrize("damage", ["cut", "gone"])
def test_a_prepared_array_that_is_damaged(make_stage, tiny_folder, tmp_path, damage):
    copy = shutil.copytree(tiny_folder, tmp_path / "prepared")
    for volume in prepared.PreparedCohort.open(copy).volumes:
        path = prepared.array_path(copy, volume.name, "image")
        if damage == "cut":
            path.write_bytes(path.read_bytes()[:200])
        else:
            path.unlink()
    stage = make_stage("finetune", tmp_path / "run", 2, prepared=str(copy))
    code, stderr = guarding.run(lambda: stages.run([stage]))
    assert code == 1 and "Cannot read" in stderr and ".image.npy" in stderr
    assert not (tmp_path / "run" / "result.json").exists()
