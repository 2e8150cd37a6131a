import dataclasses
import logging

import numpy as np
import pytest
import tensorflow as tf

from dscl_tf import config, errors, stages
from dscl_tf.methods import rounds
from dscl_tf.methods.consistency import loss, method, pieces
from dscl_tf.methods.consistency.settings import ConsistencyConfig
from dscl_tf.methods.copy_paste.settings import CopyPasteConfig
from dscl_tf.pipeline import streams
from dscl_tf.stages import finetune, opening
from dscl_tf.training import checkpoints, run_folder
from tests import curves, interrupting


@pytest.fixture(scope="module")
def first(make_stage, tmp_path_factory):
    """A fine-tuned run, and a function to stages that go on from it."""
    root = tmp_path_factory.mktemp("consistency")
    plain = config.FinetuneConfig(batch_size=3, validate_every=50)
    folder = stages.run([make_stage("finetune", root / "first", 6, finetune=plain)])[0]

    def after(name, num_steps=3, **settings):
        added = ConsistencyConfig(0.5, **settings)
        return make_stage(
            "finetune",
            root / name,
            num_steps,
            init=str(folder),
            finetune=config.FinetuneConfig(
                batch_size=3, validate_every=50, consistency=added
            ),
        )

    after.folder = folder
    return after


def test_it_learns_from_unlabelled_slices(first):
    settings = {"ramp_steps": 2, "confidence": 0.5, "feature_dropout": 0.5}
    folder = stages.run([first("learns", 20, **settings)])[0]
    total, own, added, known = (
        np.array(curves.of_training(folder, name))
        for name in ("loss", "own_loss", "consistency_loss", "known_foreground")
    )
    ramp = np.minimum(np.arange(20) / 2, 1)
    np.testing.assert_allclose(total, own + 0.5 * ramp * added, rtol=1e-4)
    assert np.mean(added[-5:]) < np.mean(added[:5])
    assert known.min() >= 0 and known.max() <= 1 and known.max() > 0
    # The teacher is no part of the segmenter, and is saved for going on.
    assert run_folder.load_segmenter(folder).model.output_shape[-1] == 2
    final = run_folder.RunFolder(folder).final_checkpoint()
    assert "teacher" in checkpoints.variables_by_part(final)


@pytest.mark.parametrize("one_piece", [True, False])
def test_labelled_slices_decide_whether_labels_are_one_piece(
    first, one_piece, monkeypatch, caplog
):
    found = []
    monkeypatch.setattr(
        pieces,
        "are_one_piece",
        lambda labels, n: found.append((*labels, n)) or one_piece,
    )
    caplog.set_level(logging.INFO)
    name = f"piece_{one_piece}"
    folder = stages.run([first(name, 1, confidence=0.5, one_piece=True)])[0]
    said = "one piece of each slice" if one_piece else "all pieces"
    assert f"Pseudo-labels keep {said}" in caplog.text
    # Of one labelled volume and one to validate on, of two classes.
    ((*labels, num_classes),) = found
    assert len(labels) == 2 and num_classes == 2
    # What was asked for stays in the record: the same command goes on.
    record = run_folder.RunFolder(folder).read_record()
    assert record.config.finetune.consistency.one_piece


def test_the_teacher_follows_the_segmenter(first):
    with opening.open_stage(first("follows", teacher_decay=0.75)) as opened:
        assembly = finetune.assemble(opened)
    teacher = assembly.parts["teacher"]
    weight, followed = teacher.variables[0], assembly.players["loss"][0]
    followed.assign(tf.ones_like(followed))
    (follower,) = assembly.followers.values()
    follow = follower.after_step
    follower.start()
    np.testing.assert_allclose(weight, 1.0)
    follow(1)
    np.testing.assert_allclose(weight, 1.0)
    followed.assign(tf.zeros_like(followed))
    follow(2)
    np.testing.assert_allclose(weight, 0.5)
    follow(100)
    np.testing.assert_allclose(weight, 0.375)


def test_without_a_teacher_the_segmenter_labels(first):
    with opening.open_stage(first("itself", teacher_decay=0.0)) as opened:
        assembly = finetune.assemble(opened)
    assert "teacher" not in assembly.parts and not assembly.followers


