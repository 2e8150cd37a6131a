"""In chunks, losses, gradients and statistics are those of all rows at once."""

import numpy as np
import pytest
import tensorflow as tf

from dscl_tf.losses import chunks, global_loss, local_loss
from tests.losses import global_loss_test, local_loss_test


def _both(terms_of, inputs, monkeypatch, max_elements):
    """Terms and gradient, at once and in chunks of a few rows."""
    results = []
    for limit in (chunks.MAX_ELEMENTS, max_elements):
        monkeypatch.setattr(chunks, "MAX_ELEMENTS", limit)

        @tf.function
        def both(values):
            with tf.GradientTape() as tape:
                tape.watch(values)
                terms = terms_of(values)
                loss = 3.0 * terms["loss"]
            return terms, tape.gradient(loss, values)

        results.append(both(inputs))
    return results


def _check_same(results):
    (whole, slope), (chunked, chunked_slope) = results
    assert whole.keys() == chunked.keys() and float(whole["loss"]) > 0
    for name in whole:
        np.testing.assert_allclose(chunked[name], whole[name], rtol=1e-5, err_msg=name)
    np.testing.assert_allclose(chunked_slope, slope, rtol=1e-4, atol=1e-6)
    assert np.abs(slope).max() > 1e-3


@pytest.mark.parametrize("strategy", ["gr", "gd_minus", "gd"])
def test_global(strategy, monkeypatch):
    embeddings, ids = global_loss_test.make_batch(strategy)
    count = len(embeddings)  # Chunks of 5 rows do not divide it evenly.
    assert count % 5

    def terms(values):
        return global_loss.global_contrastive_terms(values, ids, strategy)

    _check_same(_both(terms, tf.constant(embeddings), monkeypatch, 5 * count))


@pytest.mark.parametrize("strategy", ["lr", "ld"])
def test_local(strategy, monkeypatch):
    features, ids = local_loss_test.make_batch(strategy)
    regions, _ = local_loss_test.make_regions(2, "all")
    num_pairs = int(
        tf.reduce_sum(tf.cast(local_loss.local_pairs(ids, strategy), tf.int32))
    )
    assert num_pairs % 3

    def terms(values):
        return local_loss.local_contrastive_terms(values, ids, strategy, regions)

    limit = 3 * regions.counts.size
    _check_same(_both(terms, tf.constant(features), monkeypatch, limit))


def test_large_batches_are_cut():
    assert chunks.rows_at_once(36, 36) is None
    assert chunks.rows_at_once(24, 13 * 13) is None
    assert chunks.rows_at_once(4096, 4096) == 1024
    assert chunks.rows_at_once(24, 2116 * 2116) == 1


def test_the_size_of_a_batch_may_be_unknown():
    embeddings, ids = global_loss_test.make_batch("gd")
    spec = tf.TensorSpec([None, embeddings.shape[1]], tf.float32)

    def loss(values):
        return global_loss.global_contrastive_loss(values, ids, "gd")

    found = tf.function(loss, input_signature=[spec])(embeddings)
    np.testing.assert_allclose(found, loss(embeddings), rtol=1e-5)

    features, ids = local_loss_test.make_batch("ld")
    regions, _ = local_loss_test.make_regions(2, "all")
    spec = tf.TensorSpec([None, *features.shape[1:]], tf.float32)

    def local(values):
        return local_loss.local_contrastive_loss(values, ids, "ld", regions)

    found = tf.function(local, input_signature=[spec])(features)
    np.testing.assert_allclose(found, local(features), rtol=1e-5)
