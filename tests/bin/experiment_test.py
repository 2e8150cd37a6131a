"""dscl-experiment as its user meets it, on the tiny cohort."""

import json
import os
import pathlib
import re
import shlex
import signal
import subprocess
import sys
import time

import pytest

from tests.bin import running

SMALL = (
    "--filters=4,6,8",
    "--num_partitions=2",
    "--batch_volumes=2",
    "--num_blocks=1",
    "--region_size=2",
    "--encoder_steps=2",
    "--decoder_steps=2",
    "--pretext_steps=2",
    "--finetune_steps=2",
    "--finetune_batch_size=4",
    "--num_validation_volumes=1",
    "--num_test_volumes=1",
    "--precision=float32",
)


@pytest.fixture
def flags(tiny_folder, tmp_path):
    def make(*more):
        where = (f"--prepared={tiny_folder}", f"--workdir={tmp_path / 'exp'}")
        return (*where, *SMALL, *more)

    return make


def read_results(tmp_path) -> dict:
    return json.loads((tmp_path / "exp" / "results.json").read_text())


def test_one_cell_and_again(flags, tmp_path):
    wanted = flags("--methods=random", "--sizes=1", "--draws=1", "--pictures")
    first = running.run("experiment", *wanted)
    assert first.returncode == 0, first.stderr
    assert "| 1 | Random init. | 1 | " in first.stdout
    found = read_results(tmp_path)
    command = found["grid"]["settings"]["finetune"]["runtime"]["command"]
    assert command == shlex.join(["experiment.py", *wanted])
    cell = found["cells"][0]
    folder = tmp_path / "exp"
    summary = json.loads((folder / cell["evaluation"] / "summary.json").read_text())
    assert cell["state"] == "done"
    assert cell["dice"] == summary["foreground_mean"]["Dice"]
    assert cell["structures"] == {"disc": summary["mean"]["1"]["Dice"]}
    assert (folder / cell["run"] / "result.json").exists()
    assert list((folder / cell["evaluation"] / "overlays").iterdir())
    assert (folder / "table.md").read_text() == first.stdout
    assert (
        "Stage finetune" in (folder / "cells/n1_draw0_seed0_random/log.txt").read_text()
    )
    # Versions are those that trained it, not those that look at it.
    record = folder / cell["run"] / "config.json"
    content = json.loads(record.read_text())
    content["versions"]["tensorflow"] = "0.1"
    record.write_text(json.dumps(content))
    again = running.run("experiment", *wanted)
    assert read_results(tmp_path)["versions"] == content["versions"]
    assert "1 of 1 tasks are done already" in again.stderr
    assert again.stdout == first.stdout
    other = running.run("experiment", *wanted, "--learning_rate=0.1")
    assert running.is_one_sentence(other)
    assert "holds a result of other settings" in other.stderr


@pytest.mark.parametrize(
    "more, said",
    [
        (
            ["--grid=table9"],
            "expected table1, table2, beyond, sweeps, quick, or a JSON file",
        ),
        (["--methods=gd+what"], "'what' is not known"),
        (["--sizes=one"], "--sizes must be whole numbers"),
        (["--global_strategy=gr"], "in an experiment --methods sets it"),
        (["--split_seed=3"], "in an experiment --draws sets it"),
        (["--cpus_per_task=2"], "--cpus_per_task has no effect with --engine=local"),
        (["--engine=ray", "--jobs=2"], "--jobs has no effect with --engine=ray"),
        (["--shard=2/2"], "--shard must be K/N"),
        (["--distribution=multi_worker"], "multi_worker is for dscl-train"),
        (["--draws=1", "--sizes=9"], "10 subjects wanted, but only 5"),
        # Before any work, not when the cells that train before it are done.
        (
            ["--draws=1", "--num_test_volumes=0"],
            "it has 0, none of them labelled: give --num_test",
        ),
        (
            ["--draws=1", "--methods=gd+lr", "--num_blocks=9"],
            "num_blocks must be 1 to 2",
        ),
        # What would be ignored.
        (["--split_name=b"], "in an experiment --draws sets it"),
        (["--nopseudo_targets"], "in an experiment --methods sets it"),
        (["--methods=gr", "--mixup_alpha=0.4"], "no row of --methods has its method"),
        (["--methods=gr,mixup", "--rounds=3"], "--rounds has no effect"),
        (["--methods=gd+lr", "--local_views=crops"], "--local_views is for dscl-train"),
        (["--methods=gd", "--position_threshold=0.2"], "starts with positional"),
        (["--methods=rotation", "--num_swaps=3"], "starts with context_restoration"),
        (["--methods=gd", "--pretext_batch_size=8"], "starts with rotation or inpaint"),
        (["--methods=gd+lr", "--num_regions=7"], "no row of --methods has a local st"),
        (["--norm=instance", "--batch_norm_momentum=0.5"], "no effect with --norm="),
        (["--learning_rate=inf"], "--learning_rate must be a finite number"),
    ],
)
def test_mistakes_are_one_sentence(flags, tmp_path, more, said):
    result = running.run("experiment", *flags(*more))
    assert running.is_one_sentence(result), result.stderr
    assert said in result.stderr
    assert not (tmp_path / "exp").exists()


@pytest.mark.slow
def test_dry_run_says_what_is_shared_and_how_long(flags, tmp_path):
    wanted = flags("--methods=random,gr,gr+lr,rotation", "--sizes=1", "--draws=2")
    result = running.run("experiment", *wanted, "--dry_run")
    assert "Pre-training, 3 runs:" in result.stdout
    assert "pretraining/gr_seed0/encoder, for 4 cells" in result.stdout
    assert "Cells, 8:" in result.stdout
    assert re.search(r"11 tasks to do, about \d+ min", result.stdout)
    assert not (tmp_path / "exp").exists()


