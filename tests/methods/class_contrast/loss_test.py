import numpy as np
import pytest
import tensorflow as tf

from dscl_tf.losses import chunks
from dscl_tf.methods.class_contrast import head as heads
from dscl_tf.methods.class_contrast import loss


def slow_loss(vectors, classes, anchors, tau):
    """The equation, pixel by pixel, in float64."""
    units = np.asarray(vectors, np.float64)
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    values = []
    for i in np.flatnonzero(anchors & (classes >= 0)):
        scores = np.exp(units @ units[i] / tau)
        repel = scores[(classes >= 0) & (classes != classes[i])].sum()
        attract = [j for j in np.flatnonzero(classes == classes[i]) if j != i]
        terms = [-np.log(scores[j] / (scores[j] + repel)) for j in attract]
        if terms:
            values.append(np.mean(terms))
    return np.mean(values) if values else 0.0


def slow_terms(vectors, classes, anchors):
    """The other terms, pair by pair, in float64."""
    units = np.asarray(vectors, np.float64)
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    hits, attracted, repelled = [], [], []
    for i in np.flatnonzero(anchors & (classes >= 0)):
        cosines = units @ units[i]
        negatives = cosines[(classes >= 0) & (classes != classes[i])]
        positives = [
            cosines[j] for j in np.flatnonzero(classes == classes[i]) if j != i
        ]
        hits += [(negatives < each).all() for each in positives]
        attracted += positives
        repelled += [*negatives]
    return {
        "top1": np.mean(hits),
        "positive_similarity": np.mean(attracted),
        "negative_similarity": np.mean(repelled),
    }


def case(seed=0, count=24):
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=[count, 5]).astype(np.float32)
    classes = rng.integers(-1, 4, count).astype(np.int32)
    return vectors, classes, classes > 0


def loss_of(vectors, classes, anchors, tau=0.1):
    return loss.class_contrastive_terms(vectors, classes, anchors, tau)["loss"]


def test_hand_computed_value():
    # Right angles: s = 0 between pixels of different classes, and 1/tau = 2 within.
    vectors = np.array([[1, 0], [2, 0], [0, 1], [0, 3]], np.float32)
    classes = np.array([1, 1, 0, 0], np.int32)
    expected = -np.log(np.e**2 / (np.e**2 + 2))
    value = loss_of(vectors, classes, classes > 0, 0.5)
    np.testing.assert_allclose(value, expected, rtol=1e-6)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("tau", [0.1, 1.0])
def test_agrees_with_the_slow_loop(seed, tau):
    found = loss_of(*case(seed), tau)
    np.testing.assert_allclose(found, slow_loss(*case(seed), tau), rtol=1e-5)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("all_are_anchors", [False, True])
def test_what_is_reported_agrees_with_the_slow_loop(seed, all_are_anchors):
    vectors, classes, anchors = case(seed)
    anchors = anchors | all_are_anchors  # Empty slots, too, which count nowhere.
    found = loss.class_contrastive_terms(vectors, classes, anchors, 0.1)
    for name, expected in slow_terms(vectors, classes, anchors).items():
        np.testing.assert_allclose(found[name], expected, rtol=1e-4, err_msg=name)


def test_order_does_not_matter_but_classes_do():
    vectors, classes, anchors = case()
    order = np.random.default_rng(1).permutation(len(classes))
    first = loss_of(vectors, classes, anchors)
    np.testing.assert_allclose(
        loss_of(vectors[order], classes[order], anchors[order]), first, rtol=1e-5
    )
    other = loss_of(vectors, classes[order], anchors[order])
    assert abs(other - first) > 1e-3


def test_empty_slots_take_no_part():
    vectors, classes, anchors = case()
    there = classes >= 0
    found = loss_of(vectors, classes, anchors)
    alone = loss_of(vectors[there], classes[there], anchors[there])
    np.testing.assert_allclose(found, alone, rtol=1e-6)


@pytest.mark.parametrize("classes", [[0, 0, 0], [-1, -1, -1], [0, 1, 2]])
def test_no_pair_is_no_loss(classes):
    classes = np.array(classes, np.int32)
    vectors = tf.Variable(np.eye(3, dtype=np.float32))
    with tf.GradientTape() as tape:
        loss = loss_of(vectors, classes, classes > 0)
    assert float(loss) == 0
    np.testing.assert_array_equal(tape.gradient(loss, vectors), np.zeros([3, 3]))


def test_in_chunks_it_is_the_same(monkeypatch):
    vectors, classes, anchors = case()
    variable = tf.Variable(vectors)

    def loss_and_gradient():
        with tf.GradientTape() as tape:
            loss = loss_of(variable, classes, anchors)
        return loss, tape.gradient(loss, variable)

    whole = loss_and_gradient()
    monkeypatch.setattr(chunks, "MAX_ELEMENTS", 24 * 7)
    for found, expected in zip(loss_and_gradient(), whole):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_scalars_tell_alike_from_unlike():
    vectors = np.array([[1, 0], [1, 0], [0, 1], [0, 1]], np.float32)
    classes = np.array([1, 1, 2, 2], np.int32)
    terms = loss.class_contrastive_terms(vectors, classes, classes > 0, 0.1)
    names = ("top1", "positive_similarity", "negative_similarity")
    assert [round(float(terms[name]), 6) for name in names] == [1, 1, 0]


def test_an_empty_slot_has_no_vector_and_moves_nothing():
    head = heads.build_class_head(4)
    with tf.GradientTape() as tape:
        vectors = head(tf.zeros([3, 1, 1, 4]), training=True)
        total = tf.reduce_sum(vectors * tf.random.stateless_normal([4], [1, 2]))
    assert not vectors.numpy().any()
    for gradient in tape.gradient(total, head.trainable_variables):
        assert not gradient.numpy().any()
