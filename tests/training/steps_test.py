import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from dscl_tf import config, losses, networks
from dscl_tf.pipeline import batches, sampling
from dscl_tf.training import optimizers, steps

NETWORK = config.NetworkConfig(filters=(4, 6, 8), global_head_units=(8, 4))
SIZE = (16, 16)
NAMES = ("p0", "p1", "p2")
GLOBAL = config.GlobalConfig(num_partitions=2, batch_volumes=2)
LOCAL = config.LocalConfig(
    num_partitions=2,
    batch_volumes=2,
    strategy=config.LocalStrategy.LD,
    region_size=2,
    num_regions=4,
)
MAP_SIZE = (8, 8)


@pytest.fixture(scope="module")
def batch_of(tiny_cohort):
    """One batch of a stage."""
    table = sampling.slice_table(tiny_cohort, NAMES, 2)
    view = config.ViewConfig()
    streams = {
        "encoder": batches.global_batches(tiny_cohort, table, GLOBAL, view),
        "decoder": batches.local_batches(tiny_cohort, table, LOCAL, view, MAP_SIZE),
        "finetune": batches.finetune_batches(
            tiny_cohort, table, config.FinetuneConfig(batch_size=3)
        ),
    }
    return {name: next(iter(s.open(0, 0, 1))) for name, s in streams.items()}


def regions_of(batch):
    return losses.LocalRegions(LOCAL.region_size, batch["corners"])


def build(stage):
    """(loss function, trained variables, models) of a stage, from a fixed seed."""
    tf.keras.utils.set_random_seed(1)
    if stage == "finetune":
        unet = networks.build_unet(NETWORK, SIZE, 2)
        return steps.finetune_loss(unet), unet.trainable_variables, [unet]
    encoder = networks.build_encoder(NETWORK, SIZE)
    if stage == "encoder":
        head = networks.build_global_head(NETWORK, encoder.outputs[-1].shape[1:])
        loss = steps.encoder_loss(encoder, head, GLOBAL)
        return loss, encoder.trainable_variables + head.trainable_variables, [encoder]
    encoder.trainable = False
    decoder = networks.build_decoder(NETWORK, SIZE, 1)
    shape = decoder.output.shape[1:]
    head = networks.build_local_head(NETWORK, shape)
    maps_of = steps.decoder_maps(encoder, decoder, head)
    loss = steps.local_loss(maps_of, LOCAL, regions_of)
    variables = decoder.trainable_variables + head.trainable_variables
    return loss, variables, [encoder, decoder]


@pytest.mark.parametrize("temperature", [0.1, 0.5])
def test_losses_have_the_temperature_of_their_settings(batch_of, temperature):
    rng = np.random.default_rng(0)
    batch = batch_of["encoder"]
    ids = batches.loss_ids(batch)
    vectors = rng.normal(size=[len(ids["view"]), 4]).astype(np.float32)
    settings = dataclasses.replace(GLOBAL, temperature=temperature)
    loss = steps.encoder_loss(
        lambda images, training: [images], lambda features, training: vectors, settings
    )
    expected = losses.global_contrastive_loss(
        vectors, ids, GLOBAL.strategy, temperature
    )
    np.testing.assert_allclose(loss(batch)["loss"], expected, rtol=1e-5)
    batch = batch_of["decoder"]
    ids = batches.loss_ids(batch)
    maps = rng.normal(size=[len(ids["view"]), *MAP_SIZE, 4]).astype(np.float32)
    settings = dataclasses.replace(LOCAL, temperature=temperature)
    loss = steps.local_loss(lambda images: maps, settings, regions_of)
    expected = losses.local_contrastive_loss(
        maps, ids, LOCAL.strategy, regions_of(batch), temperature
    )
    np.testing.assert_allclose(loss(batch)["loss"], expected, rtol=1e-5)


def make(stage, jit=False, precision="float32"):
    loss, variables, models = build(stage)
    optimizer = optimizers.build(config.OptimizerConfig(), precision)
    return steps.make_step(loss, {"loss": variables}, optimizer, jit), models, optimizer


def values(model):
    return [variable.numpy() for variable in model.variables]


def changed(before, after):
    return [not np.array_equal(a, b) for a, b in zip(before, after)]


@pytest.mark.parametrize(
    "stage",
    [
        "encoder",
        "decoder",
        "finetune",
    ],
)
def test_xla_gives_the_same_loss(batch_of, stage):
    plain, compiled = (make(stage, jit)[0](batch_of[stage]) for jit in (False, True))
    assert plain.keys() == compiled.keys()
    for name in ("loss", "grad_norm"):
        assert np.isfinite(plain[name])
        np.testing.assert_allclose(compiled[name], plain[name], rtol=1e-4)


def test_encoder_step_changes_weights_and_statistics(batch_of):
    step, (encoder,), _ = make("encoder")
    before = values(encoder)
    scalars = step(batch_of["encoder"])
    assert float(scalars["learning_rate"]) == pytest.approx(1e-3)
    assert float(scalars["grad_norm"]) > 0
    moved = dict(
        zip((v.name for v in encoder.variables), changed(before, values(encoder)))
    )
    statistics = [name for name in moved if "moving_" in name]
    assert len(statistics) == 12 and all(moved[name] for name in statistics)
    kernels = [name for name in moved if "kernel" in name]
    assert len(kernels) == 6 and all(moved[name] for name in kernels)


