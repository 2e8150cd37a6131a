import math
import types

import numpy as np
import pytest
import tensorflow as tf

from dscl_tf.training import probe


def test_partition_accuracy_by_hand():
    angles = np.radians([0, 90, 10, 50, 180])
    embeddings = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    embeddings *= np.array([[1], [5], [2], [1], [9]])  # Lengths do not matter.
    volume = np.array([0, 0, 1, 1, 1])
    partition = np.array([0, 1, 0, 1, 1])
    # Neighbours: 0 -> 10 (0), 90 -> 50 (1), 10 -> 0 (0), 50 -> 90 (1), 180 -> 90 (1).
    assert probe.partition_accuracy(embeddings, volume, partition) == 1.0
    partition = np.array([0, 1, 1, 0, 1])
    # Then 0 -> 1, 90 -> 0, 10 -> 0, 50 -> 1 are wrong, and 180 -> 1 is right.
    assert probe.partition_accuracy(embeddings, volume, partition) == 0.2


def test_neighbours_of_the_same_volume_do_not_count():
    embeddings = np.array([[1.0, 0], [1.0, 0.01], [0.0, 1], [0.0, 1]])
    volume, partition = np.array([0, 0, 1, 1]), np.array([0, 0, 1, 1])
    assert probe.partition_accuracy(embeddings, volume, partition) == 0.0


def test_neighbours_of_another_volume_of_the_subject_do_not_count(tiny_cohort):
    class TwoFrames:
        """p0 under the name of p1, another frame of p0, and p2."""

        def slices(self, name):
            return tiny_cohort.slices("p0" if name == "p1" else name)

        def volume(self, name):
            return types.SimpleNamespace(subject="p2" if name == "p2" else "p0")

    image = tf.keras.Input([16, 16, 1])
    encoder = tf.keras.Model(image, [image, image])
    # Slices are told apart by noise alone, so that only their twins are alike.
    head = tf.keras.Sequential(
        [
            tf.keras.layers.Lambda(lambda x: tf.sin(1e3 * x)),
            tf.keras.layers.Flatten(input_shape=[16, 16, 1]),
        ]
    )
    found = probe.PartitionProbe(encoder, head, TwoFrames(), ("p0", "p1", "p2"), 5)
    # Ten of fifteen slices have a twin in the other frame.
    assert found.accuracy() < 10 / 15


def test_zero_vectors_give_a_number():
    found = probe.partition_accuracy(
        np.zeros([4, 3]), np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    )
    assert math.isfinite(found)
    # One of them is nobody's nearest neighbour.
    found = probe.partition_accuracy(
        np.array([[1.0, 0], [1.0, 0], [0.0, 0]]), np.arange(3), np.array([0, 0, 1])
    )
    assert found == pytest.approx(2 / 3)


def test_probe_of_a_cohort(tiny_cohort):
    image = tf.keras.Input([16, 16, 1])
    encoder = tf.keras.Model(image, [image, image])
    head = tf.keras.Sequential([tf.keras.layers.Flatten(input_shape=[16, 16, 1])])
    found = probe.PartitionProbe(encoder, head, tiny_cohort, ("p0", "p1"), 2)
    # The pixels themselves: the disc moves down slice by slice, alike in both.
    first, second = (tiny_cohort.image(n).reshape(-1, 256) for n in ("p0", "p1"))
    similarity = (first @ second.T) / np.outer(
        np.linalg.norm(first, axis=1), np.linalg.norm(second, axis=1)
    )
    right = (similarity.argmax(1) >= 3) == (np.arange(5) >= 3)
    right = np.append(right, (similarity.argmax(0) >= 3) == (np.arange(6) >= 3))
    assert found.accuracy() == pytest.approx(right.mean())
    assert found.accuracy() > 0.5


def test_probing_does_not_train(tiny_cohort):
    image = tf.keras.Input([16, 16, 1])
    normalised = tf.keras.layers.BatchNormalization()(image)
    encoder = tf.keras.Model(image, [image, normalised])
    flat = tf.keras.layers.Flatten(input_shape=[16, 16, 1])
    head = tf.keras.Sequential([flat, tf.keras.layers.BatchNormalization()])
    before = [each.numpy() for model in (encoder, head) for each in model.variables]
    probe.PartitionProbe(encoder, head, tiny_cohort, ("p0", "p1"), 2).accuracy()
    after = [each.numpy() for model in (encoder, head) for each in model.variables]
    for old, new in zip(before, after):
        np.testing.assert_array_equal(new, old)
