from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from dscl_tf.training import validation


class FakeCohort:
    """Volumes of one slice of 2 x 2 pixels; images hold the class to predict."""

    def __init__(self, **volumes):
        self._volumes = volumes
        self.label_names = ("background", "a", "b", "c")
        self.num_classes = 4
        self.unknown = 4

    def slices(self, name):
        return np.array(self._volumes[name][0], np.float32).reshape(1, 2, 2, 1)

    def label(self, name):
        return np.array(self._volumes[name][1], np.uint8).reshape(1, 2, 2)


@pytest.fixture(scope="module")
def unet():
    image = tf.keras.Input([2, 2, 1])
    classes = tf.range(4, dtype=tf.float32)
    return tf.keras.Model(image, -tf.abs(image - classes))


def test_scores_by_hand(unet):
    cohort = FakeCohort(
        # a: found 2, true 1, both 1 -> 2/3; b: found 1, true 2, both 1 -> 2/3.
        v1=([1, 1, 2, 0], [1, 2, 2, 0]),
        # a: found 1, true 0 -> 0; b: empty in both, left out.
        v2=([1, 0, 0, 0], [0, 0, 0, 0]),
    )
    scores = validation.Validator(unet, cohort, ("v1", "v2")).scores()
    # c is in neither anywhere: no score of it at all.
    assert scores == pytest.approx(
        {"mean": (2 / 3 + 2 / 3 + 0) / 3, "a": 1 / 3, "b": 2 / 3}
    )


def test_statistics_of_what_it_measures_are_not_used(unet):
    image = tf.keras.Input([2, 2, 1])
    normalised = tf.keras.layers.BatchNormalization(epsilon=0.0)(image)
    network = tf.keras.Model(image, unet(normalised))
    before = [variable.numpy() for variable in network.variables]
    cohort = FakeCohort(v1=([1, 3, 3, 1], [1, 3, 3, 1]))
    # Normalised by its own mean and variance, the volume would have -1 and 1.
    scores = validation.Validator(network, cohort, ("v1",)).scores()
    assert scores == pytest.approx({"mean": 1.0, "a": 1.0, "c": 1.0})
    for old, variable in zip(before, network.variables):
        np.testing.assert_array_equal(variable, old)


def test_what_no_volume_shows_has_no_say_in_the_mean(unet):
    """One wrong voxel of it would cost as much as a structure that is missed."""
    # a: found 1, true 2, both 1 -> 2/3; b is nowhere, found once.
    cohort = FakeCohort(v1=([1, 0, 2, 0], [1, 1, 0, 0]))
    scores = validation.Validator(unet, cohort, ("v1",)).scores()
    assert scores == {"mean": pytest.approx(2 / 3), "a": pytest.approx(2 / 3), "b": 0.0}
    # Without any structure nothing tells weights apart.
    cohort = FakeCohort(v1=([0, 0, 1, 0], [0, 0, 0, 0]))
    scores = validation.Validator(unet, cohort, ("v1",)).scores()
    assert scores == {"mean": 0.0, "a": 0.0}


def test_a_structure_called_mean_does_not_replace_it(unet):
    cohort = FakeCohort(v1=([1, 0, 2, 0], [1, 1, 2, 0]))
    cohort.label_names = ("background", "mean", "b", "c")
    scores = validation.Validator(unet, cohort, ("v1",)).scores()
    assert scores == pytest.approx({"mean": (2 / 3 + 1) / 2, "b": 1.0})


def test_classes_in_some_volumes():
    cohort = FakeCohort(v1=(range(4), [0, 3, 3, 4]), v2=(range(4), [1, 0, 0, 0]))
    assert validation.classes_in(cohort, ("v1",)) == {3}
    assert validation.classes_in(cohort, ("v1", "v2")) == {1, 3}
    assert validation.classes_in(cohort, ()) == set()


def test_no_structure_anywhere(unet):
    cohort = FakeCohort(v1=([0, 0, 0, 0], [0, 0, 0, 0]))
    assert validation.Validator(unet, cohort, ("v1",)).scores() == {"mean": 0.0}


def test_prediction_is_the_likeliest_class(unet):
    cohort = FakeCohort(v1=([3, 1, 0, 2], [0, 0, 0, 0]))
    found = validation.Validator(unet, cohort, ("v1",)).predict("v1")
    assert found.dtype == np.uint8
    assert found.tolist() == [[[3, 1], [0, 2]]]


def test_tiny_cohort_predicted_perfectly(tiny_cohort):
    # Labels as images: a network that returns them scores 1.
    image = tf.keras.Input([16, 16, 1])
    model = tf.keras.Model(image, tf.concat([1 - image, image], axis=-1))
    cohort = SimpleNamespace(
        slices=lambda name: tiny_cohort.label(name)[..., None],
        label=tiny_cohort.label,
        label_names=tiny_cohort.label_names,
        num_classes=2,
        unknown=None,
    )
    scores = validation.Validator(model, cohort, ("p0", "p3")).scores()
    assert scores == {"mean": 1.0, "disc": 1.0}


def test_unknown_voxels_take_no_part(unet):
    # a: found 1 of the known, true 2, both 1 -> 2/3; b is found where it is unknown.
    cohort = FakeCohort(v1=([1, 0, 1, 2], [1, 1, 4, 4]))
    scores = validation.Validator(unet, cohort, ("v1",)).scores()
    assert scores == {"mean": pytest.approx(2 / 3), "a": pytest.approx(2 / 3)}
