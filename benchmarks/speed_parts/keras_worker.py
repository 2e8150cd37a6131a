"""The plain Keras peer: the U-Net and losses of `torch_worker` in Keras' own layers.

This is what a TensorFlow user would write by hand; nothing of this project is in it.
Its batch is constant and in memory, which favours it: no input pipeline is timed.
"""

import argparse
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf

FILTERS = (16, 32, 64, 128, 128, 128)
layers = tf.keras.layers


def conv_norm_relu(features, filters: int, kernel: int):
    """Convolution of the same size, batch normalisation, ReLU."""
    features = layers.Conv2D(filters, kernel, padding="same", use_bias=False)(features)
    return layers.ReLU()(layers.BatchNormalization()(features))


def double_conv(features, filters: int):
    """Two 3x3 convolutions."""
    return conv_norm_relu(conv_norm_relu(features, filters, 3), filters, 3)


def build_encoder(size: int) -> tf.keras.Model:
    """The contracting path, from images to each level's features."""
    image = features = tf.keras.Input([size, size, 1])
    levels = []
    for number, filters in enumerate(FILTERS):
        features = layers.MaxPooling2D()(features) if number else features
        features = double_conv(features, filters)
        levels.append(features)
    return tf.keras.Model(image, levels)


def decode(levels: list, num_blocks: int):
    """The first blocks of the expanding path."""
    features = levels[-1]
    for filters, skip in list(zip(FILTERS[-2::-1], levels[-2::-1]))[:num_blocks]:
        features = conv_norm_relu(layers.UpSampling2D()(features), filters, 2)
        features = double_conv(layers.Concatenate()([skip, features]), filters)
    return features


def contrast(units, positive: np.ndarray, negative: np.ndarray):
    """Mean over positive pairs of -log(e^p / (e^p + sum of e^n))."""
    logits = tf.matmul(units, units, transpose_b=True) / 0.1
    repelled = tf.where(negative, logits, -np.inf)
    negatives = tf.reduce_logsumexp(repelled, axis=-1, keepdims=True)
    of_pairs = tf.nn.softplus(negatives - logits)
    chosen = tf.broadcast_to(positive, tf.shape(of_pairs))
    return tf.reduce_mean(tf.boolean_mask(of_pairs, chosen))


def encoder_step(size: int, count: int):
    """L_g of G^D with m = 3 volumes, S = 4 partitions, three views."""
    encoder = build_encoder(size)
    features = layers.Flatten()(encoder.outputs[-1])
    hidden = layers.Dense(1024, activation="relu", use_bias=False)(features)
    embeddings = layers.Dense(128, use_bias=False)(hidden)
    partition = np.arange(count) % 4
    same = partition[:, None] == partition[None]
    positive = same & ~np.eye(count, dtype=bool)

    def loss(embeddings):
        units = tf.math.l2_normalize(tf.cast(embeddings, tf.float32), axis=1)
        return contrast(units, positive, ~same)

    return tf.keras.Model(encoder.input, embeddings), loss


def decoder_step(size: int, count: int):
    """L_l of L^R, l = 3, 13 regions of 3x3, all other regions as negatives."""
    encoder = build_encoder(size)
    encoder.trainable = False  # Its batch normalisation then runs in inference mode.
    channels = FILTERS[2]
    features = conv_norm_relu(decode(encoder.outputs, 3), channels, 1)
    features = layers.Conv2D(channels, 1, use_bias=False)(features)
    start = np.linspace(0, size // 4 - 3, 13).astype(int)
    positive = np.roll(np.eye(26, dtype=bool), 13, axis=0)
    negative = ~(positive | np.eye(26, dtype=bool))

    def loss(features):
        features = tf.cast(features, tf.float32)
        regions = [features[:, k : k + 3, k : k + 3] for k in start]
        regions = tf.stack([tf.reshape(r, [count, -1]) for r in regions], axis=1)
        both = tf.concat(tf.split(regions, 2), axis=1)
        return contrast(tf.math.l2_normalize(both, axis=2), positive, negative)

    return tf.keras.Model(encoder.input, features), loss


def finetune_step(size: int, count: int):
    """Soft Dice of four classes."""
    encoder = build_encoder(size)
    features = decode(encoder.outputs, 5)
    logits = layers.Conv2D(4, 3, padding="same", use_bias=False)(features)
    labels = np.random.default_rng(0).integers(0, 4, [count, size, size])
    truth = tf.one_hot(labels, 4)

    def loss(logits):
        found = tf.nn.softmax(tf.cast(logits, tf.float32))
        overlap = tf.reduce_sum(found * truth, axis=[0, 1, 2])
        total = tf.reduce_sum(found + truth, axis=[0, 1, 2])
        return 1 - tf.reduce_mean(2 * overlap / total)

    return tf.keras.Model(encoder.input, logits), loss


STAGES = {"encoder": encoder_step, "decoder": decoder_step, "finetune": finetune_step}


def make_step(stage: str, size: int, batch: int):
    """A training step on a constant batch."""
    tf.keras.utils.set_random_seed(0)
    model, loss_of = STAGES[stage](size, batch)
    optimizer = tf.keras.optimizers.Adam(1e-3)
    images = tf.random.uniform([batch, size, size, 1])

    @tf.function
    def step(images):
        with tf.GradientTape() as tape:
            loss = loss_of(model(images, training=True))
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables))
        return loss

    return lambda: float(step(images))


def main() -> None:
    """Serves steps."""
    import protocol  # Beside this file, so importable only if that is the script.

    parser = argparse.ArgumentParser()
    parser.add_argument("--size_px", type=int, required=True)
    parser.add_argument("--batches", required=True, help="stage=images, with commas")
    parser.add_argument("--policy", default="float32", help="Keras' of precision")
    options = parser.parse_args()
    tf.keras.mixed_precision.set_global_policy(options.policy)
    batches = dict(pair.split("=") for pair in options.batches.split(","))
    protocol.serve(lambda stage: make_step(stage, options.size_px, int(batches[stage])))


if __name__ == "__main__":
    main()
