import pathlib
import re

import numpy as np
import pytest
import tensorflow as tf

from dscl_tf import losses
from dscl_tf.losses import local_loss
from dscl_tf.losses import regions as local_regions
from tests.losses import reference

DATA = pathlib.Path(__file__).parents[1] / "data"
STRATEGIES = ("lr", "ld")


def make_batch(strategy: str, num_partitions: int = 2, seed: int = 0):
    views = [1, 2] if strategy == "lr" else [0, 1, 2]
    ids = reference.make_ids(2, num_partitions, views)
    rng = np.random.default_rng(seed)
    shape = [len(ids["image"]), 8, 9, 3]
    return rng.normal(size=shape).astype(np.float32), ids


def make_regions(size: int, negatives: str, num_maps: int = 0):
    corners = local_regions.grid_corners((8, 9), size, per_side=3)
    if negatives == "all":
        return losses.LocalRegions(size, corners), None
    if negatives == "of each map":
        rng = np.random.default_rng(5)
        # Some of them overlap, some lie at the same place.
        corners = rng.integers(0, [9 - size, 10 - size], [num_maps, 7, 2])
        corners[:, 1] = corners[:, 0]
        return losses.LocalRegions(size, corners), None
    listed = local_regions.nearest_negatives(corners, 4)
    if negatives == "off grid, repeated":
        listed[:, 0] = [1, 2]
        listed[:, 1] = [1, 2]
    return losses.LocalRegions(size, corners, listed), listed


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
@pytest.mark.parametrize(
    "negatives", ["all", "nearest", "off grid, repeated", "of each map"]
)
@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_equals_loop(strategy, size, negatives, compiled):
    features, ids = make_batch(strategy)
    regions, listed = make_regions(size, negatives, len(features))
    function = losses.local_contrastive_loss
    if compiled:
        function = tf.function(function)
    actual = function(tf.constant(features), ids, strategy, regions, 0.1)
    expected = reference.local_loss(
        features, ids, strategy, size, regions.corners, listed, 0.1
    )
    assert actual.dtype == tf.float32
    np.testing.assert_allclose(actual, expected, rtol=1e-5)


@pytest.mark.parametrize("num_partitions", [2, 3, 4, 6])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_equals_loop_for_any_partitions(strategy, num_partitions):
    features, ids = make_batch(strategy, num_partitions)
    regions, listed = make_regions(2, "nearest")
    actual = losses.local_contrastive_loss(features, ids, strategy, regions)
    expected = reference.local_loss(
        features, ids, strategy, 2, regions.corners, listed, 0.1
    )
    np.testing.assert_allclose(actual, expected, rtol=1e-5)


@pytest.mark.parametrize("negatives", ["nearest", "of each map"])
@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_gradient_equals_finite_differences_of_loop(strategy, compiled, negatives):
    features, ids = make_batch(strategy)
    regions, listed = make_regions(2, negatives, len(features))

    def gradient_of(features):
        with tf.GradientTape() as tape:
            tape.watch(features)
            loss = losses.local_contrastive_loss(features, ids, strategy, regions)
        return tape.gradient(loss, features)

    function = tf.function(gradient_of) if compiled else gradient_of
    gradient = function(tf.constant(features)).numpy()
    rng = np.random.default_rng(1)

    def loop(values):
        return reference.local_loss(
            values, ids, strategy, 2, regions.corners, listed, 0.1
        )

    for _ in range(3):
        direction = rng.normal(size=features.shape)
        wide = features.astype(np.float64)
        expected = (
            loop(wide + 1e-5 * direction) - loop(wide - 1e-5 * direction)
        ) / 2e-5
        # A direction nearly orthogonal to the gradient cancels float32 digits.
        scale = np.linalg.norm(gradient) * np.linalg.norm(direction)
        actual = np.sum(gradient * direction)
        np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-6 * scale)


