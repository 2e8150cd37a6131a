"""Tiny segmenters, shared by the tests so that TensorFlow traces little."""

from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from dscl_tf import config

SIZE_PX = (32, 24)
LABELS = ("background", "low", "high")


def tiny_model(policy="float32", seed=0):
    """A functional model with a nested one, BatchNorm and a skip, as the U-Net has."""
    layers = tf.keras.layers
    tf.keras.utils.set_random_seed(seed)
    inner_input = tf.keras.Input((*SIZE_PX, 1))
    features = layers.Conv2D(4, 3, padding="same", dtype=policy)(inner_input)
    features = layers.BatchNormalization(dtype=policy)(features)
    inner = tf.keras.Model(inner_input, [features, layers.ReLU(dtype=policy)(features)])
    image = tf.keras.Input((*SIZE_PX, 1))
    skip, positive = inner(image)
    joined = layers.Concatenate(dtype=policy)([skip, positive])
    logits = layers.Conv2D(len(LABELS), 1, dtype=policy)(joined)
    model = tf.keras.Model(image, logits)
    rng = np.random.default_rng(seed)
    model.set_weights([rng.uniform(0.2, 1, w.shape) for w in model.get_weights()])
    return model


def threshold_model():
    """Logits such that class = 0 below 0.25, 1 up to 0.75, 2 above."""
    image = tf.keras.Input((*SIZE_PX, 1))
    logits = tf.keras.layers.Conv2D(3, 1, name="lines")(image)
    model = tf.keras.Model(image, logits)
    # Lines 0, 40 x - 10 and 80 x - 40 take turns as the highest at 0.25 and 0.75.
    model.get_layer("lines").set_weights(
        [np.array([0.0, 40, 80]).reshape(1, 1, 1, 3), np.array([0.0, -10, -40])]
    )
    return model


def make_segmenter(model):
    """What `training.run_folder.load_segmenter` gives for a run."""
    settings = config.PreprocessingConfig(
        size_px=SIZE_PX, spacing_mm=2.0, percentiles=(0, 100), bias_correction=False
    )
    return SimpleNamespace(model=model, preprocessing=settings, label_names=LABELS)


@pytest.fixture(scope="session")
def segmenter():
    """Splits the intensities at a quarter and three quarters of their range."""
    return make_segmenter(threshold_model())


@pytest.fixture(scope="session")
def export_folder(segmenter, tmp_path_factory):
    from dscl_tf.inference import export

    folder = tmp_path_factory.mktemp("model") / "export"
    export.export_model(segmenter, folder)
    return folder


@pytest.fixture(scope="session")
def mixed_segmenter():
    return make_segmenter(tiny_model("mixed_bfloat16"))


@pytest.fixture
def slices():
    rng = np.random.default_rng(0)
    return rng.random((5, *SIZE_PX), np.float32)


@pytest.fixture
def replace():
    """A segmenter with some attributes exchanged."""
    return lambda segmenter, **changes: SimpleNamespace(
        **{**vars(segmenter), **changes}
    )
