import re

import numpy as np
import pytest
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


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
@pytest.mark.parametrize(
    "dtype", [np.uint8, np.int16, np.uint16, np.uint32, np.int64, np.uint64]
)
@pytest.mark.parametrize("sums_of", [losses.soft_dice_sums, losses.cross_entropy_sums])
def test_labels_may_be_of_any_integer_dtype(sums_of, dtype, compiled):
    logits, labels = random_case()
    labels[0, 0, 0] = 3  # Unknown, as is the largest number that a dtype has.
    expected = sums_of(logits, labels, has_unknown=True)
    labels = labels.astype(dtype)
    labels[0, 0, 0] = np.iinfo(dtype).max
    function = tf.function(sums_of, autograph=False) if compiled else sums_of
    found = function(logits, tf.constant(labels), has_unknown=True)
    np.testing.assert_array_equal(found, expected)


def test_labels_of_two_classes_may_be_bool():
    logits, labels = random_case()
    logits, labels = logits[..., :2], np.minimum(labels, 1)
    for sums_of in (losses.soft_dice_sums, losses.cross_entropy_sums):
        np.testing.assert_array_equal(
            sums_of(logits, labels == 1), sums_of(logits, labels)
        )
    maps = losses.label_maps(labels == 1, 2)
    np.testing.assert_array_equal(maps, np.eye(2)[labels])
    assert maps.dtype == tf.float32


@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16, tf.float64])
def test_mixed_labels_of_other_floating_dtypes_stay_mixed(dtype):
    maps = tf.constant([[[[0.75, 0.25]]]], dtype)
    found = losses.label_maps(maps, 2)
    assert found.dtype == tf.float32
    np.testing.assert_array_equal(found, [[[[0.75, 0.25]]]])


@pytest.mark.parametrize(
    "function",
    [losses.soft_dice_loss, losses.soft_dice_sums, losses.cross_entropy_sums],
)
def test_labels_of_another_shape_are_refused(function):
    logits, labels = random_case()
    maps = np.eye(3, dtype=np.float32)[labels]
    wrong = {
        "of one image": labels[:1],
        "of one row": labels[:, :1],
        "with a channel": labels[..., None],
        "one-hot, but integer": maps.astype(np.int32),
        "maps of one image": maps[:1],
        "maps of one class": maps[..., :1],
        "floating classes": labels.astype(np.float32),
    }
    for what, given in wrong.items():
        message = re.escape(
            f"labels {list(given.shape)} do not fit logits [2, 4, 4, 3]: they must be "
            "integers [2, 4, 4], or floating [2, 4, 4, 3]."
        )
        with pytest.raises(ValueError, match=message):
            function(logits, given)
            pytest.fail(what)


def test_shapes_may_be_unknown():
    logits, labels = random_case()
    signature = [
        tf.TensorSpec([None, None, None, 3], tf.float32),
        tf.TensorSpec([None, None, None], tf.int16),
    ]
    traced = tf.function(losses.soft_dice_loss, input_signature=signature)
    np.testing.assert_allclose(
        traced(logits, labels.astype(np.int16)),
        losses.soft_dice_loss(logits, labels),
        rtol=1e-6,
    )