@pytest.mark.parametrize("name", ["lr_1x1", "lr_3x3"])
def test_equals_released_code(name):
    data = np.load(DATA / f"{name}.npz")
    ids = {key: data[key] for key in ("image", "volume", "partition", "view")}
    regions = losses.LocalRegions(
        int(data["region_size"]), data["positives"], data["negatives"]
    )
    actual = losses.local_contrastive_loss(
        data["features"], ids, "lr", regions, float(data["temperature"])
    )
    np.testing.assert_allclose(actual, data["released"], rtol=1e-5)
    np.testing.assert_allclose(actual, data["reference"], rtol=1e-5)


@pytest.mark.parametrize("negatives", ["nearest", "of each map"])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_order_of_batch_does_not_matter(strategy, negatives):
    features, ids = make_batch(strategy)
    regions, _ = make_regions(3, negatives, len(features))
    order = np.random.default_rng(2).permutation(len(features))
    shuffled = {name: values[order] for name, values in ids.items()}
    moved = regions
    if negatives == "of each map":
        moved = losses.LocalRegions(3, regions.corners.numpy()[order])
    np.testing.assert_allclose(
        losses.local_contrastive_loss(features[order], shuffled, strategy, moved),
        losses.local_contrastive_loss(features, ids, strategy, regions),
        rtol=1e-6,
    )


@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_low_precision_input_is_computed_in_float32(strategy, dtype):
    features, ids = make_batch(strategy)
    regions, _ = make_regions(3, "all")
    rounded = tf.cast(features, dtype)
    actual = losses.local_contrastive_loss(rounded, ids, strategy, regions)
    wide = tf.cast(rounded, tf.float64).numpy()
    expected = reference.local_loss(wide, ids, strategy, 3, regions.corners, None, 0.1)
    assert actual.dtype == tf.float32
    np.testing.assert_allclose(actual, expected, rtol=1e-5)


@pytest.mark.parametrize("kind", ["identical", "opposite", "zero", "one zero"])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_extreme_logits_stay_finite(strategy, kind):
    features, ids = make_batch(strategy)
    if kind == "identical":
        features[:] = 1
    elif kind == "opposite":
        features[:] = np.where(ids["view"] == 1, 1.0, -1.0)[:, None, None, None]
    elif kind == "zero":
        features[:] = 0
    else:
        features[0] = 0
    regions, _ = make_regions(3, "nearest")
    features = tf.constant(features)
    with tf.GradientTape() as tape:
        tape.watch(features)
        loss = losses.local_contrastive_loss(features, ids, strategy, regions, 0.01)
    assert np.isfinite(loss)
    assert np.isfinite(tape.gradient(loss, features).numpy()).all()


def test_identical_features_give_the_chance_level():
    # All similarities are 1; 4 negatives in each of the two maps.
    _, ids = make_batch("lr")
    regions, _ = make_regions(3, "nearest")
    terms = losses.local_contrastive_terms(
        np.ones([8, 8, 9, 3], np.float32), ids, "lr", regions
    )
    np.testing.assert_allclose(terms["loss"], np.log(9), rtol=1e-6)
    np.testing.assert_allclose(terms["chance"], np.log(9), rtol=1e-6)


def terms_and_gradient(features, ids, strategy, regions, num_pairs):
    features = tf.constant(features)
    with tf.GradientTape() as tape:
        tape.watch(features)
        terms = losses.local_contrastive_terms(
            features, ids, strategy, regions, num_pairs=num_pairs
        )
    return terms, tape.gradient(terms["loss"], features)


