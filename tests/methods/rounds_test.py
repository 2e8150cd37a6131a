import dataclasses
import json
import pathlib

import numpy as np
import pytest
import tensorflow as tf

from dscl_tf import config, errors, stages
from dscl_tf.cohort import splits
from dscl_tf.methods import labelled, rounds
from dscl_tf.methods.class_contrast.settings import ClassContrastConfig
from dscl_tf.methods.consistency.settings import ConsistencyConfig
from dscl_tf.methods.pseudo_labels import method
from dscl_tf.methods.pseudo_labels.settings import PseudoLabelConfig
from dscl_tf.stages import opening
from dscl_tf.training import loop, run_folder
from tests import weights


@pytest.fixture()
def stage(make_stage, tmp_path):
    """Self-training settings of a tiny stage."""
    return make_stage(
        "finetune",
        tmp_path / "finetune",
        finetune=config.FinetuneConfig(
            batch_size=5,
            validate_every=2,
            pseudo_labels=PseudoLabelConfig(None, 0.55, True),
            class_contrast=ClassContrastConfig(),
        ),
    )


def test_rounds_teach_each_other(stage):
    stage = dataclasses.replace(stage, init="before")
    contrast = dataclasses.replace(
        stage.finetune, class_contrast=ClassContrastConfig(weight=1.0)
    )
    stage = dataclasses.replace(stage, finetune=contrast)
    found = rounds.finetune_rounds(stage, 2)
    names = ["finetune_round_0", "finetune_round_1", "finetune"]
    assert [pathlib.Path(r.workdir).name for r in found] == names
    assert [r.init for r in found] == ["before", found[0].workdir, found[1].workdir]
    teachers = [r.finetune.pseudo_labels.teacher for r in found]
    assert teachers == [None, found[0].workdir, found[1].workdir]
    assert [r.finetune.pseudo_labels.round for r in found] == [0, 1, 2]
    assert not found[0].finetune.pseudo_labels.as_targets
    assert [r.finetune.class_contrast.weight for r in found] == [0, 1, 1]
    # All else is the stage's.
    assert found[2].finetune == dataclasses.replace(
        stage.finetune, pseudo_labels=found[2].finetune.pseudo_labels
    )


def test_a_run_that_is_there_is_round_0(stage):
    found = rounds.finetune_rounds(stage, 1, first="elsewhere")
    assert len(found) == 1 and found[0].workdir == stage.workdir
    assert found[0].init == found[0].finetune.pseudo_labels.teacher == "elsewhere"


def test_rounds_go_on_counting_from_a_taught_run(stage):
    stages.run(rounds.finetune_rounds(stage, 1))
    later = dataclasses.replace(stage, workdir=f"{stage.workdir}_later")
    found = rounds.finetune_rounds(later, 2, first=stage.workdir)
    assert [each.finetune.pseudo_labels.round for each in found] == [2, 3]


def test_a_run_that_does_not_say_its_round_is_recognised(stage):
    run = rounds.finetune_rounds(stage, 1)[1]
    stages.run(rounds.finetune_rounds(stage, 1))
    folder = run_folder.RunFolder(run.workdir)
    content = json.loads(folder.config_file.read_text())
    del content["config"]["finetune"]["pseudo_labels"]["round"]
    folder.config_file.write_text(json.dumps(content))
    folder.start(dataclasses.replace(folder.read_record(), config=run))


def test_no_rounds_change_nothing(stage, make_stage, tmp_path):
    encoder = make_stage("encoder", tmp_path / "encoder")
    assert rounds.with_rounds([encoder, stage], 0) == [encoder, stage]
    expanded = rounds.with_rounds([encoder, stage], 1)
    assert [each.stage for each in expanded] == ["encoder", "finetune", "finetune"]


