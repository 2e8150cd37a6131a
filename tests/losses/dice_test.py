import numpy as np

from dscl_tf import losses


def test_perfect_and_opposite_predictions():
    labels = np.array([[[0, 1], [1, 0]]])
    right = 100.0 * np.eye(2, dtype=np.float32)[labels]
    np.testing.assert_allclose(losses.soft_dice_loss(right, labels), 0, atol=1e-6)
    np.testing.assert_allclose(losses.soft_dice_loss(right, 1 - labels), 1, atol=1e-6)


def test_hand_computed_value():
    # Even probabilities on 4 pixels, one of class 1: overlap of class 0 is 1.5 and
    # of class 1 is 0.5; totals are 2 + 3 and 2 + 1.
    labels = np.array([[[0, 0], [0, 1]]])
    logits = np.zeros([1, 2, 2, 2], np.float32)
    expected = 1 - (2 * 1.5 / 5 + 2 * 0.5 / 3) / 2
    np.testing.assert_allclose(
        losses.soft_dice_loss(logits, labels), expected, rtol=1e-6
    )


def test_class_that_neither_has_counts_as_found():
    labels = np.zeros([1, 2, 2], np.int32)
    logits = np.stack([np.full(labels.shape, 200.0), np.full(labels.shape, -200.0)], -1)
    np.testing.assert_allclose(
        losses.soft_dice_loss(logits.astype(np.float32), labels), 0, atol=1e-6
    )
