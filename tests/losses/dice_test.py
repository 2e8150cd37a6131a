import numpy as np
import tensorflow as tf

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


def random_case():
    rng = np.random.default_rng(3)
    logits = rng.normal(size=[2, 4, 4, 3]).astype(np.float32)
    return logits, rng.integers(0, 3, [2, 4, 4])


def test_maps_of_unmixed_labels_give_the_same_loss():
    logits, labels = random_case()
    maps = np.eye(3, dtype=np.float32)[labels]
    np.testing.assert_array_equal(
        losses.soft_dice_loss(logits, maps), losses.soft_dice_loss(logits, labels)
    )


def test_hand_computed_value_of_mixed_labels():
    # One pixel that is 3/4 class 0, predicted evenly: overlaps 1/2 and 1/4; totals
    # 1/2 + 3/4 and 1/2 + 1/4.
    maps = np.array([[[[0.75, 0.25]]]], np.float32)
    expected = 1 - (2 * 1 / 2 / 1.25 + 2 / 4 / 0.75) / 2
    value = losses.soft_dice_loss(np.zeros([1, 1, 1, 2], np.float32), maps)
    np.testing.assert_allclose(value, expected, rtol=1e-6)


def test_mixed_labels_are_what_the_loss_is_least_at():
    rng = np.random.default_rng(0)
    maps = rng.dirichlet([1, 1, 1], [2, 4, 4]).astype(np.float32)
    right = np.log(maps)
    np.testing.assert_allclose(losses.soft_dice_loss(right, maps), 0, atol=1e-6)
    # Neither more certain nor less certain predictions are better.
    for sharpness in (0.5, 0.9, 1.1, 4.0):
        assert losses.soft_dice_loss(sharpness * right, maps) > 1e-3


def test_whole_labels_have_the_gradient_of_the_product():
    logits, labels = random_case()
    maps = np.eye(3, dtype=np.float32)[labels]
    given = tf.constant(logits)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(given)
        loss = losses.soft_dice_loss(given, labels)
        chances = tf.nn.softmax(given)
        overlap = tf.reduce_sum(chances * maps, axis=[0, 1, 2])
        total = tf.reduce_sum(chances + maps, axis=[0, 1, 2])
        expected = 1 - tf.reduce_mean((2 * overlap + 1e-7) / (total + 1e-7))
    np.testing.assert_array_equal(loss, expected)
    np.testing.assert_array_equal(
        tape.gradient(loss, given), tape.gradient(expected, given)
    )


def test_unknown_pixels_take_no_part():
    logits, labels = random_case()
    sums = losses.soft_dice_sums(logits[:, :2], labels[:, :2])
    labels[:, 2:] = 3
    masked = losses.soft_dice_sums(logits, labels, has_unknown=True)
    np.testing.assert_allclose(masked, sums, rtol=1e-6)
    maps = np.eye(4, dtype=np.float32)[labels][..., :3]
    masked = losses.soft_dice_sums(logits, maps, has_unknown=True)
    np.testing.assert_allclose(masked, sums, rtol=1e-6)
    assert not np.allclose(losses.soft_dice_sums(logits, labels), sums)
