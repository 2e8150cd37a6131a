import dataclasses
import json
import logging
import os
import subprocess
import sys

import pytest

from dscl_tf import config, errors
from dscl_tf.cohort import splits
from dscl_tf.methods.class_contrast.settings import ClassContrastConfig
from dscl_tf.training import records, run_folder


@pytest.fixture
def record(tiny_cohort, make_stage, tmp_path):
    stage = make_stage("encoder", tmp_path / "run")
    return records.make_record(
        stage, tiny_cohort, splits.resolve(tiny_cohort, stage.split)
    )


@pytest.fixture
def run(record, tmp_path):
    """A run that has begun: it has a checkpoint."""
    run = run_folder.RunFolder(tmp_path / "run")
    run.start(record)
    (run.path / "checkpoints").mkdir()
    (run.path / "checkpoints" / "checkpoint").write_text("")
    return run


def change(record, **fields):
    return dataclasses.replace(
        record, config=dataclasses.replace(record.config, **fields)
    )


def test_record_round_trip(run, record):
    assert run.read_record() == record


@pytest.mark.parametrize(
    "fields, difference",
    [
        ({"seed": 7}, "config.seed was 0, is now 7"),
        (
            {"global_": config.GlobalConfig(temperature=0.5, num_partitions=2)},
            "config.global_.temperature was 0.1, is now 0.5",
        ),
    ],
)
def test_other_settings_are_refused(run, record, fields, difference):
    with pytest.raises(errors.UserError) as raised:
        run.start(change(record, **fields))
    assert difference in str(raised.value) and "--workdir" in str(raised.value)


@pytest.mark.parametrize(
    "fields",
    [
        {"finetune": config.FinetuneConfig(batch_size=3)},
        {"local": config.LocalConfig(num_blocks=1)},
        {"split": config.SplitConfig(num_train=9)},
    ],
)
def test_settings_of_other_stages_may_change(run, record, fields):
    run.start(change(record, **fields))


def test_the_other_head_may_change(run, record):
    network = dataclasses.replace(record.config.network, local_head_units=32)
    run.start(change(record, network=network))
    network = dataclasses.replace(record.config.network, global_head_units=(2, 2))
    with pytest.raises(errors.UserError, match="global_head_units was"):
        run.start(change(record, network=network))


def test_other_labelled_volumes_are_the_same_encoder_run(run, record):
    split = dataclasses.replace(record.split, train=("other",))
    run.start(dataclasses.replace(record, split=split))
    split = dataclasses.replace(record.split, pretrain=("other",))
    with pytest.raises(errors.UserError, match=r"split\.pretrain was"):
        run.start(dataclasses.replace(record, split=split))


def test_a_run_may_move_together_with_what_it_took_over(record, tmp_path, monkeypatch):
    def placed(init, workdir):
        return change(record, stage="decoder", init=init, workdir=workdir)

    first = placed("/a/encoder", "/a/decoder")
    assert not records.differences(first, placed("/b/encoder", "/b/decoder"))
    assert not records.differences(first, placed("/a/encoder", "/c/decoder"))
    monkeypatch.chdir("/")
    assert not records.differences(first, placed("a/encoder", "a/decoder"))
    assert "config.init was" in records.differences(
        first, placed("/a/other", "/a/decoder")
    )
    assert "config.init was" in records.differences(first, placed(None, "/a/decoder"))


def test_a_record_names_its_folders_from_anywhere(
    tiny_cohort, make_stage, tmp_path, monkeypatch
):
    stage = make_stage("encoder", "run")
    stage = dataclasses.replace(stage, prepared="cohort", init="before")
    monkeypatch.chdir(tmp_path)
    split = splits.resolve(tiny_cohort, stage.split)
    found = records.make_record(stage, tiny_cohort, split).config
    places = [found.prepared, found.workdir, found.init]
    assert places == [str(tmp_path / name) for name in ("cohort", "run", "before")]


def test_a_second_process_is_refused(run):
    program = """
import sys
from dscl_tf.training import run_folder
with run_folder.RunFolder(sys.argv[1]).held():
    pass
"""
    command = [sys.executable, "-c", program, str(run.path)]
    with run.held():
        second = subprocess.run(command, capture_output=True, text=True)
    assert f"in use by process {os.getpid()} on" in second.stderr
    assert subprocess.run(command, capture_output=True).returncode == 0


def test_other_cohort_is_refused(run, record):
    with pytest.raises(errors.UserError, match="cohort_id was"):
        run.start(dataclasses.replace(record, cohort_id="other"))


def test_what_computes_the_same_may_change(run, record):
    run.start(change(record, runtime=config.RuntimeConfig(jit="on", log_every=9)))
    run.start(change(record, prepared="/moved"))
    run.start(dataclasses.replace(record, versions={"python": "4"}))
    assert run.read_record() == record  # The first record stays.


