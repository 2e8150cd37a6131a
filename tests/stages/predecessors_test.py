import dataclasses
import json
import logging
import shutil
from types import SimpleNamespace

import pytest

from dscl_tf import config, errors, stages
from dscl_tf.cohort import splits
from dscl_tf.stages import predecessors
from dscl_tf.training import records, run_folder

NAMES = tuple(f"v{number:02d}" for number in range(40))


def split_for(*test):
    return splits.Split((), (), (), test)


@pytest.mark.parametrize("kind", ["pretrain", "train", "validation"])
def test_run_that_saw_test_volumes_is_refused(make_run, tiny_cohort, kind):
    run = make_run("run", **{kind: ("p0", "p1")})
    with pytest.raises(errors.UserError, match=r"1 volumes .* \(p1\).*use the split"):
        predecessors.check(run, tiny_cohort, split_for("p1", "p2"))
    predecessors.check(run, tiny_cohort, split_for("p2"))


def test_validation_volumes_whose_labels_were_learned_are_refused(
    make_run, tiny_cohort
):
    split = splits.Split(("p0", "p1"), ("p2",), ("p1",), ("p3",))
    first = make_run("first", pretrain=("p0",), train=("p1",))
    with pytest.raises(errors.UserError, match=r"1 volumes .* validation now \(p1\)"):
        predecessors.check(first, tiny_cohort, split)
    # Pre-training has learned from volumes without their labels, as in the paper.
    encoder = make_run("encoder", pretrain=("p0", "p1"))
    predecessors.check(encoder, tiny_cohort, split)


def test_a_segmenter_of_other_structures_is_refused(make_run, tiny_cohort):
    run = make_run("first", train=("p1",))
    predecessors.check_labels(run, tiny_cohort)
    other = SimpleNamespace(folder="other", label_names=("background", "ring"))
    with pytest.raises(errors.UserError, match="segments background, disc, but other"):
        predecessors.check_labels(run, other)
    predecessors.check_labels(make_run("encoder", pretrain=("p1",)), other)


def test_a_pretraining_run_has_not_seen_the_labelled_volumes(make_run, tiny_cohort):
    run = make_run("run", pretrain=("p0",))
    record = run_folder.RunFolder(run).read_record()
    labelled = dataclasses.replace(record.split, train=("p1",), validation=("p2",))
    record = dataclasses.replace(record, split=labelled)
    assert record.volumes_learned_from() == {"p0"}


def test_runs_before_that_run_count_too(make_run, tiny_cohort):
    encoder = make_run("encoder", pretrain=("p0", "p1"))
    decoder = make_run("decoder", init=encoder, pretrain=("p0",))
    with pytest.raises(errors.UserError, match=r"encoder was trained on 1 volumes"):
        predecessors.check(decoder, tiny_cohort, split_for("p1"))
    predecessors.check(decoder, tiny_cohort, split_for("p2"))


def test_runs_that_moved_together_are_checked(make_run, tiny_cohort, tmp_path):
    encoder = make_run("before/encoder", pretrain=("p0", "p1"))
    decoder = make_run("before/decoder", init=encoder, pretrain=("p0",))
    decoder = (tmp_path / "before").rename(tmp_path / "after") / decoder.name
    with pytest.raises(errors.UserError, match=r"encoder was trained on 1 volumes"):
        predecessors.check(decoder, tiny_cohort, split_for("p1"))


def test_relative_folders_are_those_of_the_first_day(
    make_run, make_stage, tiny_cohort, tmp_path, monkeypatch
):
    encoder = make_run("here/encoder", pretrain=("p0", "p1"))
    make_run("elsewhere/encoder", pretrain=("p0",))
    stage = make_stage("decoder", tmp_path / "decoder", init="encoder")
    monkeypatch.chdir(encoder.parent)
    split = splits.Split(("p0",), (), (), ())
    run = run_folder.RunFolder(stage.workdir)
    run.start(records.make_record(stage, tiny_cohort, split))
    run.finish(run.path / "checkpoints" / "ckpt-1", 1, {})
    monkeypatch.chdir(tmp_path / "elsewhere")
    with pytest.raises(errors.UserError, match=r"encoder was trained on 1 volumes"):
        predecessors.check(run.path, tiny_cohort, split_for("p1"))


def test_of_an_earlier_version_they_are_guessed_and_named(
    make_run, tiny_cohort, tmp_path, monkeypatch, caplog
):
    encoder = make_run("elsewhere/encoder", pretrain=("p0", "p1"))
    decoder = make_run("decoder", init=tmp_path / "encoder", pretrain=("p0",))
    path = run_folder.RunFolder(decoder).config_file
    content = json.loads(path.read_text())
    content["config"]["init"] = "encoder"
    path.write_text(json.dumps(content))
    monkeypatch.chdir(tmp_path / "elsewhere")
    with pytest.raises(errors.UserError, match=r"encoder was trained on 1 volumes"):
        predecessors.check(decoder, tiny_cohort, split_for("p1"))
    with caplog.at_level(logging.WARNING):
        predecessors.check(decoder, tiny_cohort, split_for("p2"))
    assert f"went on from encoder, which is assumed to be {encoder.resolve()}" in (
        caplog.text
    )


def test_a_run_before_that_is_gone_is_named(make_run, tiny_cohort, caplog):
    encoder = make_run("encoder", pretrain=("p0", "p1"))
    decoder = make_run("decoder", init=encoder, pretrain=("p0",))
    shutil.rmtree(encoder)
    with caplog.at_level(logging.WARNING):
        predecessors.check(decoder, tiny_cohort, split_for("p1"))
    assert f"went on from {encoder}, which no longer exists" in caplog.text


def test_other_cohort_cannot_be_checked(make_run, tiny_cohort, caplog):
    run = make_run("run", cohort_id="other", pretrain=("p1",))
    with caplog.at_level(logging.WARNING):
        predecessors.check(run, tiny_cohort, split_for("p1"))
    assert "cannot be checked" in caplog.text


def test_a_run_of_another_normalisation_is_refused(make_stage, tmp_path):
    encoder = stages.run([make_stage("encoder", tmp_path / "encoder", 1)])[0]
    stage = make_stage("finetune", tmp_path / "finetune", 1, init=str(encoder))
    network = dataclasses.replace(stage.network, norm=config.NormKind.INSTANCE)
    with pytest.raises(errors.UserError, match="--norm=batch, not --norm=instance"):
        stages.run([dataclasses.replace(stage, network=network)])
