import numpy as np
import tensorflow as tf

from dscl_tf.methods.class_contrast import pixels

SEED = tf.constant([1, 2])


def labels_of(counts, shape):
    values = np.repeat(np.arange(len(counts)), counts)
    return np.random.default_rng(0).permutation(values).reshape(shape).astype(np.int32)


def test_draws_as_many_of_each_class_as_asked_or_there():
    # Class 1 has 3 pixels, class 2 none; 3 is unknown.
    labels = labels_of([50, 3, 0, 19], [2, 6, 6])
    slot, classes = pixels.draw_slots(labels, SEED, num_classes=3, per_class=5)
    assert classes.numpy().tolist() == [0] * 5 + [1] * 3 + [-1] * 7
    drawn = slot.numpy()[slot.numpy() >= 0]
    assert sorted(drawn) == list(range(8))
    for position in np.argwhere(slot.numpy() >= 0):
        found = slot.numpy()[tuple(position)]
        assert classes[found] == labels[tuple(position)]


def test_other_seeds_draw_other_pixels_and_the_same_seed_the_same():
    labels = labels_of([36, 36], [2, 6, 6])
    first, again = (pixels.draw_slots(labels, SEED, 2, 4)[0] for _ in range(2))
    other = pixels.draw_slots(labels, tf.constant([1, 3]), 2, 4)[0]
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_more_slots_than_pixels():
    labels = labels_of([2, 2], [1, 2, 2])
    slot, classes = pixels.draw_slots(labels, SEED, 2, 100)
    assert sorted(slot.numpy().ravel()) == [0, 1, 4, 5]
    assert classes.numpy().tolist() == [0, 0, -1, -1, 1, 1, -1, -1]


def test_features_are_those_of_the_slots_pixels_and_parts_add_up():
    labels = labels_of([40, 32], [2, 6, 6])
    features = np.random.default_rng(0).normal(size=[2, 6, 6, 3]).astype(np.float32)
    slot, _ = pixels.draw_slots(labels, SEED, 2, 4)
    found = pixels.at_slots(features, slot, 8)
    for number in range(8):
        position = np.argwhere(slot.numpy() == number)[0]
        np.testing.assert_array_equal(found[number], features[tuple(position)])
    parts = [pixels.at_slots(features[k : k + 1], slot[k : k + 1], 8) for k in (0, 1)]
    np.testing.assert_array_equal(parts[0] + parts[1], found)
