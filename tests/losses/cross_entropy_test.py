import numpy as np
import pytest
import tensorflow as tf

from dscl_tf import config, losses
from dscl_tf.training import steps

LOGITS = np.array([[[[2.0, 0.0], [0.0, 1.0]], [[0.0, 0.0], [3.0, 0.0]]]], np.float32)
LABELS = np.array([[[0, 0], [1, 0]]], np.int32)


def by_hand(logits, labels, known):
    total, count = 0.0, 0
    for place in np.ndindex(labels.shape):
        if known[place]:
            scores = logits[place].astype(np.float64)
            total += np.log(np.exp(scores).sum()) - scores[labels[place]]
            count += 1
    return total / count


def test_it_is_the_mean_over_pixels():
    sums = losses.cross_entropy_sums(LOGITS, LABELS)
    expected = by_hand(LOGITS, LABELS, np.ones_like(LABELS))
    assert float(losses.cross_entropy_of_sums(sums)) == pytest.approx(expected)


def test_unknown_pixels_take_no_part_and_parts_add_up():
    labels = np.array([[[0, 2], [1, 0]]], np.int32)
    sums = losses.cross_entropy_sums(LOGITS, labels, has_unknown=True)
    expected = by_hand(LOGITS, labels, labels < 2)
    assert float(losses.cross_entropy_of_sums(sums)) == pytest.approx(expected)
    parts = [
        losses.cross_entropy_sums(LOGITS[:, [row]], labels[:, [row]], True)
        for row in (0, 1)
    ]
    np.testing.assert_allclose(sum(parts), sums, rtol=1e-6)
    none = losses.cross_entropy_sums(LOGITS, np.full_like(labels, 2), True)
    assert float(losses.cross_entropy_of_sums(none)) == 0


def test_mixed_labels_have_the_entropy_of_the_mixture():
    maps = tf.constant([[[[0.25, 0.75]]]])
    sums = losses.cross_entropy_sums(tf.constant([[[[0.0, 1.0]]]]), maps)
    log_p = np.array([0.0, 1.0]) - np.log(1 + np.e)
    assert float(sums[0]) == pytest.approx(-(0.25 * log_p[0] + 0.75 * log_p[1]))


def test_fine_tuning_takes_the_mean_of_both():
    def unet(images, training):
        return tf.constant(LOGITS)

    batch = {"image": tf.zeros([1, 2, 2, 1]), "label": tf.constant(LABELS)}
    dice = float(steps.finetune_loss(unet)(batch)["loss"])
    both = float(steps.finetune_loss(unet, kind=config.LossKind.DICE_CE)(batch)["loss"])
    entropy = by_hand(LOGITS, LABELS, np.ones_like(LABELS))
    assert both == pytest.approx((dice + entropy) / 2, rel=1e-5)
