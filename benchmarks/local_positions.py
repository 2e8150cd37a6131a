#!/usr/bin/env python3
"""Whether the decoder stage tells regions apart by what is in them, or by where."""

import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
from absl import flags
from dscl_flags import binary

from dscl_tf import config, errors, losses, networks
from dscl_tf.cohort.prepared import PreparedCohort
from dscl_tf.pipeline import views
from dscl_tf.stages import pretrain_decoder, session
from dscl_tf.training import checkpoints, run_folder

_RUN = flags.DEFINE_string("run", None, "Finished run of a decoder stage.")

USAGE = """
benchmarks/local_positions.py --run=RUN/decoder

Feeds a trained decoder pairs of slices of the volumes that were held out, and of
images without anatomy, and prints the local loss of regions at the same places. Where
it stays low for slices that have nothing to do with each other, the places alone
suffice to tell the regions apart.
"""
_SEEDS = (1, 2)


def main() -> None:
    """Prints a row for each kind of pair, by the run's weights and by fresh ones."""
    if _RUN.value is None:
        raise errors.UserError("--run is missing: the run of a decoder stage.")
    run = run_folder.RunFolder(_RUN.value)
    record = run.read_record()
    if record.config.stage != "decoder":
        raise errors.UserError(
            f"{run.path} is a run of the stage {record.config.stage!r}, expected one "
            "of the decoder stage."
        )
    tf.keras.utils.set_random_seed(0)
    parts, features, regions = networks_of(record)
    fresh = losses_of(record, features, regions)
    checkpoints.read_parts(run.final_checkpoint(), parts)
    trained = losses_of(record, features, regions)
    print("| regions at the same places of | loss | top-1 | loss, fresh weights |")
    print("|---|---|---|---|")
    for name, terms in trained.items():
        print(
            f"| {name} | {terms['loss']:.4f} | {terms['top1']:.2f} | "
            f"{fresh[name]['loss']:.2f} |"
        )
    print(f"\nChance: {terms['chance']:.2f}.")


def networks_of(record) -> tuple:
    """The stage's networks, their features of images, and the regions."""
    stage, size_px = record.config, record.preprocessing.size_px
    encoder = networks.build_encoder(stage.network, size_px)
    decoder = networks.build_decoder(stage.network, size_px, stage.local.num_blocks)
    shape = decoder.output.shape[1:]
    head = networks.build_local_head(stage.network, shape, stage.local.region_size)
    parts = {
        "encoder": encoder,
        **run_folder.decoder_parts(decoder),
        "local_head": head,
    }
    regions = pretrain_decoder.make_regions(stage, shape[:2])
    return parts, lambda images: head(decoder(encoder(images))), regions


def losses_of(record, features, regions) -> dict[str, dict[str, float]]:
    """The terms of L^R by the kind of pair."""
    stage = record.config
    cohort = PreparedCohort.open(stage.prepared)
    _, probe = session.hold_out_probe(record.split.pretrain, stage.num_probe)
    if len(probe) < 2:
        raise errors.UserError(f"{stage.workdir} held out no volumes to look at.")
    slices = [cohort.image(name)[..., None].astype(np.float32) for name in probe[:2]]
    count = min(map(len, slices))
    # From base to apex in one volume, from apex to base in the other: neighbours in
    # the pairs lie at different heights of different hearts.
    first, other = slices[0][:count], slices[1][:count][::-1]
    rng = np.random.default_rng(0)
    pairs = {
        "two views of a slice": (first, first),
        "slices of different volumes and heights": (first, other),
        "a slice and noise": (first, rng.uniform(size=first.shape).astype("f4")),
        "a slice and an empty image": (first, np.zeros_like(first)),
    }
    return {
        name: _terms(stage, features, regions, *pair) for name, pair in pairs.items()
    }


def _terms(stage: config.StageConfig, features, regions, first, second) -> dict:
    shown = [
        views.local_view(tf.constant(images), tf.constant([0, seed]), stage.views)
        for images, seed in zip((first, second), _SEEDS)
    ]
    count = len(first)
    ids = {
        "image": tf.tile(tf.range(count), [2]),
        "volume": tf.zeros(2 * count, tf.int32),
        "partition": tf.zeros(2 * count, tf.int32),
        "view": tf.repeat([1, 2], count),
    }
    terms = losses.local_contrastive_terms(
        features(tf.concat(shown, 0)), ids, "lr", regions, stage.local.temperature
    )
    return {name: float(value) for name, value in terms.items()}


if __name__ == "__main__":
    binary.run(main, [sys.modules[__name__]], USAGE)