def test_failed_cells_are_no_success(flags, tmp_path):
    # The first update leaves weights whose loss is not finite: that encoder fails.
    far = "--methods=gr@optimizer.learning_rate=1e38"
    wanted = flags(far, "--sizes=1", "--draws=1")
    result = running.run("experiment", *wanted)
    assert result.returncode == 1
    last = result.stderr.strip().splitlines()[-1]
    assert f"1 of 1 cells have no result: {tmp_path / 'exp'}/table.md says why" in last
    # More partitions than a volume has slices are found before anything is trained.
    wanted = flags("--methods=random,gr@global_.num_partitions=10", "--sizes=1")
    result = running.run("experiment", *wanted)
    assert result.returncode == 1
    assert re.search(r"gr@.*: Volume p0 has 5 slices, fewer than", result.stderr)


@pytest.mark.slow
def test_every_row_of_both_tables(flags, tmp_path):
    methods = "random,gr,gd_minus,gd,gr+lr,gr+ld,gd+lr,gd+lr_crops,gd+ld_crops,"
    methods += "rotation,inpainting,"
    methods += "context_restoration,self_training,mixup,learned_augmentation,"
    methods += "adversarial,learned_augmentation+mixup,gd+lr+self_training,"
    methods += "gd+lr+mixup,benchmark,positional,joint,class_contrast"
    wanted = flags(f"--methods={methods}", "--sizes=1", "--draws=1", "--jobs=2")
    wanted += ("--num_swaps=2", "--patch_fraction=0.2", "--num_regions=4")
    result = subprocess.run(
        [sys.executable, running.BIN / "experiment.py", *wanted],
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    found = read_results(tmp_path)
    assert len(found["cells"]) == 23
    assert {cell["state"] for cell in found["cells"]} == {"done"}, result.stderr
    assert {row["method"] for row in found["table"]} == set(methods.split(","))


@pytest.mark.slow
def test_every_row_of_the_sweeps(tmp_path):
    """On slices of 64 pixels, since l = 5 needs a network of six levels."""
    raw, prepared = tmp_path / "raw", tmp_path / "prepared"
    for name, *words in (
        ("phantom", f"--output={raw}", "--num_subjects=8"),
        ("prepare", "--preset=phantom", f"--source={raw}", f"--output={prepared}"),
    ):
        assert running.run(name, *words).returncode == 0
    small = [f"--{stage}_steps=2" for stage in ("encoder", "decoder", "finetune")]
    small += [
        "--filters=2,2,2,2,2,2",
        "--finetune_batch_size=2",
        "--num_test_volumes=2",
    ]
    where = [f"--prepared={prepared}", f"--workdir={tmp_path / 'exp'}", "--jobs=2"]
    command = [sys.executable, running.BIN / "experiment.py", "--preset=phantom"]
    done = subprocess.run(
        [*command, "--grid=sweeps", "--draws=1", *small, *where],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found = read_results(tmp_path)
    assert {cell["state"] for cell in found["cells"]} == {"done"}, done.stderr
    assert len(found["cells"]) == len(found["table"]) == 14
    # Each sweep of the decoder has weights of its own, on the shared encoder.
    runs = [each["name"] for each in found["pretraining"]]
    assert sum(name.startswith("gd_seed0/decoder") for name in runs) == 9


@pytest.mark.slow
def test_a_failing_cell_and_a_killed_experiment(flags, tmp_path):
    # Ten partitions are more than a volume has slices: that encoder fails.
    methods = "random,gr,gr@global_.num_partitions=10"
    wanted = flags(f"--methods={methods}", "--sizes=1", "--draws=2")
    command = [sys.executable, running.BIN / "experiment.py", *wanted]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    done = tmp_path / "exp/pretraining/gr_seed0/encoder/done.json"
    _wait_for(done.exists)
    process.send_signal(signal.SIGKILL)
    process.wait()
    _wait_for(lambda: not _is_held(tmp_path / "exp"))
    result = running.run("experiment", *wanted)
    assert result.returncode == 1, result.stderr
    assert "2 of 6 cells have no result" in result.stderr
    assert "tasks are done already" in result.stderr
    states = {}
    for cell in read_results(tmp_path)["cells"]:
        states.setdefault(cell["method"], set()).add(cell["state"])
    assert states["random"] == states["gr"] == {"done"}
    assert states["gr@global_.num_partitions=10"] == {"missing"}
    told = (tmp_path / "exp" / "table.md").read_text()
    assert "It needs pretraining/gr@global_.num_partitions=10_seed0/encoder" in told
    said = [each["error"] for each in read_results(tmp_path)["pretraining"]]
    assert "slices, fewer than the 10 partitions" in said[1]


@pytest.mark.slow
def test_sigterm_saves_and_ends_with_75(flags, tmp_path):
    wanted = flags("--methods=random", "--sizes=1", "--draws=1")
    wanted += ("--finetune_steps=100000", "--checkpoint_every=100000")
    command = [sys.executable, running.BIN / "experiment.py", *wanted]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    log = tmp_path / "exp/cells/n1_draw0_seed0_random/finetune/metrics.csv"
    _wait_for(lambda: log.exists() and log.stat().st_size > 100)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 75, said
    folder = log.parent / "checkpoints"
    assert list(folder.glob("ckpt-*"))


def _wait_for(condition, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.2)


def _is_held(folder: pathlib.Path) -> bool:
    """Whether a process that the killed one started is still there."""
    for path in folder.rglob(".lock"):
        words = path.read_text().split()
        if len(words) > 1 and os.path.exists(f"/proc/{words[1]}"):
            return True
    return False
