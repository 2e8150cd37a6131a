"""Faults of the machine: each ends with a clear sentence, and the run can go on."""

import contextlib
import resource
import shutil

import numpy as np
import pytest
import tensorflow as tf
from dscl_bin import evaluate, export, predict, prepare

from dscl_tf import stages
from dscl_tf.cohort import parallel, prepared, preprocessing
from dscl_tf.training import run_folder
from tests.campaigns import guarding
from tests.cohort import making


@pytest.fixture(autouse=True)
def counted(request, tally):
    """Each test of this module is a fault."""
    failed = request.session.testsfailed
    yield
    counts = tally("faults of the machine")
    counts.trials += 1
    counts.failures += request.session.testsfailed - failed


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


@pytest.fixture
def commands(dataset, cohort_folder, export_folder, mixed_run, monkeypatch):
    """Binary and flags of each command, without its output."""
    monkeypatch.setattr(parallel, "run_all", making.run_all_here)
    images, model = f"{dataset / 'images'}", f"--model={export_folder}"
    sizes = "--size_px=32,24", "--spacing_mm=2", "--nobias_correction"
    return {
        "prepare": (
            prepare,
            [f"--source={images}", f"--labels={dataset / 'labels'}", *sizes],
        ),
        "predict": (predict, [model, f"--input={images}"]),
        "evaluate": (
            evaluate,
            [model, f"--prepared={cohort_folder}", "--subset=all"],
        ),
        "export": (export, [f"--model={mixed_run[0].parent}"]),
    }


_RESULTS = ("index.json", "summary.json", "saved_model.pb")


def _results(folder):
    return [path.name for path in folder.rglob("*") if path.name in _RESULTS]


@pytest.mark.parametrize(
    "name, kib", [("prepare", 24), ("predict", 0), ("evaluate", 8), ("export", 24)]
)
def test_a_full_disk(commands, mount, tmp_path, name, kib):
    module, flags = commands[name]
    disk, _ = mount(kib + 4)
    (disk / "filler").write_bytes(bytes(4096))
    code, stderr = guarding.run_binary(module, *flags, f"--output={disk / 'out'}")
    assert code == 1 and "Error: " in stderr and "Traceback" not in stderr, stderr
    assert "Cannot write" in stderr or "No space left" in stderr, stderr
    assert not _results(disk)
    elsewhere = tmp_path / "elsewhere"
    assert guarding.run_binary(module, *flags, f"--output={elsewhere}")[0] == 0
    assert name == "predict" or _results(elsewhere)


@pytest.mark.parametrize("name", ["prepare", "predict", "evaluate", "export"])
def test_a_disk_that_may_only_be_read(commands, mount, name):
    module, flags = commands[name]
    disk, make_read_only = mount(4096)
    make_read_only()
    code, stderr = guarding.run_binary(module, *flags, f"--output={disk / 'out'}")
    assert code == 1 and "Read-only file system" in stderr, stderr


@pytest.mark.parametrize(
    "kib", [48, *(pytest.param(kib, marks=pytest.mark.slow) for kib in (8, 96, 200))]
)
def test_training_on_a_full_disk_goes_on_with_room(make_stage, mount, tmp_path, kib):
    disk, _ = mount(kib)
    stage = make_stage("finetune", disk / "run", 4)
    code, stderr = guarding.run(lambda: stages.run([stage]))
    assert code == 1 and "Error: Cannot write" in stderr, stderr
    assert not (disk / "run" / "result.json").exists()
    run = shutil.copytree(disk / "run", tmp_path / "run")  # A larger disk.
    stage = make_stage("finetune", run, 4)
    assert guarding.run(lambda: stages.run([stage]))[0] == 0


@pytest.mark.slow
def test_a_finished_run_on_a_disk_that_may_only_be_read(
    make_stage, mount, dataset, tmp_path
):
    disk, make_read_only = mount(4096)
    stage = make_stage("finetune", disk / "run", 2)
    stages.run([stage])
    make_read_only()
    assert guarding.run(lambda: stages.run([stage]))[0] == 0  # Nothing to do.
    flags = f"--model={disk / 'run'}", f"--input={dataset / 'images' / 'p1.nii.gz'}"
    output = tmp_path / "out"
    assert guarding.run_binary(predict, *flags, f"--output={output}")[0] == 0
    assert (output / "p1.nii.gz").is_file()


def test_an_input_that_vanishes_is_named_and_the_others_go_on(
    commands, dataset, tmp_path, monkeypatch
):
    raw = shutil.copytree(dataset, tmp_path / "raw")

    def vanish_first(*arguments):
        (raw / "images" / "p2.nii.gz").unlink(missing_ok=True)
        return making.run_all_here(*arguments)

    module, flags = commands["prepare"]
    flags = [flag.replace(str(dataset), str(raw)) for flag in flags]
    output = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(parallel, "run_all", vanish_first)
        code, stderr = guarding.run_binary(module, *flags, f"--output={output}")
    assert code == 1 and "p2.nii.gz" in stderr, stderr
    assert not _results(output)
    shutil.copy2(dataset / "images" / "p2.nii.gz", raw / "images")
    assert guarding.run_binary(module, *flags, f"--output={output}")[0] == 0
    assert len(prepared.PreparedCohort.open(output).volumes) == 3


def test_a_subject_that_fails_is_named_and_the_others_are_kept(
    commands, tmp_path, monkeypatch
):
    work, seen = preprocessing.prepare_image, []

    def fails(image, settings):
        seen.append(image)
        if len(seen) == 2:
            raise RuntimeError("a defect in one subject")
        return work(image, settings)

    module, flags = commands["prepare"]
    output = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(preprocessing, "prepare_image", fails)
        code, stderr = guarding.run_binary(module, *flags, f"--output={output}")
    assert code == 1 and "p2" in stderr and "a defect in one subject" in stderr
    assert len(seen) == 3
    assert len(list(output.rglob("*.image.npy"))) == 2
    assert guarding.run_binary(module, *flags, f"--output={output}")[0] == 0


def test_two_commands_in_one_folder(make_stage, tmp_path):
    run = run_folder.RunFolder(tmp_path / "run")
    stage = make_stage("finetune", run.path, 2)
    with run.held():
        code, stderr = guarding.run(lambda: stages.run([stage]))
    assert code == 1 and "is in use by process" in stderr
    assert guarding.run(lambda: stages.run([stage]))[0] == 0


def test_a_run_of_other_settings_and_a_damaged_checkpoint(make_stage, tmp_path):
    stage = make_stage("encoder", tmp_path / "run", 4)
    first = stages.run([stage])[0]
    (first / "result.json").unlink()
    other = make_stage("encoder", tmp_path / "run", 4, seed=7)
    code, stderr = guarding.run(lambda: stages.run([other]))
    assert code == 1 and "seed was 0, is now 7" in stderr, stderr
    newest = max((first / "checkpoints").glob("*.data*"), key=lambda p: p.name)
    newest.write_bytes(newest.read_bytes()[:100])
    assert guarding.run(lambda: stages.run([stage]))[0] == 0
    assert "trying the one before" in (first / "log.txt").read_text()
    reader = tf.train.load_checkpoint(
        str(run_folder.RunFolder(first).final_checkpoint())
    )
    assert all(
        np.isfinite(reader.get_tensor(name)).all()
        for name in reader.get_variable_to_shape_map()
        if name.startswith("parts/")
    )
