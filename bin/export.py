#!/usr/bin/env python3
"""Writes a trained run as a SavedModel that needs nothing of this project."""

import logging

from dscl_flags import binary, inference

USAGE = """
dscl-export --model=RUN --output=DIR

The SavedModel's signature serving_default maps `image` (float32 [N, H, W, channels],
prepared slices) to `probabilities` (float32 [N, H, W, C]). It computes in float32
whatever precision the run trained with. assets/dscl_tf.json holds the preprocessing
settings and the label names. dscl-predict and dscl-evaluate take it as --model.
"""


def main() -> None:
    """Exports the run that the flags name."""
    model, output, overwrite = (
        inference.model(),
        inference.output(),
        inference.overwrite(),
    )
    # Imported after the flags are checked, since TensorFlow takes seconds to import.
    from dscl_tf.inference import ensembles, export, model_runs

    segmenter = ensembles.load(model_runs.find_runs(model), inference.last())
    if export.export_model(segmenter, output, overwrite):
        logging.info("Wrote the SavedModel %s.", output)


def cli() -> None:
    """Entry point of `dscl-export`."""
    binary.run(main, [inference], USAGE)


if __name__ == "__main__":
    cli()
