import numpy as np
import pytest
import tensorflow as tf

from dscl_tf import config
from dscl_tf.losses import LocalRegions, make_regions
from dscl_tf.training import place_probe

MAP_SIZE = (16, 16)
PLAIN = config.ViewConfig(brightness=0.0, contrast=(1.0, 1.0), clip=(-9.0, 9.0))


def by_place(images):
    """Maps that tell every position apart, whatever the images."""
    rng = np.random.default_rng(0)
    maps = tf.constant(rng.normal(size=(1, *MAP_SIZE, 8)), tf.float32)
    return tf.tile(maps, [tf.shape(images)[0], 1, 1, 1])


def by_content(images):
    """Maps that are functions of the pixels' values alone."""
    waves = tf.range(1.0, 5.0)
    return tf.concat([tf.sin(images * waves), tf.cos(images * waves)], -1)


def stage_of(features, views):
    local = config.LocalConfig(
        region_size=2, num_regions=6, views=config.LocalViews(views)
    )

    def regions_of(batch):
        if views == "crops":
            return LocalRegions(2, batch["corners"])
        return make_regions(MAP_SIZE, 2)

    return place_probe.LocalStage(features, regions_of, local, PLAIN, MAP_SIZE)


class Cohort:
    """Smooth random slices of three volumes of two subjects."""

    NAMES = ("a_ED", "a_ES", "b_ED")

    def slices(self, name):
        rng = np.random.default_rng(self.NAMES.index(name))
        coarse = rng.normal(size=(11, 4, 4, 1))
        return tf.image.resize(coarse, MAP_SIZE, "bicubic").numpy()

    def volume(self, name):
        return Volume(name[0])


class Volume:
    def __init__(self, subject):
        self.subject = subject


@pytest.mark.parametrize("views", ["intensity", "crops"])
def test_content_is_told_from_place(views):
    probe = place_probe.PlaceProbe(
        stage_of(by_content, views), Cohort(), ("a_ED", "b_ED")
    )
    found = probe.losses()
    assert found.two_views < found.chance / 2
    assert found.same_places > found.chance / 2
    assert not found.is_solved_by_place


def test_place_is_told_from_content():
    probe = place_probe.PlaceProbe(
        stage_of(by_place, "intensity"), Cohort(), ("a_ED", "b_ED")
    )
    found = probe.losses()
    np.testing.assert_allclose(found.same_places, found.two_views, rtol=1e-5)
    assert found.is_solved_by_place
    assert found == probe.losses()  # The same at every look.


def test_with_crops_a_network_of_places_does_not_pass():
    probe = place_probe.PlaceProbe(
        stage_of(by_place, "crops"), Cohort(), ("a_ED", "b_ED")
    )
    found = probe.losses()
    assert found.two_views > found.chance / 2
    assert found.same_places < 0.1 * found.chance


def test_nothing_learned_is_not_called_solved():
    assert not place_probe.PlaceLosses(3.2, 3.2, 3.2).is_solved_by_place
    assert place_probe.PlaceLosses(0.1, 0.2, 3.2).is_solved_by_place
    assert not place_probe.PlaceLosses(0.1, 1.5, 3.2).is_solved_by_place


def test_two_volumes_of_different_subjects_held_out_ones_first():
    def two(preferred, others):
        return place_probe.two_subjects(Cohort(), preferred, others)

    assert two(["a_ED", "b_ED"], []) == ("a_ED", "b_ED")
    assert two(["b_ED"], ["a_ES", "a_ED"]) == ("b_ED", "a_ES")
    assert two([], ["a_ED", "a_ES", "b_ED"]) == ("a_ED", "b_ED")
    assert two(["a_ED", "a_ES"], []) is None
