import types

import numpy as np
import tensorflow as tf

from dscl_tf.training import probe, slicewise, validation


def test_a_volume_is_answered_part_by_part_in_order():
    seen = []

    def network(images):
        seen.append(images)
        return tf.reduce_sum(images, axis=[1, 2, 3])

    slices = np.arange(37, dtype=np.float64).reshape(37, 1, 1, 1)
    found = np.concatenate(list(slicewise.answers(network, slices)))
    assert found.tolist() == list(range(37))
    assert [len(images) for images in seen] == [16, 16, 5]
    assert {images.dtype for images in seen} == {np.dtype(np.float32)}
    # A stack of few slices is one call.
    assert len(list(slicewise.answers(network, slices[:16]))) == 1


def cohort_of_long_volumes():
    return types.SimpleNamespace(
        slices=lambda name: np.ones([40, 2, 2, 1], np.float32),
        volume=lambda name: types.SimpleNamespace(subject=name),
    )


def is_few(images):
    """1 where a slice is seen together with at most 16, else 0."""
    count = tf.cast(tf.shape(images)[0], tf.float32)
    return images * tf.cast(count <= 16, tf.float32)


def test_validation_shows_a_network_few_slices_at_once():
    image = tf.keras.Input([2, 2, 1])
    network = tf.keras.Model(image, tf.concat([0.5 * image, is_few(image)], axis=-1))
    validator = validation.Validator(network, cohort_of_long_volumes(), ("v",))
    found = validator.predict("v")
    assert found.shape == (40, 2, 2) and (found == 1).all()
    assert validator._predict.experimental_get_tracing_count() == 1


def test_a_probe_shows_a_network_few_slices_at_once(monkeypatch):
    found = []
    monkeypatch.setattr(
        probe, "partition_accuracy", lambda *given: found.append(given[0])
    )
    image = tf.keras.Input([2, 2, 1])
    encoder = tf.keras.Model(image, [image, image])
    head = tf.keras.Model(image, tf.keras.layers.Flatten()(is_few(image)))
    cohort = cohort_of_long_volumes()
    probe.PartitionProbe(encoder, head, cohort, ("v", "w"), 2).accuracy()
    assert found[0].shape == (80, 4) and (found[0] == 1).all()
