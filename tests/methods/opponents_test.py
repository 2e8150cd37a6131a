import numpy as np
import pytest
import tensorflow as tf

from dscl_tf.methods import opponents
from dscl_tf.training import distribution


@pytest.mark.parametrize(
    "logit, is_first_kind, expected",
    [
        (0.0, True, np.log(2)),
        (0.0, False, np.log(2)),
        # A probability of 3/4 for the first kind.
        (np.log(3), True, -np.log(3 / 4)),
        (np.log(3), False, -np.log(1 / 4)),
        # Far off, where the probability itself would round to 0 or 1.
        (-200.0, True, 200.0),
        (200.0, True, 0.0),
    ],
)
def test_hand_computed_values(logit, is_first_kind, expected):
    found = opponents.judgement_losses(tf.constant([logit, logit]), is_first_kind)
    np.testing.assert_allclose(found, [expected, expected], rtol=1e-6, atol=1e-12)


def test_low_precision_logits_give_float32():
    found = opponents.judgement_losses(tf.zeros([2], tf.bfloat16), True)
    assert found.dtype == tf.float32


def test_a_contest_moves_no_image():
    judge = opponents.build_discriminator((8, 8), 1, "judge")
    images = tf.Variable(np.random.default_rng(0).random([2, 8, 8, 1]), dtype="float32")
    with tf.GradientTape(persistent=True) as tape:
        lost, _ = opponents.contest(judge, images, 1 - images, 2, distribution.ONE)
    assert tape.gradient(lost, images) is None
    moved = tape.gradient(lost, judge.trainable_variables)
    assert all(float(tf.reduce_max(tf.abs(each))) > 0 for each in moved[:-1])