def test_self_training(stage, caplog):
    caplog.set_level("INFO")
    folders = stages.run(rounds.finetune_rounds(stage, 1))
    record = run_folder.RunFolder(folders[1]).read_record()
    made = {path.stem for path in (folders[1] / "pseudo_labels").glob("*.npy")}
    expected = set(record.split.pretrain) - {
        *record.split.train,
        *record.split.validation,
    }
    assert made == expected and len(made) == 3
    assert not made & set(record.split.test)
    assert "Share of known pseudo-labels: background" in caplog.text
    # A finished run is recognised by the same rounds.
    caplog.clear()
    stages.run(rounds.finetune_rounds(stage, 1))
    assert caplog.text.count("is finished; nothing to do") == 2


def test_half_of_a_batch_is_pseudo_labelled(stage, tiny_cohort):
    first = stages.run(rounds.finetune_rounds(stage, 1)[:1])[0]
    student = rounds.finetune_rounds(stage, 1)[1]
    with opening.open_stage(student) as opened:
        method.prepare(opened)
        stream = labelled.labelled_batches(opened, method.targets(opened))
        train = set(opened.split.train)
        for step, batch in enumerate(stream.open(0, 0, 3)):
            names = stream.ids(0, step)["volume"]
            assert sum(name in train for name in names) == 3 and len(names) == 5
            assert not set(names) & {*opened.split.test, *opened.split.validation}
            assert batch["label"].dtype == tf.int32
            assert set(np.unique(batch["label"])) <= {0, 1, 2}
    assert first.name == "finetune_round_0"


def test_pseudo_labels_are_the_teachers_known_answers(stage, tiny_cohort):
    found = rounds.finetune_rounds(stage, 1)
    stages.run(found)
    teacher = run_folder.load_segmenter(found[0].workdir).model
    paths = list(pathlib.Path(stage.workdir, "pseudo_labels").glob("*.npy"))
    assert paths
    for path in paths:
        images = np.asarray(tiny_cohort.image(path.stem))[..., None]
        maps = tf.nn.softmax(teacher(images, training=False)).numpy()
        labels = np.load(path)
        sure = np.abs(maps.max(-1) - 0.55) > 1e-4
        expected = np.where(maps.max(-1) >= 0.55, maps.argmax(-1), 2)
        np.testing.assert_array_equal(labels[sure], expected[sure])


def test_resumed_round_equals_uninterrupted(stage, tmp_path, monkeypatch):
    whole = rounds.finetune_rounds(stage, 1)[1]
    stages.run(rounds.finetune_rounds(stage, 1))
    cut = dataclasses.replace(whole, workdir=str(tmp_path / "cut"))
    add = loop._Meter.add

    def add_and_fail(self, step, batch):
        add(self, step, batch)
        if int(self._training.checkpoints.step) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(loop._Meter, "add", add_and_fail)
    with pytest.raises(KeyboardInterrupt):
        stages.run([cut])
    monkeypatch.setattr(loop._Meter, "add", add)
    labels = tmp_path / "cut" / "pseudo_labels"
    next(labels.glob("*.npy")).unlink()
    stages.run([cut])
    weights.assert_same(cut.workdir, whole.workdir)


def test_refusals(stage, make_stage, tmp_path):
    with pytest.raises(errors.UserError, match="need a run that gives them"):
        stages.run([stage])
    missing = rounds.finetune_rounds(stage, 1, first=str(tmp_path / "nowhere"))
    with pytest.raises(errors.UserError, match="not a finished run"):
        stages.run(missing)
    encoder = make_stage("encoder", tmp_path / "encoder", num_steps=1)
    stages.run([encoder])
    wrong = rounds.finetune_rounds(stage, 1, first=encoder.workdir)
    with pytest.raises(errors.UserError, match="only a fine-tuned run gives"):
        stages.run(wrong)


