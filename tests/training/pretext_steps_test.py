import numpy as np
import pytest
import tensorflow as tf

from dscl_tf import config, networks
from dscl_tf.training import optimizers, pretext_steps, steps
from tests.conftest import TINY_NETWORK

SIZE = (8, 8)


def make(task, jit=False, precision="float32"):
    tf.keras.utils.set_random_seed(0)
    tf.keras.mixed_precision.set_global_policy(precision)
    if task == "rotation":
        encoder = networks.build_encoder(TINY_NETWORK, SIZE)
        head = networks.build_rotation_head(encoder.outputs[-1].shape[1:], 4)
        loss = pretext_steps.rotation_loss(encoder, head)
        variables = encoder.trainable_variables + head.trainable_variables
    else:
        unet = networks.build_unet(TINY_NETWORK, SIZE, num_classes=1)
        loss = pretext_steps.restoration_loss(unet)
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
        "restoration": {"image": image * weight, "label": image, "weight": weight},
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