@pytest.mark.parametrize("max_elements", [None, 200], ids=["at once", "in chunks"])
@pytest.mark.parametrize("negatives", ["nearest", "of each map"])
@pytest.mark.parametrize(("strategy", "num_pairs"), [("lr", 8), ("ld", 20)])
def test_known_number_of_pairs_changes_nothing(
    strategy, num_pairs, negatives, max_elements, monkeypatch
):
    features, ids = make_batch(strategy)
    regions, _ = make_regions(2, negatives, len(features))
    assert np.count_nonzero(local_loss.local_pairs(ids, strategy)) == num_pairs
    expected, slope = terms_and_gradient(features, ids, strategy, regions, None)
    if max_elements:
        monkeypatch.setattr(local_loss.chunks, "MAX_ELEMENTS", max_elements)
    for bound in (num_pairs, num_pairs + 3):
        found, gradient = terms_and_gradient(features, ids, strategy, regions, bound)
        for name, value in expected.items():
            np.testing.assert_allclose(found[name], value, rtol=1e-5, err_msg=name)
        np.testing.assert_allclose(gradient, slope, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("negatives", ["all", "of each map"])
def test_xla_makes_room_for_the_pairs_and_not_for_all_of_them(negatives):
    features, ids = make_batch("ld")  # 12 maps: 144 ordered pairs, 20 are positive.
    regions, _ = make_regions(2, negatives, len(features))
    inputs = {name: tf.constant(values) for name, values in ids.items()}

    def rows_of_similarities(num_pairs):
        @tf.function(jit_compile=True)
        def loss(features, ids):
            return losses.local_contrastive_terms(
                features, ids, "ld", regions, num_pairs=num_pairs
            )["loss"]

        compiled = loss.experimental_get_compiler_ir(tf.constant(features), inputs)
        count = regions.num_regions
        pattern = rf"f32\[<?=?(\d+),{count},{count}\]"
        return {int(rows) for rows in re.findall(pattern, compiled(stage="hlo"))}

    assert 144 in rows_of_similarities(None)
    assert max(rows_of_similarities(20)) == 20


def test_regions_of_each_map_that_show_one_place_do_not_repel():
    corners = [[[0, 0], [1, 1], [0, 2], [5, 5]], [[3, 3], [3, 3], [0, 0], [5, 3]]]
    regions = losses.LocalRegions(3, np.array(corners))
    first = [[0, 0, 1, 1], [0, 0, 0, 1], [1, 0, 0, 1], [1, 1, 1, 0]]
    second = [[0, 0, 1, 1], [0, 0, 1, 1], [1, 1, 0, 1], [1, 1, 1, 0]]
    np.testing.assert_array_equal(regions.counts, [first, second])


def test_refuses_other_strategies():
    features, ids = make_batch("lr")
    regions, _ = make_regions(3, "all")
    with pytest.raises(ValueError, match="none"):
        losses.local_contrastive_loss(features, ids, "none", regions)


def test_what_is_reported_by_hand():
    # Maps a and b of one slice, two regions of a pixel: a has the directions (1, 0) and
    # (0, 1); b (1, 0) and (0.8, 0.6).
    ids = {
        "image": tf.constant([0, 0]),
        "volume": tf.constant([0, 0]),
        "partition": tf.constant([0, 0]),
        "view": tf.constant([1, 2]),
    }
    features = np.array([[[[3, 0], [0, 2]]], [[[1, 0], [4, 3]]]], np.float32)
    regions = losses.LocalRegions(1, np.array([[0, 0], [0, 1]]))
    terms = losses.local_contrastive_terms(features, ids, "lr", regions)
    # Positives: 1 and 0.6, from either side.
    np.testing.assert_allclose(terms["positive_similarity"], 0.8, rtol=1e-6)
    # The other region in the other map: 0.8 and 0 from a, 0 and 0.8 from b.
    np.testing.assert_allclose(terms["negative_similarity"], 0.4, rtol=1e-6)
    # Only b's second region has a negative that is nearer than its positive: 0.8.
    np.testing.assert_allclose(terms["top1"], 0.75, rtol=1e-6)
    np.testing.assert_allclose(terms["chance"], np.log(3), rtol=1e-6)


def test_regions_of_all_directions_are_spread():
    rng = np.random.default_rng(0)
    features = rng.normal(size=[2, 32, 32, 16]).astype(np.float32)
    _, ids = make_batch("lr", num_partitions=1)
    ids = {name: values[:2] for name, values in ids.items()}
    regions = losses.LocalRegions(1, local_regions.grid_corners((32, 32), 1, 13))
    terms = losses.local_contrastive_terms(features, ids, "lr", regions)
    np.testing.assert_allclose(terms["embedding_std"], 1, rtol=0.05)
