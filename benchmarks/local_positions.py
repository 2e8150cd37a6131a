#!/usr/bin/env python3
"""Whether the decoder stage tells regions apart by their content or their place."""

import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import decoder_run
import numpy as np
import tensorflow as tf
from absl import flags
from dscl_flags import binary

from dscl_tf import errors
from dscl_tf.cohort import probe_volumes
from dscl_tf.cohort.prepared import PreparedCohort
from dscl_tf.training import checkpoints, place_probe

_RUN = flags.DEFINE_string("run", None, "Finished run of a decoder stage.")

USAGE = """
benchmarks/local_positions.py --run=RUN/decoder

Feeds a trained decoder pairs of slices of the volumes that were held out, and of
images without anatomy, and prints the local loss of regions at the same places. Where
it stays low for slices that have nothing to do with each other, the places alone
suffice to tell the regions apart.
"""


def main() -> None:
    """Prints a row for each kind of pair, with the run's weights and fresh ones."""
    if _RUN.value is None:
        raise errors.UserError("--run is missing: the run of a decoder stage.")
    run, record = decoder_run.open_run(_RUN.value)
    pairs = pairs_of(record)
    tf.keras.utils.set_random_seed(0)
    found = decoder_run.networks_of(record)
    fresh = losses_of(found.stage, pairs)
    checkpoints.read_parts(run.final_checkpoint(), found.parts)
    trained = losses_of(found.stage, pairs)
    print("| pair | loss | of chance | top-1 | loss, fresh weights |")
    print("|---|---|---|---|---|")
    for name, terms in trained.items():
        print(
            f"| {name} | {terms['loss']:.4f} | {terms['loss'] / terms['chance']:.3f} | "
            f"{terms['top1']:.2f} | {fresh[name]['loss']:.2f} |"
        )
    print("\nViews of intensity but in the first row: regions at the same positions.")


def pairs_of(record) -> dict[str, tuple]:
    """By kind of pair: images, their partners, and whether views are not cropped."""
    stage = record.config
    cohort = PreparedCohort.open(stage.prepared)
    names, probed = probe_volumes.hold_out(
        cohort, record.split.pretrain, stage.num_probe
    )
    two = place_probe.two_subjects(cohort, probed, names)
    if two is None:
        raise errors.UserError(f"{stage.workdir} was trained on one subject only.")
    slices = [cohort.image(name)[..., None].astype(np.float32) for name in two]
    count = min(map(len, slices))
    # From base to apex in one volume, from apex to base in the other: the two slices of
    # a pair lie at different heights of different hearts.
    first, other = slices[0][:count], slices[1][:count][::-1]
    rng = np.random.default_rng(0)
    return {
        "two views of a slice, as trained": (first, first, False),
        "two views of a slice, whole": (first, first, True),
        "slices of different volumes and heights": (first, other, True),
        "a slice and noise": (first, rng.uniform(size=first.shape).astype("f4"), True),
        "a slice and an empty image": (first, np.zeros_like(first), True),
    }


def losses_of(stage: place_probe.LocalStage, pairs) -> dict[str, dict[str, float]]:
    """The terms of L^R by the kind of pair."""
    return {
        name: {
            key: float(value)
            for key, value in place_probe.pair_terms(stage, *pair).items()
        }
        for name, pair in pairs.items()
    }


if __name__ == "__main__":
    binary.run(main, [sys.modules[__name__]], USAGE)
