"""One way to segment the slices of a volume, for benchmarks/predict.py."""

import argparse
import contextlib
import os
import pathlib
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras_worker
import numpy as np
import protocol
import tensorflow as tf

from dscl_tf import config, networks
from dscl_tf.inference import export, predictor
from dscl_tf.training import run_folder

LABELS = ("background", "a", "b", "c")


def make_step(options: argparse.Namespace, folder: pathlib.Path) -> protocol.Step:
    """A step that segments the same volume, in memory."""
    tf.keras.utils.set_random_seed(0)
    size = (options.size_px, options.size_px)
    model = networks.build_unet(config.NetworkConfig(), size, len(LABELS))
    slices = np.random.default_rng(0).uniform(0, 1.2, (options.num_slices, *size))
    slices = slices.astype(np.float32)
    if options.kind == "keras":
        plain, _ = keras_worker.finetune_step(options.size_px, options.num_slices)
        return lambda: plain.predict(slices[..., None], verbose=0)
    settings = config.PreprocessingConfig(size_px=size)
    segmenter = run_folder.Segmenter(model, settings, LABELS)
    if options.kind == "export":
        export.export_model(segmenter, folder / "export")
        opened = predictor.open_predictor(folder / "export", options.precision)
    else:
        opened = predictor.from_segmenter(segmenter, (), options.precision)
    return lambda: opened.probabilities(slices)


def main() -> None:
    """Serves steps, each segmenting the volume once."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kind", choices=["keras", "run", "export"], required=True)
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--size_px", type=int, required=True)
    parser.add_argument("--num_slices", type=int, required=True)
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        protocol.serve(lambda _: make_step(options, folder))


if __name__ == "__main__":
    main()
