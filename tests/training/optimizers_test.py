import pytest
import tensorflow as tf

from dscl_tf import config
from dscl_tf.training import optimizers


def rates(steps, **settings):
    rate = optimizers.learning_rate(
        config.OptimizerConfig(num_steps=10, learning_rate=0.8, **settings)
    )
    return [float(rate(step)) for step in steps]


def test_constant():
    assert optimizers.learning_rate(config.OptimizerConfig(learning_rate=0.2)) == 0.2


def test_warm_up_then_constant():
    expected = [0, 0.2, 0.6, 0.8, 0.8, 0.8]
    found = rates([0, 1, 3, 4, 7, 10], warmup_steps=4)
    assert found == pytest.approx(expected)


def test_cosine():
    # Half a cosine wave from 0.8 to 0 over 10 steps.
    assert rates([0, 5, 10], cosine=True) == pytest.approx([0.8, 0.4, 0], abs=1e-7)


def test_warm_up_then_cosine_to_the_last_step():
    found = rates([1, 2, 6, 10], warmup_steps=2, cosine=True)
    assert found == pytest.approx([0.4, 0.8, 0.4, 0], abs=1e-7)


def test_warm_up_to_the_last_step():
    assert rates([5, 10], warmup_steps=10) == pytest.approx([0.4, 0.8])


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_float16_alone_scales_losses(precision):
    optimizer = optimizers.build(config.OptimizerConfig(), precision)
    scaler = tf.keras.mixed_precision.LossScaleOptimizer
    assert isinstance(optimizer, scaler) == (precision == "mixed_float16")
    assert float(optimizer.learning_rate) == pytest.approx(1e-3)
