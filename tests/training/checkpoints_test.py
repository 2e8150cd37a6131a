import logging

import numpy as np
import pytest
import tensorflow as tf

from dscl_tf import config, errors
from dscl_tf.training import checkpoints, finiteness, handover, optimizers


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


@pytest.mark.parametrize(
    "content", [b"", b"\0" * 90, b"model_checkpoint_pa"], ids=["empty", "zeros", "cut"]
)
def test_a_damaged_list_is_written_anew(saved, caplog, content):
    """As a power cut may leave it, since TensorFlow does not wait for the disk."""
    (saved / "checkpoints" / "checkpoint").write_bytes(content)
    with caplog.at_level(logging.WARNING):
        run, model = open_run(saved)
    assert "it is written anew, of the 2 that are there" in caplog.text
    assert run.restore() == 3 and are(model, 3)
    run.save(10)
    names = {path.stem for path in (saved / "checkpoints").glob("*.index")}
    assert names == {"ckpt-3", "ckpt-10"}
    assert open_run(saved)[0].restore() == 10


def test_a_list_that_was_deleted_is_a_new_start(saved):
    (saved / "checkpoints" / "checkpoint").unlink()
    assert open_run(saved)[0].restore() == 0


def spoil(path, damage):
    """Cuts a file short or removes it, or changes its last byte."""
    content = path.read_bytes()
    path.unlink()
    if damage == "cut":
        path.write_bytes(content[:20])
    elif damage == "changed":
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 255]))


each_file = pytest.mark.parametrize("kind", ["index", "data-00000-of-00001"])
each_damage = pytest.mark.parametrize("damage", ["cut", "missing", "changed"])


@each_file
@each_damage
def test_damaged_newest_falls_back_to_the_one_before(saved, caplog, kind, damage):
    spoil(saved / "checkpoints" / f"ckpt-3.{kind}", damage)
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
    # A score of 0 tells no weights apart: the first would be kept to the end.
    for step, score, expected in ((1, 0.0, False), (2, 0.6, True), (3, 0.6, False)):
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


def test_weights_that_nothing_tells_apart_are_not_chosen(saved):
    run, _ = open_run(saved)
    assert run.restore() == 3
    assert not run.keep_if_best(3, 0.0)
    assert run.scores() == {} and run.result() == saved / "checkpoints" / "ckpt-3"


def test_best_weights_of_a_killed_run_are_not_the_result(tmp_path):
    run, _ = open_run(tmp_path)
    run.keep_if_best(600, 0.4)
    # Killed before its first checkpoint, and started again without validation.
    again, _ = open_run(tmp_path)
    assert again.restore() == 0
    again.save(500)
    assert again.result() == tmp_path / "checkpoints" / "ckpt-500"
    last, _ = open_run(tmp_path)
    assert last.restore() == 500
    assert last.result() == again.result() and last.scores() == {}


@pytest.mark.parametrize("is_earlier_version", [False, True])
def test_a_best_that_no_checkpoint_knows_keeps_its_step(tmp_path, is_earlier_version):
    run, model = open_run(tmp_path)
    run.keep_if_best(400, 0.7)
    run.save(500)
    if is_earlier_version:
        run._best = tf.train.CheckpointManager(
            tf.train.Checkpoint(parts={"encoder": model}), str(tmp_path / "best"), 1
        )
    run.keep_if_best(600, 0.8)
    again, _ = open_run(tmp_path)
    assert again.restore() == 500
    # Where nothing says them, those of the checkpoint stay.
    known = (400, 0.7) if is_earlier_version else (600, 0.8)
    assert tuple(again.scores().values()) == known
    assert again.keep_if_best(600, 0.75) is is_earlier_version
    assert again.result() == tmp_path / "best" / "ckpt-600"
    # Another process adopts it, too.
    other, _ = open_run(tmp_path / "other")
    assert other.restore(tmp_path) == 500
    assert other.scores()["best_step"] in (400, 600)
    handover.take_over(again.result(), {"encoder": part()})


@each_file
@each_damage
def test_damaged_best_weights_are_not_the_result(tmp_path, caplog, kind, damage):
    run, _ = open_run(tmp_path)
    run.keep_if_best(400, 0.7)
    run.save(500)
    spoil(tmp_path / "best" / f"ckpt-400.{kind}", damage)
    again, _ = open_run(tmp_path)
    with caplog.at_level(logging.WARNING):
        assert again.restore() == 500
    assert "best weights, of step 400, are missing or damaged" in caplog.text
    assert again.scores() == {}
    assert again.result() == tmp_path / "checkpoints" / "ckpt-500"
    assert again.keep_if_best(600, 0.6)
    checkpoints.read_parts(again.result(), {"encoder": part()})


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


def test_parts_of_another_network_are_refused(source):
    for parts in ({"encoder": part(units=3)}, {"classifier": part()}):
        with pytest.raises(errors.UserError, match=r"do not fit this .*--filters"):
            checkpoints.read_parts(source, parts)


def test_missing_checkpoint_is_refused(tmp_path):
    parts = {"encoder": part()}
    for read in (checkpoints.read_parts, handover.take_over):
        with pytest.raises(
            errors.UserError, match=r"missing or damaged .*: restore it"
        ):
            read(tmp_path / "ckpt-1", parts)