def test_the_batch_shows_what_is_said_of_it(first):
    with opening.open_stage(first("batch", cutmix_probability=1.0)) as opened:
        assembly = finetune.assemble(opened)
        batch = opened.batch_of(assembly.stream, 8)
    others = streams.part_of(batch, loss.STREAM)
    assert int(others["step"]) == 7
    names = set(opened.unlabelled)
    assert not names & {*opened.split.train, *opened.split.validation}
    partner = others["rows_partner"].numpy()
    assert sorted(partner) == [0, 1, 2] and (partner != np.arange(3)).all()
    # What a box shows is tested in loss_test.py.
    box = others["rows_box_1"].numpy()
    assert box.any(axis=(1, 2)).all() and not box.all(axis=(1, 2)).any()


def test_dropped_channels_do_not_depend_on_the_division(first):
    with opening.open_stage(first("drops")) as opened:
        assembly = finetune.assemble(opened)
        batch = streams.part_of(opened.batch_of(assembly.stream, 1), loss.STREAM)
    seen = []

    def spy(levels, training):
        seen.append([np.asarray(each) for each in levels])
        return levels[0]

    class Unet:
        def get_layer(self, name):
            if name == "encoder":
                return lambda image, training: [tf.ones([*image.shape[:3], 8])]
            return spy if name == "decoder" else lambda features: features

    forget = method.forgetful(Unet(), 0.5)
    forget(batch)
    part = {k: v[1:] if k in ("image", "rows_number") else v for k, v in batch.items()}
    forget(part)
    (whole,), (rest,) = seen
    np.testing.assert_array_equal(whole[1:], rest)
    assert set(np.unique(whole)) == {0.0, 2.0}
    assert (whole == whole[:, :1, :1]).all()  # Whole channels.


def test_a_network_that_does_not_segment_is_refused(first, make_stage, tmp_path):
    added = config.FinetuneConfig(consistency=ConsistencyConfig(0.5))
    stage = make_stage("finetune", tmp_path / "f", finetune=added)
    with pytest.raises(errors.UserError, match="start from a fine-tuned run; found"):
        stages.run([stage])


def test_a_first_round_is_trained_without_it(make_stage):
    added = config.FinetuneConfig(consistency=ConsistencyConfig(0.5, steps_factor=1.8))
    stage = make_stage(
        "finetune",
        "w/finetune",
        5,
        finetune=added,
    )
    before, after = rounds.finetune_rounds(stage, 0)
    assert not before.finetune.methods_on and before.optimizer.num_steps == 5
    assert after.init == before.workdir == "w/finetune_round_0"
    assert list(after.finetune.methods_on) == ["consistency"]
    assert after.optimizer.num_steps == 9 and after.workdir == "w/finetune"
    assert after.draw_seed != before.draw_seed


def test_only_fine_tuning_has_rounds(make_stage):
    added = config.FinetuneConfig(consistency=ConsistencyConfig(0.5))
    chain = [
        make_stage(stage, f"w/{stage}", finetune=added)
        for stage in ("encoder", "decoder", "finetune")
    ]
    found = [stage.workdir for stage in rounds.with_rounds(chain, 0)]
    assert found == ["w/encoder", "w/decoder", "w/finetune_round_0", "w/finetune"]


def test_interrupted_and_resumed_equals_uninterrupted(first):
    settings = {"confidence": 0.5, "feature_dropout": 0.5, "ramp_steps": 0}
    whole, cut = (first(name, 4, **settings) for name in ("whole", "cut"))
    interrupting.assert_resumed_is_the_same(whole, cut, after=2)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
def test_in_mixed_precision(first, precision):
    stage = first(f"in_{precision}", 3, ramp_steps=0, confidence=0.5)
    runtime = dataclasses.replace(stage.runtime, precision=precision)
    folder = stages.run([dataclasses.replace(stage, runtime=runtime)])[0]
    for name in ("loss", "consistency_loss", "known_foreground"):
        assert np.isfinite(curves.of_training(folder, name)).all()
    assert curves.of_training(folder, "consistency_loss")[0] > 0


def test_methods_have_unlabelled_slices_of_their_own(first):
    stage = first("both")
    added = dataclasses.replace(stage.finetune, copy_paste=CopyPasteConfig(1.0))
    with opening.open_stage(dataclasses.replace(stage, finetune=added)) as opened:
        assembly = finetune.assemble(opened)
        batches = [opened.batch_of(assembly.stream, step) for step in range(1, 9)]
    drawn = [
        [tuple(streams.part_of(b, name)["image_id"].numpy()) for b in batches]
        for name in (loss.STREAM, "copy_paste")
    ]
    assert drawn[0] != drawn[1]
    assert set(assembly.followers) == {"teacher", "copy_paste_teacher"}
