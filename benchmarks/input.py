#!/usr/bin/env python3
"""Times the input pipeline of each stage: reading slices, and augmenting them."""

import os
import pathlib
import sys
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf
from absl import flags
from dscl_flags import binary
from speed_parts import synthetic

from dscl_tf import config, stages
from dscl_tf.methods.consistency.settings import ConsistencyConfig
from dscl_tf.pipeline.streams import Source
from dscl_tf.stages import opening

_SIZE = flags.DEFINE_integer("size_px", 192, "Side of a slice, pixels.", 32)
_BATCHES = flags.DEFINE_integer("batches", 40, "Batches to make.", 1)

USAGE = """
benchmarks/input.py [--size_px=192] [--batches=40]

Prints images per second of processor time (all cores' together) for the batches of
each stage at its default sizes: read alone, which is what the CPU does where a GPU
augments, and augmented too. A GPU is kept busy while its images a second stay below.
"""
_WARM = 4  # First batches, which trace functions and fill caches.


def stage_configs(prepared: str, workdir: str) -> dict[str, config.StageConfig]:
    """The stages, by name, at their defaults."""
    common = {
        "prepared": prepared,
        "workdir": workdir,
        "runtime": config.RuntimeConfig(),
        "split": config.SplitConfig(num_train=4, num_validation=0, num_test=0),
    }
    strongest = config.AugmentationConfig(kind=config.AugmentationKind.STRONGEST)
    consistency = config.FinetuneConfig(
        augmentation=strongest, consistency=ConsistencyConfig(weight=0.5)
    )
    return {
        "encoder": config.StageConfig(stage="encoder", **common),
        "decoder": config.StageConfig(stage="decoder", **common),
        "finetune, paper": config.StageConfig(stage="finetune", **common),
        "finetune, strongest": config.StageConfig(
            stage="finetune",
            finetune=config.FinetuneConfig(augmentation=strongest),
            **common,
        ),
        "consistency": config.StageConfig(
            stage="finetune", finetune=consistency, **common
        ),
    }


def source_of(stage: config.StageConfig) -> Source:
    """The batches that a stage trains on."""
    with opening.open_stage(stage) as context:
        return stages.assemble(context).stream


def cpu_seconds(made: tf.data.Dataset, count: int) -> tuple[float, int]:
    """Processor time and images of `count` batches, after the first ones."""
    batches = iter(made.take(_WARM + count))
    for _ in range(_WARM):
        next(batches)
    start, images = time.process_time(), 0
    for batch in batches:
        leaves = tf.nest.flatten(batch)
        images += sum(len(values) for values in leaves if values.shape.rank == 4)
    return time.process_time() - start, images


def main() -> None:
    """Makes batches and prints their rates."""
    print("| batches of | images | read, images/CPU-s | augmented, images/CPU-s |")
    print("|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        prepared = pathlib.Path(folder) / "prepared"
        synthetic.write(prepared, _SIZE.value, num_volumes=24)
        for name, stage in stage_configs(str(prepared), f"{folder}/run").items():
            print(row(name, source_of(stage)), flush=True)


def row(name: str, source: Source) -> str:
    """One line of the table; several images may be made from one slice."""
    steps = tf.data.Dataset.range(_WARM + _BATCHES.value)
    read = steps.map(lambda step: source.read(0, step))
    seconds_read, _ = cpu_seconds(read, _BATCHES.value)
    seconds, images = cpu_seconds(
        source.open(0, 0, _WARM + _BATCHES.value), _BATCHES.value
    )
    return (
        f"| {name} | {images // _BATCHES.value} | {images / seconds_read:.0f} | "
        f"{images / seconds:.0f} |"
    )


if __name__ == "__main__":
    binary.run(main, [sys.modules[__name__]], USAGE)
