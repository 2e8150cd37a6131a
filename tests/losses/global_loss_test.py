import pathlib

import numpy as np
import pytest
import tensorflow as tf

from dscl_tf import losses
from dscl_tf.losses import global_loss
from tests.losses import reference

DATA = pathlib.Path(__file__).parents[1] / "data"
STRATEGIES = ("gr", "gd_minus", "gd", "positional")


def make_batch(strategy: str, num_partitions: int = 4, seed: int = 0):
    views = [1, 2] if strategy in ("gr", "positional") else [0, 1, 2]
    ids = reference.make_ids(3, num_partitions, views)
    rng = np.random.default_rng(seed)
    if strategy == "positional":
        # The same in both views of a slice.
        ids["position"] = rng.random(1000).astype(np.float32)[ids["image"]]
    return rng.normal(size=[len(ids["image"]), 8]).astype(np.float32), ids


def loss_and_gradient(embeddings, ids, strategy, temperature=0.1):
    embeddings = tf.convert_to_tensor(embeddings)
    with tf.GradientTape() as tape:
        tape.watch(embeddings)
        loss = losses.global_contrastive_loss(embeddings, ids, strategy, temperature)
    return loss, tape.gradient(loss, embeddings)


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
@pytest.mark.parametrize("num_partitions", [2, 3, 4, 6])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_equals_loop(strategy, num_partitions, compiled):
    embeddings, ids = make_batch(strategy, num_partitions)
    function = losses.global_contrastive_loss
    if compiled:
        function = tf.function(function)
    actual = function(tf.constant(embeddings), ids, strategy, 0.1)
    expected = reference.global_loss(embeddings, ids, strategy, 0.1)
    assert actual.dtype == tf.float32
    np.testing.assert_allclose(actual, expected, rtol=1e-5)


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_gradient_equals_finite_differences_of_loop(strategy, compiled):
    embeddings, ids = make_batch(strategy, num_partitions=2)
    function = tf.function(loss_and_gradient) if compiled else loss_and_gradient
    _, gradient = function(embeddings, ids, strategy)
    rng = np.random.default_rng(1)
    for _ in range(5):
        direction = rng.normal(size=embeddings.shape)
        step = 1e-5 * direction
        wide = embeddings.astype(np.float64)
        ahead = reference.global_loss(wide + step, ids, strategy, 0.1)
        behind = reference.global_loss(wide - step, ids, strategy, 0.1)
        expected = (ahead - behind) / 2e-5
        actual = float(np.sum(gradient.numpy() * direction))
        # A direction nearly orthogonal to the gradient cancels float32 digits.
        scale = np.linalg.norm(gradient) * np.linalg.norm(direction)
        np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-6 * scale)


def test_equals_released_code():
    data = np.load(DATA / "gd_minus.npz")
    ids = {name: data[name] for name in ("image", "volume", "partition", "view")}
    actual = losses.global_contrastive_loss(
        data["embeddings"], ids, "gd_minus", float(data["temperature"])
    )
    np.testing.assert_allclose(actual, data["released"], rtol=1e-5)
    np.testing.assert_allclose(actual, data["reference"], rtol=1e-5)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_order_of_batch_does_not_matter(strategy):
    embeddings, ids = make_batch(strategy)
    order = np.random.default_rng(2).permutation(len(embeddings))
    shuffled = {name: values[order] for name, values in ids.items()}
    np.testing.assert_allclose(
        losses.global_contrastive_loss(embeddings[order], shuffled, strategy),
        losses.global_contrastive_loss(embeddings, ids, strategy),
        rtol=1e-6,
    )


@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_low_precision_input_is_computed_in_float32(strategy, dtype):
    embeddings, ids = make_batch(strategy)
    rounded = tf.cast(embeddings, dtype)
    actual = losses.global_contrastive_loss(rounded, ids, strategy)
    expected = reference.global_loss(
        tf.cast(rounded, tf.float64).numpy(), ids, strategy, 0.1
    )
    assert actual.dtype == tf.float32
    np.testing.assert_allclose(actual, expected, rtol=1e-5)


