import numpy as np
import pytest
import tensorflow as tf

from dscl_tf import config, networks
from dscl_tf.methods.pretext import head as heads
from dscl_tf.methods.pretext import losses
from dscl_tf.training import optimizers, steps
from tests.small_stage import TINY_NETWORK

SIZE = (8, 8)


def make(task, jit=False, precision="float32"):
    tf.keras.utils.set_random_seed(0)
    tf.keras.mixed_precision.set_global_policy(precision)
    if task == "rotation":
        encoder = networks.build_encoder(TINY_NETWORK, SIZE)
        head = heads.build_rotation_head(encoder.outputs[-1].shape[1:], 4)
        loss = losses.rotation_loss(encoder, head)
        variables = encoder.trainable_variables + head.trainable_variables
    else:
        unet = networks.build_unet(TINY_NETWORK, SIZE, num_classes=1)
        loss = losses.restoration_loss(unet)
        variables = unet.trainable_variables
    tf.keras.mixed_precision.set_global_policy("float32")
    adam = optimizers.build(config.OptimizerConfig(), precision)
    return steps.make_step(loss, {"loss": variables}, adam, jit)


@pytest.fixture
def batch_of():
    rng = np.random.default_rng(0)
    image = rng.random((8, *SIZE, 1)).astype(np.float32)
    weight = (rng.random(image.shape) < 0.5).astype(np.float32)
    return {
        "rotation": {"image": image, "label": np.arange(8, dtype=np.int32) % 4},
        "restoration": {"image": image * weight, "label": image, "rows_weight": weight},
    }


@pytest.mark.parametrize("task", ["rotation", "restoration"])
def test_xla_gives_the_same_loss(batch_of, task):
    plain, compiled = (make(task, jit)(batch_of[task]) for jit in (False, True))
    for name in ("loss", "grad_norm"):
        np.testing.assert_allclose(compiled[name], plain[name], rtol=1e-4)


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("task", ["rotation", "restoration"])
def test_low_precision_is_close(batch_of, task, precision):
    expected = float(make(task)(batch_of[task])["loss"])
    found = make(task, precision=precision)(batch_of[task])["loss"]
    assert found.dtype == tf.float32
    assert float(found) == pytest.approx(expected, rel=0.05)


def test_rotation_tells_chance_and_hits(batch_of):
    found = make("rotation")(batch_of["rotation"])
    assert float(found["chance"]) == pytest.approx(np.log(4))
    assert float(found["top1"]) in np.arange(9) / 8


def test_rotation_sums_by_hand():
    # Equal logits: ln 4 each; the second image's own logit is 2 above the others.
    logits = tf.constant([[0.0, 0, 0, 0], [0, 2, 0, 0]])
    entropy, hits, count = losses.rotation_sums(logits, tf.constant([3, 1]))
    expected = np.log(4) + np.log(3 + np.exp(2)) - 2
    np.testing.assert_allclose(entropy, expected, rtol=1e-6)
    assert (float(hits), float(count)) == (1, 2)


def test_restoration_looks_where_there_is_weight():
    original = np.zeros((1, 2, 2, 1), np.float32)
    restored = np.array([[1.0, 2], [3, 4]], np.float32).reshape(1, 2, 2, 1)
    weight = np.array([[1.0, 0], [0, 1]], np.float32).reshape(1, 2, 2, 1)
    error, total = losses.restoration_sums(restored, original, weight)
    assert (float(error), float(total)) == (1 + 16, 2)


def test_parts_of_a_batch_add_up():
    rng = np.random.default_rng(0)
    restored, original, weight = rng.random((3, 5, 4, 4, 1)).astype(np.float32)
    whole = losses.restoration_sums(restored, original, weight)
    parts = [
        losses.restoration_sums(restored[part], original[part], weight[part])
        for part in (slice(2), slice(2, 5))
    ]
    np.testing.assert_allclose(parts[0] + parts[1], whole, rtol=1e-6)
