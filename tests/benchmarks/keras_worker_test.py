"""The plain Keras peer of benchmarks/speed.py does the same work as this project."""

import numpy as np
import pytest
import tensorflow as tf

from benchmarks.speed_parts import keras_worker
from dscl_tf import config, losses, networks

NETWORK = config.NetworkConfig()
SIZE = (32, 32)


def own_models(stage):
    """This project's models of a stage."""
    if stage == "finetune":
        return [networks.build_unet(NETWORK, SIZE, 4)]
    encoder = networks.build_encoder(NETWORK, SIZE)
    if stage == "encoder":
        shape = encoder.outputs[-1].shape[1:]
        return [encoder, networks.build_global_head(NETWORK, shape)]
    encoder.trainable = False
    decoder = networks.build_decoder(NETWORK, SIZE, 3)
    head = networks.build_local_head(NETWORK, decoder.output.shape[1:])
    return [encoder, decoder, head]


def shapes_of(weights):
    return sorted(tuple(weight.shape) for weight in weights)


@pytest.mark.parametrize("stage", keras_worker.STAGES)
def test_it_has_the_same_weights(stage):
    peer, _ = keras_worker.STAGES[stage](SIZE[0], 4)
    own = own_models(stage)
    assert peer.count_params() == sum(model.count_params() for model in own)
    for kind in ("trainable_weights", "non_trainable_weights"):
        expected = [weight for model in own for weight in getattr(model, kind)]
        assert shapes_of(getattr(peer, kind)) == shapes_of(expected), kind


def test_encoder_loss():
    model, loss = keras_worker.encoder_step(32, 12)
    embeddings = tf.random.stateless_normal([12, *model.output.shape[1:]], [0, 1])
    # Its positives are all of one partition, as views of one image are.
    number = tf.range(12)
    ids = {"image": number % 4, "partition": number % 4, "view": number // 4}
    terms = losses.global_contrastive_terms(embeddings, ids, "gd_minus")
    np.testing.assert_allclose(loss(embeddings), terms["pair_loss"], rtol=1e-5)


def test_decoder_loss():
    size, count = 192, 4
    features = tf.random.stateless_normal([count, size // 4, size // 4, 2], [0, 1])
    _, loss = keras_worker.decoder_step(size, count)
    start = np.linspace(0, size // 4 - 3, 13).astype(int)
    regions = losses.LocalRegions(3, np.stack([start, start], axis=1))
    number = tf.range(count)
    ids = {"image": number % 2, "volume": number % 2, "partition": number % 2}
    ids["view"] = 1 + number // 2
    expected = losses.local_contrastive_loss(features, ids, "lr", regions)
    np.testing.assert_allclose(loss(features), expected, rtol=1e-5)


def test_finetuning_loss():
    _, loss = keras_worker.finetune_step(32, 2)
    logits = tf.random.stateless_normal([2, 32, 32, 4], [0, 1])
    labels = np.random.default_rng(0).integers(0, 4, [2, 32, 32])
    expected = losses.soft_dice_loss(logits, labels)
    np.testing.assert_allclose(loss(logits), expected, rtol=1e-5)


def test_it_learns():
    step = keras_worker.make_step("encoder", 32, 8)
    first = step()
    for _ in range(5):
        last = step()
    assert last < first