@pytest.mark.parametrize("kind", ["identical", "opposite", "zero", "one zero", "huge"])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_extreme_logits_stay_finite(strategy, kind):
    embeddings, ids = make_batch(strategy)
    if kind == "identical":
        embeddings[:] = embeddings[0]
    elif kind == "opposite":
        embeddings = np.where(ids["view"][:, None] == 1, 1.0, -1.0) * np.ones(
            [len(embeddings), 8], np.float32
        )
        embeddings = embeddings.astype(np.float32)
    elif kind == "zero":
        embeddings[:] = 0
    elif kind == "one zero":
        embeddings[3] = 0
    else:
        embeddings *= 1e15
    loss, gradient = loss_and_gradient(embeddings, ids, strategy, temperature=0.01)
    assert np.isfinite(loss)
    assert np.isfinite(gradient.numpy()).all()


def test_identical_embeddings_give_the_chance_level():
    # Every similarity is 1, so l = ln(1 + negatives); 3 x 4 slices in 2 views leave
    # 22 negatives, and L_g counts both directions of a pair.
    ids = reference.make_ids(3, 4, [1, 2])
    terms = losses.global_contrastive_terms(np.ones([24, 8], np.float32), ids, "gr")
    np.testing.assert_allclose(terms["pair_loss"], np.log(23), rtol=1e-6)
    np.testing.assert_allclose(terms["loss"], 2 * np.log(23), rtol=1e-6)
    np.testing.assert_allclose(terms["chance"], np.log(23), rtol=1e-6)
    np.testing.assert_allclose(terms["embedding_std"], 0, atol=1e-3)
    np.testing.assert_allclose(terms["top1"], 0)


def test_statistics_of_perfect_embeddings():
    ids = reference.make_ids(3, 4, [0, 1, 2])
    embeddings = np.eye(4, dtype=np.float32)[ids["partition"]]
    terms = losses.global_contrastive_terms(embeddings, ids, "gd")
    np.testing.assert_allclose(terms["top1"], 1)
    np.testing.assert_allclose(terms["positive_similarity"], 1, rtol=1e-6)
    np.testing.assert_allclose(terms["negative_similarity"], 0, atol=1e-6)


def test_positives_are_hits_though_no_similarity_is_above_zero():
    # Two slices in two views. The first's views are 100 degrees apart, the second's
    # both 130 degrees from either of these.
    ids = reference.make_ids(1, 2, [1, 2])
    angle = np.radians([0, 230, 100, 230])
    embeddings = np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)
    terms = losses.global_contrastive_terms(embeddings, ids, "gr")
    np.testing.assert_allclose(terms["top1"], 1)


def test_embeddings_of_all_directions_are_spread():
    ids = reference.make_ids(20, 10, [1, 2])
    rng = np.random.default_rng(0)
    embeddings = rng.normal(size=[400, 16]).astype(np.float32)
    terms = losses.global_contrastive_terms(embeddings, ids, "gr")
    np.testing.assert_allclose(terms["embedding_std"], 1, rtol=0.02)


def test_positional_pairs_at_the_threshold_repel_whatever_the_rounding():
    position = (np.arange(11) / np.float32(10)).astype(np.float32)
    ids = {"image": np.arange(11), "view": np.ones(11), "position": position}
    ids = {name: tf.constant(values) for name, values in ids.items()}
    pairs = global_loss.global_pairs(ids, "positional", position_threshold=0.1)
    assert not pairs.positive.numpy().any()


def test_positional_pairs_by_hand():
    # Slices at 0, 0.3 and 0.35 of their volumes, each in two views.
    position = np.array([0, 0.3, 0.35, 0, 0.3, 0.35], np.float32)
    ids = {"image": [0, 1, 2] * 2, "view": [1] * 3 + [2] * 3, "position": position}
    ids = {name: tf.constant(values) for name, values in ids.items()}
    pairs = global_loss.global_pairs(ids, "positional", position_threshold=0.1)
    near = position[:, None] - position[None, :]
    positive = (np.abs(near) < 0.1) & ~np.eye(6, dtype=bool)
    np.testing.assert_array_equal(pairs.positive, positive)
    np.testing.assert_array_equal(pairs.negative, np.abs(near) >= 0.1)
    assert not global_loss.global_pairs(ids, "positional", 0.4).negative.numpy().any()


@pytest.mark.parametrize("strategy", ["none", "gx"])
def test_refuses_other_strategies(strategy):
    embeddings, ids = make_batch("gd")
    with pytest.raises(ValueError, match=strategy):
        losses.global_contrastive_loss(embeddings, ids, strategy)
