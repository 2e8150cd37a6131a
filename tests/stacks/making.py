"""Makes what a stack of Python, TensorFlow and Keras leaves: a run, and its export.

`python -m tests.stacks.making` writes tests/data/stacks/tf-VERSION; the tests read the
folders of all stacks with the one that runs them.
"""

import pathlib

import numpy as np
import tensorflow as tf

from dscl_tf import config, networks
from dscl_tf.cohort import splits
from dscl_tf.inference import export, predictor
from dscl_tf.training import checkpoints, optimizers, records, run_folder

ROOT = pathlib.Path(__file__).parents[1] / "data" / "stacks"
SIZE_PX = (16, 16)
LABELS = ("background", "disc")
NETWORK = config.NetworkConfig(filters=(2, 4))
STEP = 3


def new_model() -> tf.keras.Model:
    """A small U-Net with initial weights."""
    return networks.build_unet(NETWORK, SIZE_PX, len(LABELS))


def new_optimizer(model: tf.keras.Model) -> tf.keras.optimizers.Optimizer:
    """As fine-tuning has it."""
    optimizer = optimizers.build(config.OptimizerConfig(num_steps=10), "float32")
    optimizer.build(model.trainable_variables)
    return optimizer


def opened(folder: pathlib.Path, model, optimizer) -> checkpoints.Checkpoints:
    """The checkpoints of the run in a folder."""
    return checkpoints.Checkpoints(folder, run_folder.unet_parts(model), optimizer)


def some_slices() -> np.ndarray:
    """float32 [3, 16, 16], the same ones everywhere."""
    rows, columns = np.mgrid[:16, :16]
    return np.stack([np.hypot(rows - q, columns - 8) < 5 for q in (5, 7, 9)]).astype(
        "f"
    )


def state_of(model: tf.keras.Model, optimizer) -> dict[str, np.ndarray]:
    """All numbers of a model and its optimizer, by their places."""
    variables = [*model.variables, *optimizer.variables]
    return {str(k): variable.numpy() for k, variable in enumerate(variables)}


def _train(model: tf.keras.Model, optimizer) -> None:
    image = tf.constant(some_slices()[..., None])
    for _ in range(STEP):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((model(image, training=True)[..., 1:] - image) ** 2)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables))


def _record() -> records.RunRecord:
    stage = config.StageConfig("finetune", "cohort", "run", network=NETWORK)
    settings = config.PreprocessingConfig(SIZE_PX, 2.0, bias_correction=False)
    split = splits.Split((), (), (), ("p0",))
    return records.RunRecord(stage, split, "cohort-id", LABELS, settings, {})


def main() -> None:
    """Writes the run, its export and what they give."""
    folder = ROOT / f"tf-{tf.__version__}"
    tf.keras.utils.set_random_seed(0)
    model = new_model()
    optimizer = new_optimizer(model)
    _train(model, optimizer)
    run = run_folder.RunFolder(folder / "run")
    run.start(_record())
    saved = opened(run.path, model, optimizer)
    saved.save(STEP)
    run.finish(saved.result(), STEP, {})
    export.export_model(run_folder.load_segmenter(run.path), folder / "export")
    probabilities = predictor.open_predictor(run.path).probabilities(some_slices())
    np.savez_compressed(
        folder / "expected.npz",
        probabilities=probabilities,
        **state_of(model, optimizer),
    )


if __name__ == "__main__":
    main()
