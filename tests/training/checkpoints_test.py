import logging

import pytest
import tensorflow as tf

from dscl_tf import errors
from dscl_tf.training import checkpoints, handover


def part(units=2, value=0.0, name="dense"):
    """A tiny network with BatchNorm, every variable of one value."""
    features = tf.keras.Input([3])
    outputs = tf.keras.layers.BatchNormalization()(
        tf.keras.layers.Dense(units, name=name)(features)
    )
    model = tf.keras.Model(features, outputs)
    for variable in model.variables:
        variable.assign(tf.fill(variable.shape, value))
    return model


def are(model, value):
    return all((variable.numpy() == value).all() for variable in model.variables)


def open_run(folder, value=0.0):
    model = part(value=value)
    optimizer = tf.keras.optimizers.Adam()
    optimizer.build(model.trainable_variables)
    return checkpoints.Checkpoints(folder, {"encoder": model}, optimizer), model


@pytest.fixture
def saved(tmp_path):
    """A run with checkpoints at steps 1 to 3, whose variables are the step."""
    run, model = open_run(tmp_path)
    for step in (1, 2, 3):
        for variable in model.variables:
            variable.assign(tf.fill(variable.shape, float(step)))
        run.save(step)
    return tmp_path


def test_nothing_to_restore(tmp_path):
    run, model = open_run(tmp_path, value=7.0)
    assert run.restore() == 0 and are(model, 7)


def test_newest_is_restored_and_two_are_kept(saved):
    run, model = open_run(saved)
    assert run.restore() == 3 and are(model, 3)
    names = {path.stem for path in (saved / "checkpoints").glob("*.index")}
    assert names == {"ckpt-2", "ckpt-3"}


@pytest.mark.parametrize("kind", ["index", "data-00000-of-00001"])
@pytest.mark.parametrize("damage", ["cut", "missing"])
def test_damaged_newest_falls_back_to_the_one_before(saved, caplog, kind, damage):
    path = saved / "checkpoints" / f"ckpt-3.{kind}"
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:20])
    else:
        path.unlink()
    run, model = open_run(saved)
    with caplog.at_level(logging.WARNING):
        assert run.restore() == 2
    assert are(model, 2)
    assert "ckpt-3" in caplog.text and "trying the one before" in caplog.text


def test_none_readable_is_said(saved):
    for path in (saved / "checkpoints").glob("*.index"):
        path.write_bytes(b"damaged")
    run, _ = open_run(saved)
    with pytest.raises(errors.UserError, match="None of the checkpoints in"):
        run.restore()


def test_best_is_kept_apart_and_survives_a_restart(tmp_path):
    run, model = open_run(tmp_path)
    for step, score, expected in ((1, 0.0, True), (2, 0.6, True), (3, 0.6, False)):
        model.variables[0].assign(tf.fill(model.variables[0].shape, float(step)))
        assert run.keep_if_best(step, score) == expected
    run.save(3)
    again, _ = open_run(tmp_path)
    assert again.restore() == 3
    assert int(again.best_step) == 2 and float(again.best_score) == 0.6
    assert not again.keep_if_best(4, 0.5)
    assert again.result() == tmp_path / "best" / "ckpt-2"
    fresh = part()
    checkpoints.read_parts(again.result(), {"encoder": fresh})
    assert (fresh.variables[0].numpy() == 2).all()


def test_result_without_a_best_is_the_newest(saved):
    assert open_run(saved)[0].result() == saved / "checkpoints" / "ckpt-3"


@pytest.fixture
def source(tmp_path):
    """A checkpoint of an encoder of ones and a head of twos."""
    models = {"encoder": part(value=1.0), "global_head": part(4, 2.0)}
    optimizer = tf.keras.optimizers.Adam()
    optimizer.build(models["encoder"].trainable_variables)
    run = checkpoints.Checkpoints(tmp_path, models, optimizer)
    run.save(5)
    return run.result()


def test_take_over_matching_parts(source):
    encoder, block = part(), part(value=8.0)
    table = handover.take_over(source, {"encoder": encoder, "decoder_block_1": block})
    assert len(encoder.non_trainable_variables) == 2  # BatchNorm's statistics, too.
    assert are(encoder, 1) and are(block, 8)
    rows = [line.split() for line in table.splitlines()]
    # 3 x 2 weights and 2 biases, and 4 x 2 numbers of the normalisation.
    assert rows == [
        ["part", "variables", "parameters"],
        ["encoder", "6", "16", "taken", "over"],
        ["decoder_block_1", "6", "16", "fresh"],
        ["global_head", "6", "dropped"],
    ]


def test_nothing_matching_is_refused(source):
    with pytest.raises(errors.UserError, match=r"Nothing to take over .*'global_head'"):
        handover.take_over(source, {"classifier": part()})


def test_other_shapes_are_refused(source):
    with pytest.raises(errors.UserError, match="do not fit this network"):
        handover.take_over(source, {"encoder": part(units=3)})


def test_missing_checkpoint_is_refused(tmp_path):
    with pytest.raises(errors.UserError, match="Cannot read the checkpoint"):
        handover.take_over(tmp_path / "ckpt-1", {"encoder": part()})


def test_variables_by_part(source):
    assert checkpoints.variables_by_part(source) == {"encoder": 6, "global_head": 6}
