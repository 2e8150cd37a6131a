import dataclasses
import logging
import shutil
import types

import pytest

from dscl_tf import config, errors, files
from dscl_tf.cohort import splits
from dscl_tf.stages import session
from dscl_tf.training import records, run_folder
from tests.cohort import splits_test

NAMES = tuple(f"v{number:02d}" for number in range(40))


@pytest.fixture
def make_run(tiny_cohort, make_stage, tmp_path):
    """A finished run, without weights, of a split."""

    def make(name, init=None, cohort_id=None, **subsets):
        split = splits.Split(**{kind: subsets.get(kind, ()) for kind in splits.SUBSETS})
        kind = "finetune" if {"train", "validation"} & set(subsets) else "encoder"
        stage = make_stage(kind, tmp_path / name, init=init and str(init))
        record = records.make_record(stage, tiny_cohort, split)
        if cohort_id:
            record = dataclasses.replace(record, cohort_id=cohort_id)
        run = run_folder.RunFolder(tmp_path / name)
        run.start(record)
        run.finish(run.path / "checkpoints" / "ckpt-1", 1, {})
        return run.path

    return make


def split_for(*test):
    return splits.Split((), (), (), test)


@pytest.mark.parametrize("kind", ["pretrain", "train", "validation"])
def test_run_that_saw_test_volumes_is_refused(make_run, tiny_cohort, kind):
    run = make_run("run", **{kind: ("p0", "p1")})
    with pytest.raises(errors.UserError, match=r"1 volumes .* \(p1\).*use the split"):
        session.check_init(run, tiny_cohort, split_for("p1", "p2"))
    session.check_init(run, tiny_cohort, split_for("p2"))


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
        session.check_init(decoder, tiny_cohort, split_for("p1"))
    session.check_init(decoder, tiny_cohort, split_for("p2"))


def test_runs_that_moved_together_are_checked(make_run, tiny_cohort, tmp_path):
    encoder = make_run("before/encoder", pretrain=("p0", "p1"))
    decoder = make_run("before/decoder", init=encoder, pretrain=("p0",))
    decoder = (tmp_path / "before").rename(tmp_path / "after") / decoder.name
    with pytest.raises(errors.UserError, match=r"encoder was trained on 1 volumes"):
        session.check_init(decoder, tiny_cohort, split_for("p1"))


def test_a_run_before_that_is_gone_is_named(make_run, tiny_cohort, caplog):
    encoder = make_run("encoder", pretrain=("p0", "p1"))
    decoder = make_run("decoder", init=encoder, pretrain=("p0",))
    shutil.rmtree(encoder)
    with caplog.at_level(logging.WARNING):
        session.check_init(decoder, tiny_cohort, split_for("p1"))
    assert f"went on from {encoder}, which is not there any more" in caplog.text


def test_a_teacher_of_slices_that_were_prepared_otherwise(
    make_run, make_stage, tiny_cohort, tmp_path, caplog
):
    teacher = make_run("teacher", train=("p0",))
    labels = config.PseudoLabelConfig(str(teacher))
    stage = make_stage(
        "finetune",
        tmp_path / "student",
        finetune=config.FinetuneConfig(pseudo_labels=labels),
    )
    with caplog.at_level(logging.WARNING):
        session.check_teacher(stage, tiny_cohort, split_for("p1"))
    assert "prepared otherwise" not in caplog.text
    run = run_folder.RunFolder(teacher)
    record = run.read_record()
    coarse = dataclasses.replace(record.preprocessing, spacing_mm=4.0)
    record = dataclasses.replace(record, preprocessing=coarse)
    files.write_json(run.config_file, records.to_json(record))
    with caplog.at_level(logging.WARNING):
        session.check_teacher(stage, tiny_cohort, split_for("p1"))
    assert "prepared otherwise (spacing_mm was 4.0, is now 2.0)" in caplog.text


def test_frames_of_validation_subjects_are_not_learned_from():
    subject = {"a_ED": "a", "a_ES": "a", "b_ED": "b", "b_ES": "b", "c_ED": "c"}
    # Of each patient one frame is labelled.
    split = splits.Split(tuple(subject), ("a_ED",), ("b_ED",), ())
    volumes = {n: types.SimpleNamespace(subject=s) for n, s in subject.items()}
    cohort = types.SimpleNamespace(volume=volumes.__getitem__)
    opened = session.Session(None, cohort, split, None, None, None)
    assert opened.unlabelled == ("a_ES", "c_ED")


def test_other_cohort_cannot_be_checked(make_run, tiny_cohort, caplog):
    run = make_run("run", cohort_id="other", pretrain=("p1",))
    with caplog.at_level(logging.WARNING):
        session.check_init(run, tiny_cohort, split_for("p1"))
    assert "cannot be checked" in caplog.text


@pytest.mark.parametrize(
    "num_names, num_probe, expected",
    [(40, 2, 2), (40, 3, 3), (40, 9, 4), (20, 2, 2), (19, 2, 0), (40, 1, 0)],
)
def test_hold_out_probe(num_names, num_probe, expected):
    cohort = splits_test.make_cohort(NAMES[:num_names])
    kept, probe = session.hold_out_probe(cohort, NAMES[:num_names], num_probe)
    assert len(probe) == expected
    assert sorted(kept + probe) == list(NAMES[:num_names])
    again = session.hold_out_probe(cohort, NAMES[:num_names], num_probe)
    assert again == (kept, probe)


def test_all_volumes_of_a_subject_are_held_out_together():
    cohort = splits_test.make_cohort(NAMES[:20], frames=("_ED", "_ES"))
    names = tuple(volume.name for volume in cohort.volumes)
    kept, probe = session.hold_out_probe(cohort, names, 2)
    assert len(probe) == 4 and len(kept) == 36
    subjects = [{name[:-3] for name in each} for each in (kept, probe)]
    assert not subjects[0] & subjects[1] and len(subjects[1]) == 2
    # Twenty volumes of ten subjects are too few.
    assert session.hold_out_probe(cohort, names[:20], 2) == (names[:20], ())