def test_decoder_step_leaves_the_encoder_bit_identical(batch_of):
    step, (encoder, decoder), _ = make("decoder")
    before = values(encoder), values(decoder)
    step(batch_of["decoder"])
    assert not any(changed(before[0], values(encoder)))
    assert all(changed(before[1], values(decoder)))


def test_frozen_encoder_normalises_by_moving_statistics(batch_of):
    step, (encoder, _), _ = make("decoder")
    loss = float(step(batch_of["decoder"])["loss"])
    step, (encoder, _), _ = make("decoder")
    for variable in encoder.variables:
        if "moving_variance" in variable.name:
            variable.assign(variable * 4)
    assert float(step(batch_of["decoder"])["loss"]) != loss


def test_loss_falls_over_steps(batch_of):
    step, _, _ = make("finetune")
    found = [float(step(batch_of["finetune"])["loss"]) for _ in range(15)]
    assert found[-1] < found[0]


@pytest.fixture
def mixed_float16():
    tf.keras.mixed_precision.set_global_policy("mixed_float16")
    yield "mixed_float16"
    tf.keras.mixed_precision.set_global_policy("float32")


def test_float16_step(batch_of, mixed_float16):
    step, (unet,), optimizer = make("finetune", precision=mixed_float16)
    # At the first scale, 2^15, a network of random weights may or may not overflow.
    optimizer._loss_scale._current_loss_scale.assign(64.0)
    before = values(unet)
    scalars = step(batch_of["finetune"])
    assert np.isfinite(scalars["loss"]) and scalars["loss"].dtype == tf.float32
    assert all(value.dtype == np.float32 for value in before)
    assert all(changed(before, values(unet)))
    assert float(optimizer.loss_scale) == 64


def test_overflow_is_skipped_and_halves_the_scale():
    variable = tf.Variable([1.0, 2.0])
    optimizer = optimizers.build(config.OptimizerConfig(), "mixed_float16")
    # The gradient 3 times the scale 2^15 is beyond float16, until a batch of 0.25.
    step = steps.make_step(
        lambda batch: {
            "loss": tf.cast(
                tf.reduce_sum(tf.cast(variable, tf.float16) * batch["factor"]),
                tf.float32,
            )
        },
        {"loss": [variable]},
        optimizer,
        jit=False,
    )
    scale = float(optimizer.loss_scale)
    step({"factor": tf.constant(3, tf.float16)})
    np.testing.assert_array_equal(variable, [1, 2])
    assert float(optimizer.loss_scale) == scale / 2
    scalars = step({"factor": tf.constant(0.25, tf.float16)})
    # The gradient of two components is reported without the scale.
    assert float(scalars["grad_norm"]) == pytest.approx(0.25 * 2**0.5)
    # Keras counts the skipped step, so Adam's first update comes at its step 2:
    # 1e-3 * sqrt(1 - 0.999^2) / (1 - 0.9^2) * 0.1 / sqrt(0.001) = 0.000744.
    np.testing.assert_allclose(variable, [1 - 7.44e-4, 2 - 7.44e-4], atol=1e-6)
    assert float(optimizer.loss_scale) == scale / 2


def test_step_reports_the_rate_of_the_schedule():
    settings = config.OptimizerConfig(num_steps=4, learning_rate=0.8, warmup_steps=4)
    variable = tf.Variable(1.0)
    step = steps.make_step(
        lambda batch: {"loss": variable * batch["factor"]},
        {"loss": [variable]},
        optimizers.build(settings, "float32"),
        jit=False,
    )
    found = [float(step({"factor": tf.constant(1.0)})["learning_rate"]) for _ in "123"]
    assert found == pytest.approx([0.0, 0.2, 0.4])


def test_opponents_move_at_once_each_by_its_own_loss():
    first, second = tf.Variable(1.0), tf.Variable(2.0)
    sgd = tf.keras.optimizers.SGD(0.1)
    step = steps.make_step(
        lambda batch: {"loss": first * second, "opponent_loss": -first * second},
        {"loss": [first], "opponent_loss": [second]},
        sgd,
        jit=False,
    )
    step({"image": tf.zeros([1])})
    # d(first second)/d first = 2 and d(-first second)/d second = -1.
    assert float(first) == pytest.approx(1 - 0.2)
    assert float(second) == pytest.approx(2 + 0.1)


def test_added_losses_are_summed_and_told():
    loss = steps.with_added(
        lambda batch: {"loss": batch["x"]},
        [lambda batch: {"loss": 2 * batch["x"], "other": batch["x"] + 1}],
    )
    found = loss({"x": tf.constant(3.0)})
    assert {name: float(value) for name, value in found.items()} == {
        "loss": 9.0,
        "own_loss": 3.0,
        "other": 4.0,
    }