@each_file
@each_damage
def test_damaged_checkpoint_is_not_told_as_another_network(source, kind, damage):
    spoil(source.with_name(f"{source.name}.{kind}"), damage)
    for read in (checkpoints.read_parts, handover.take_over):
        # Whatever the network is.
        for units in (2, 3):
            with pytest.raises(
                errors.UserError, match=r"missing or damaged .*: restore"
            ):
                read(source, {"encoder": part(units)})


def test_variables_by_part(source):
    assert checkpoints.variables_by_part(source) == {"encoder": 6, "global_head": 6}


def poison(model, number=0):
    variable = model.variables[number]
    variable.assign(tf.fill(variable.shape, float("nan")))


@pytest.mark.parametrize("number", [0, -1], ids=["kernel", "moving variance"])
def test_what_is_not_finite_is_not_saved(tmp_path, number):
    run, model = open_run(tmp_path)
    run.save(1)
    poison(model, number)
    name = model.variables[number].name
    with pytest.raises(finiteness.NotFiniteError, match=f"At step 2 encoder/{name}"):
        run.save(2)
    with pytest.raises(finiteness.NotFiniteError):
        run.keep_if_best(2, 0.5)
    again, model = open_run(tmp_path, value=7.0)
    assert again.restore() == 1 and are(model, 0)
    assert again.scores() == {}
    assert not list((tmp_path / "best").glob("*.index"))


def test_a_score_that_is_not_a_number_is_not_the_best(tmp_path):
    run, _ = open_run(tmp_path)
    assert not run.keep_if_best(1, float("nan"))
    assert run.keep_if_best(2, 0.1)


@pytest.fixture
def save_poisoned(monkeypatch):
    """Saves as earlier versions did, which did not look."""

    def save(run, model, step):
        poison(model)
        with monkeypatch.context() as patch:
            patch.setattr(checkpoints.Checkpoints, "_check_finite", lambda *_: None)
            run.save(step)

    return save


def test_poisoned_checkpoints_are_passed_over(tmp_path, caplog, save_poisoned):
    run, model = open_run(tmp_path, value=4.0)
    run.save(1)
    save_poisoned(run, model, 2)
    again, model = open_run(tmp_path)
    with caplog.at_level(logging.WARNING):
        assert again.restore() == 1 and are(model, 4)
    assert "ckpt-2 (encoder/dense/kernel:0 (0) holds NaN" in caplog.text


def test_nothing_but_poisoned_checkpoints_is_an_error(tmp_path, save_poisoned):
    run, model = open_run(tmp_path)
    save_poisoned(run, model, 1)
    again, _ = open_run(tmp_path)
    with pytest.raises(errors.UserError, match=r"holds NaN.*delete the run folder"):
        again.restore()


def test_poisoned_weights_are_not_taken_over(tmp_path, save_poisoned):
    run, model = open_run(tmp_path)
    save_poisoned(run, model, 1)
    with pytest.raises(errors.UserError, match="not usable: encoder/dense"):
        handover.take_over(run.result(), {"encoder": part()})


def open_in(folder, precision, units=2):
    model = part(units)
    optimizer = optimizers.build(config.OptimizerConfig(), precision)
    optimizer.build(model.trainable_variables)
    return (
        checkpoints.Checkpoints(folder, {"encoder": model}, optimizer),
        model,
        optimizer,
    )


@pytest.mark.parametrize("after", ["float32", "mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("before", ["float32", "mixed_float16"])
def test_a_run_goes_on_in_another_precision(tmp_path, before, after):
    run, model, optimizer = open_in(tmp_path, before)
    gradients = [tf.ones(v.shape) for v in model.trainable_variables]
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))
    run.save(1)
    again, restored, other = open_in(tmp_path, after)
    assert again.restore() == 1
    for first, second in zip(model.variables, restored.variables):
        np.testing.assert_array_equal(first.numpy(), second.numpy())
    # Adam's moments, too; float16's first gradients were divided by the scale.
    for first, second in zip(optimizer.variables, other.variables):
        np.testing.assert_array_equal(first.numpy(), second.numpy())
    assert int(other.iterations) == 1
    if after == "mixed_float16":
        assert float(other.loss_scale) == 2**15
    again.save(2)
    back, _, _ = open_in(tmp_path, before)
    assert back.restore() == 2


@pytest.mark.parametrize("after", ["float32", "mixed_float16"])
@pytest.mark.parametrize("before", ["float32", "mixed_float16"])
def test_checkpoints_of_earlier_versions_are_read(tmp_path, before, after):
    run, model, optimizer = open_in(tmp_path, before)
    optimizer.iterations.assign(7)
    # As they wrote them: the Keras optimizer itself.
    whole = tf.train.Checkpoint(
        parts={"encoder": model},
        optimizer=optimizer,
        step=run.step,
        best_score=run.best_score,
        best_step=run.best_step,
    )
    run.step.assign(5)
    manager = tf.train.CheckpointManager(whole, str(tmp_path / "checkpoints"), 2)
    manager.save(checkpoint_number=5)
    again, _, other = open_in(tmp_path, after)
    assert again.restore() == 5
    assert int(other.iterations) == 7


def test_another_network_is_still_refused_in_another_precision(tmp_path):
    run, _, _ = open_in(tmp_path, "mixed_float16")
    run.save(1)
    other, _, _ = open_in(tmp_path, "float32", units=5)
    with pytest.raises(errors.UserError, match="None of the checkpoints"):
        other.restore()