def test_teacher_that_learned_from_test_volumes_is_refused(stage):
    found = rounds.finetune_rounds(stage, 1)
    everything = dataclasses.replace(stage.split, num_test=0, seed=1)
    # The first round knows a volume that is for testing in the second.
    learned = set()
    for seed in range(20):
        split = dataclasses.replace(everything, seed=seed)
        teacher = dataclasses.replace(found[0], split=split)
        with opening.open_stage(teacher) as opened:
            learned = {*opened.split.train, *opened.split.validation}
            cohort = opened.cohort
        tested = splits.resolve(cohort, stage.split).test
        if learned & set(tested):
            break
    assert learned & set(tested)
    stages.run([teacher])
    student = dataclasses.replace(found[1], init=None)
    with pytest.raises(errors.UserError, match="that are for testing now"):
        stages.run([student])


def test_labels_that_nothing_uses_are_refused(stage):
    unused = dataclasses.replace(
        stage.finetune, pseudo_labels=PseudoLabelConfig(None, 0.9, False)
    )
    with pytest.raises(errors.UserError, match="that nothing uses"):
        rounds.finetune_rounds(dataclasses.replace(stage, finetune=unused), 1)


def test_runs_may_move_together_with_their_teacher(stage, tmp_path):
    run = rounds.finetune_rounds(stage, 1)[1]
    stages.run(rounds.finetune_rounds(stage, 1))
    record = run_folder.RunFolder(run.workdir).read_record()

    def as_if(**fields):
        return dataclasses.replace(
            record, config=dataclasses.replace(record.config, **fields)
        )

    moved = rounds.finetune_rounds(
        dataclasses.replace(stage, workdir=str(tmp_path / "new" / "finetune")), 1
    )[1]
    same = as_if(workdir=moved.workdir, init=moved.init, finetune=moved.finetune)
    assert run_folder.records.differences(record, same) == ""
    other = as_if(finetune=moved.finetune)
    found = run_folder.records.differences(record, other)
    assert "config.finetune.pseudo_labels.teacher was" in found


def test_a_first_round_that_is_there_leaves_the_stages_before_without_a_use(
    stage, make_stage, tmp_path, caplog
):
    caplog.set_level("INFO")
    chain = [
        *(make_stage(kind, tmp_path / kind) for kind in ("encoder", "decoder")),
        stage,
    ]
    found = rounds.with_rounds(chain, 1, first="elsewhere")
    assert [each.workdir for each in found] == [stage.workdir]
    assert found[0].init == "elsewhere"
    assert "Left out: encoder, decoder. Fine-tuning goes on from elsewhere" in (
        caplog.text
    )


def test_a_first_round_may_be_named_by_its_workdir(stage, make_run):
    run = make_run("earlier/finetune", train=("p1",))
    for named in (run, run.parent):
        found = rounds.with_rounds([stage], 1, first=str(named))
        assert found[0].init == str(run)


def test_a_first_round_that_nothing_goes_on_from_is_refused(make_stage, tmp_path):
    plain = make_stage("finetune", tmp_path / "finetune")
    encoder = make_stage("encoder", tmp_path / "encoder")
    for chain, count in (([plain], 0), ([encoder], 0), ([encoder], 2)):
        with pytest.raises(errors.UserError, match="=elsewhere: nothing goes on from"):
            rounds.with_rounds(chain, count, first="elsewhere")


def test_without_rounds_only_true_labels_are_contrasted(stage):
    finetune = dataclasses.replace(
        stage.finetune,
        pseudo_labels=PseudoLabelConfig(),
        class_contrast=ClassContrastConfig(weight=1.0),
        consistency=ConsistencyConfig(0.5),
    )
    stage = dataclasses.replace(stage, finetune=finetune)
    first, second = rounds.finetune_rounds(stage, 0)
    assert list(second.finetune.methods_on) == ["class_contrast", "consistency"]
    assert second.init == first.workdir
    last = rounds.finetune_rounds(stage, 1)[1]
    assert last.finetune.pseudo_labels.teacher == first.workdir
