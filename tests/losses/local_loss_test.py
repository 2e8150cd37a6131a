import pathlib

import numpy as np
import pytest
import tensorflow as tf

from dscl_tf import losses
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


def make_regions(size: int, negatives: str):
    corners = local_regions.grid_corners((8, 9), size, per_side=3)
    if negatives == "all":
        return losses.LocalRegions(size, corners), None
    listed = local_regions.nearest_negatives(corners, 4)
    if negatives == "off grid, repeated":
        listed[:, 0] = [1, 2]
        listed[:, 1] = [1, 2]
    return losses.LocalRegions(size, corners, listed), listed


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
@pytest.mark.parametrize("negatives", ["all", "nearest", "off grid, repeated"])
@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_equals_loop(strategy, size, negatives, compiled):
    features, ids = make_batch(strategy)
    regions, listed = make_regions(size, negatives)
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


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_gradient_equals_finite_differences_of_loop(strategy, compiled):
    features, ids = make_batch(strategy)
    regions, listed = make_regions(2, "nearest")

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


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_order_of_batch_does_not_matter(strategy):
    features, ids = make_batch(strategy)
    regions, _ = make_regions(3, "nearest")
    order = np.random.default_rng(2).permutation(len(features))
    shuffled = {name: values[order] for name, values in ids.items()}
    np.testing.assert_allclose(
        losses.local_contrastive_loss(features[order], shuffled, strategy, regions),
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


def test_refuses_other_strategies():
    features, ids = make_batch("lr")
    regions, _ = make_regions(3, "all")
    with pytest.raises(ValueError, match="none"):
        losses.local_contrastive_loss(features, ids, "none", regions)