def test_settings_without_effect_may_change(record):
    def differences(first, second, name="global_", stage="encoder"):
        return records.differences(
            *(change(record, stage=stage, **{name: each}) for each in (first, second))
        )

    gd = config.GlobalConfig(position_threshold=0.35)
    assert not differences(config.GlobalConfig(), gd)
    positional = dataclasses.replace(gd, strategy=config.GlobalStrategy.POSITIONAL)
    found = differences(
        dataclasses.replace(positional, position_threshold=0.1), positional
    )
    assert found == "config.global_.position_threshold was 0.1, is now 0.35"
    rotation = config.PretextConfig(config.PretextTask.ROTATION)
    boxes = dataclasses.replace(rotation, num_boxes=9)
    assert not differences(rotation, boxes, "pretext", "pretext")
    inpainting = dataclasses.replace(boxes, task=config.PretextTask.INPAINTING)
    found = differences(
        inpainting, dataclasses.replace(inpainting, num_boxes=1), "pretext", "pretext"
    )
    assert found == "config.pretext.num_boxes was 9, is now 1"
    contrast = ClassContrastConfig(temperature=0.5)
    off, on = (
        config.FinetuneConfig(class_contrast=dataclasses.replace(contrast, weight=w))
        for w in (0.0, 0.1)
    )
    assert not differences(config.FinetuneConfig(), off, "finetune", "finetune")
    assert "temperature was 0.1" in differences(off, on, "finetune", "finetune")


def test_lengthenings_are_kept(run, record):
    lengthened = (records.Lengthening(3, 3), records.Lengthening(4, 5))
    longer = dataclasses.replace(record, lengthened=lengthened)
    run.config_file.write_text(json.dumps(records.to_json(longer)))
    assert run.read_record() == longer
    assert not records.differences(longer, record)


def test_a_finished_run_keeps_its_record_without_checkpoints(run, record):
    run.finish(run.path / "best" / "ckpt-3", 5, {})
    (run.path / "checkpoints" / "checkpoint").unlink()
    with pytest.raises(errors.UserError, match="seed was 0, is now 7"):
        run.start(change(record, seed=7))
    assert run.read_record() == record


def test_a_run_that_never_began_takes_new_settings(record, tmp_path):
    run = run_folder.RunFolder(tmp_path / "refused")
    run.start(record)
    run.start(change(record, seed=7))
    assert run.read_record().config.seed == 7


@pytest.mark.parametrize(
    "content, message",
    [
        ("{", "not valid JSON"),
        ("[]", "must hold a JSON object"),
        ('{"format": 9, "versions": {}}', "format 9, expected 1"),
        ('{"format": 1, "versions": {}}', "missing keys .*'config'"),
        ('{"versions": {}}', "format None, expected 1"),
    ],
)
def test_damaged_config(run, content, message):
    run.config_file.write_text(content)
    with pytest.raises(errors.UserError, match=message):
        run.read_record()


def test_config_with_a_wrong_type(run):
    content = json.loads(run.config_file.read_text())
    content["config"]["seed"] = "seven"
    run.config_file.write_text(json.dumps(content))
    with pytest.raises(errors.UserError, match=r'config\.seed: found "seven"'):
        run.read_record()


def test_result(run):
    assert run.read_result() is None
    with pytest.raises(errors.UserError, match="not a finished run"):
        run.final_checkpoint()
    run.finish(run.path / "best" / "ckpt-3", 5, {"best_step": 3})
    expected = {"checkpoint": "best/ckpt-3", "steps": 5, "best_step": 3}
    assert run.read_result() == expected
    assert run.final_checkpoint() == run.path / "best" / "ckpt-3"


@pytest.mark.parametrize("name", ["../other/ckpt-1", "/etc/passwd", "a\0b", 3, None])
def test_result_points_into_the_run(run, name):
    run.result_file.write_text(json.dumps({"checkpoint": name}))
    with pytest.raises(errors.UserError, match="must be a path inside the run folder"):
        run.final_checkpoint()


@pytest.mark.parametrize("sign", "*?[\\")
def test_a_folder_that_tensorflow_reads_as_a_pattern_is_refused(run, record, sign):
    """It saved checkpoints there and found none of them again."""
    run.finish(run.path / "best" / "ckpt-1", 1, {})
    moved = run_folder.RunFolder(run.path.rename(run.path.with_name(f"a {sign}b]")))
    for ask in (moved.final_checkpoint, lambda: moved.start(record)):
        with pytest.raises(errors.UserError, match="Rename the folder"):
            ask()


def test_damaged_result(run):
    run.result_file.write_text("{")
    with pytest.raises(errors.UserError, match=r"run's result .* is not valid JSON"):
        run.read_result()


def test_encoder_run_is_no_segmenter(run):
    with pytest.raises(errors.UserError, match="only a fine-tuned run can segment"):
        run_folder.load_segmenter(run.path)


def test_log_file(run):
    logger = logging.getLogger("dscl_tf.anything")
    with run.log_file():
        logger.info("within")
    logger.info("after")
    text = (run.path / "log.txt").read_text()
    assert "within" in text and "after" not in text
