"""This project's own steps, as its stages build them."""

import argparse
import itertools
import os
import pathlib
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from dscl_tf import config, stages
from dscl_tf.stages import opening


def stage_config(
    stage: str, prepared: str, workdir: pathlib.Path, precision: str
) -> config.StageConfig:
    """A stage at its defaults, but with the other programs' views and split."""
    return config.StageConfig(
        stage=stage,
        prepared=prepared,
        workdir=str(workdir / stage),
        runtime=config.RuntimeConfig(precision=precision),
        # The paper's views, as in the other programs.
        local=config.LocalConfig(views=config.LocalViews.INTENSITY),
        split=config.SplitConfig(num_train=4, num_validation=0, num_test=0),
    )


def make_step(stage: config.StageConfig, from_memory: bool):
    """A training step, on the stage's own batches or always on the same one.

    Returns:
      A function that takes a step and waits for it, and the stage's assembly.
    """
    context = opening.open_stage(stage)
    opened = context.__enter__()
    assembly = stages.assemble(opened)
    _, step = assembly.make_step(opened)
    batches = assembly.stream.batches(
        opened.runtime.input_device, stage.seed, 0, 1 << 30
    )
    if from_memory:
        batches = itertools.repeat(next(batches))

    def take() -> None:
        # Keeps the context referenced, and so open, as long as the step exists.
        assert context is not None
        float(step(next(batches))["loss"])

    return take, assembly


def main() -> None:
    """Serves steps."""
    import protocol  # Beside this file, so importable only if that is the script.

    parser = argparse.ArgumentParser()
    parser.add_argument("--prepared", required=True)
    parser.add_argument("--precision", required=True)
    parser.add_argument("--from_memory", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        workdir = pathlib.Path(folder)
        protocol.serve(
            lambda stage: make_step(
                stage_config(stage, options.prepared, workdir, options.precision),
                options.from_memory,
            )[0]
        )


if __name__ == "__main__":
    main()
