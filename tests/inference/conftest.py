"""Tiny segmenters, shared by the tests so that TensorFlow traces little."""

from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from dscl_tf import config, networks
from dscl_tf.cohort import preparation, splits
from dscl_tf.inference import evaluate, predictor
from dscl_tf.training import checkpoints, records, run_folder
from tests.cohort import making

SIZE_PX = (32, 24)
LABELS = ("background", "low", "high")


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
    return SimpleNamespace(
        model=model,
        preprocessing=settings,
        label_names=LABELS,
        largest_component=(),
        label_values=None,
    )


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
def mixed_run(tmp_path_factory):
    """A finished fine-tuning run of a small U-Net under mixed precision."""
    folder = tmp_path_factory.mktemp("work") / "finetune"
    network = config.NetworkConfig(filters=(4, 4))
    tf.keras.utils.set_random_seed(0)
    tf.keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        model = networks.build_unet(network, SIZE_PX, len(LABELS))
    finally:
        tf.keras.mixed_precision.set_global_policy("float32")
    rng = np.random.default_rng(0)
    # Kernels around 0, so that no class wins everywhere; statistics of their own.
    model.set_weights(
        [
            rng.uniform(0.5, 1, w.shape) if w.ndim == 1 else rng.normal(0, 0.2, w.shape)
            for w in model.get_weights()
        ]
    )
    optimizer = tf.keras.optimizers.Adam()
    optimizer.build(model.trainable_variables)
    saved = checkpoints.Checkpoints(folder, run_folder.unet_parts(model), optimizer)
    saved.save(1)
    run = run_folder.RunFolder(folder)
    run.start(_record(folder, network))
    run.finish(saved.result(), 1, {})
    return folder, model


def _record(folder, network):
    stage = config.StageConfig("finetune", "cohort", str(folder), network=network)
    settings = make_segmenter(None).preprocessing
    split = splits.Split((), (), (), ("p2", "p3"))
    return records.RunRecord(stage, split, "cohort-id", LABELS, settings, {})


def write_volume(path, values, **geometry):
    """Writes an array [Q, rows, columns] with an origin of its own."""
    return making.write(path, values, origin=(-10.5, 20.25, 3.0), **geometry)


def blocks():
    """Labels [3, 28, 20]: 48 voxels a slice of label 1, 24 of label 2."""
    label = np.zeros((3, 28, 20), np.uint8)
    label[:, 4:12, 4:10] = 1
    label[:, 14:20, 4:8] = 2
    return label


def as_image(label):
    """Intensities that the threshold model turns back into the labels."""
    return label * np.float32(100)


@pytest.fixture(scope="session")
def dataset(tmp_path_factory):
    """p1: as the model sees it. p2: its truth differs. p3: without a label."""
    folder = tmp_path_factory.mktemp("dataset")
    truth = blocks()
    write_volume(folder / "images" / "p1.nii.gz", as_image(truth))
    write_volume(folder / "labels" / "p1.nii.gz", truth)
    flipped = (-1, 0, 0, 0, -1, 0, 0, 0, 1)
    visible = np.where(truth == 2, 0, truth)
    visible[0, 24, 16] = 2  # The highest intensity has to be somewhere.
    truth[:, 4:12, 10:16] = 1
    write_volume(folder / "images" / "p2.nii.gz", as_image(visible), direction=flipped)
    write_volume(folder / "labels" / "p2.nii.gz", truth, direction=flipped)
    write_volume(folder / "images" / "p3.nii.gz", as_image(blocks()))
    return folder


@pytest.fixture(scope="session")
def cohort_folder(dataset, tmp_path_factory):
    """The dataset as `prepare` writes it."""
    return preparation.prepare(
        preparation.PreparationConfig(
            source=str(dataset / "images"),
            output=str(tmp_path_factory.mktemp("cohort") / "prepared"),
            format="folder",
            labels=str(dataset / "labels"),
            label_names=LABELS[1:],
            num_workers=1,
            settings=make_segmenter(None).preprocessing,
        )
    )


@pytest.fixture(scope="session")
def evaluation(segmenter, cohort_folder, tmp_path_factory):
    """The folder of an evaluation of p1, which is right, and p2, which is not."""
    folder = tmp_path_factory.mktemp("evaluation") / "test"
    settings = evaluate.EvaluationConfig(
        str(cohort_folder), str(folder), "all", pictures=False
    )
    evaluate.evaluate(predictor.from_segmenter(segmenter), settings)
    return folder


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
