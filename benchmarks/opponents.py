#!/usr/bin/env python3
"""What discriminators respond to, and whether generators make varied changes."""

import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
from absl import flags
from dscl_flags import binary

from dscl_tf import errors
from dscl_tf.cohort.prepared import PreparedCohort
from dscl_tf.methods import opponents
from dscl_tf.methods.learned_augmentation import generators
from dscl_tf.training import checkpoints, run_folder

_RUN = flags.DEFINE_string("run", None, "Finished run of a fine-tuning stage.")

USAGE = """
benchmarks/opponents.py --run=RUN/finetune

Of a run with adversarial training, prints the logits that its discriminator gives to
labelled and unlabelled slices, with segmentations of their own and with those of the
other kind. Of one with learned augmentation, prints the mean size of the generators'
changes, and how far they differ between latents and between images.
"""
_NUM_SLICES, _NUM_LATENTS = 24, 16


def main() -> None:
    """Prints the tables of the opponents that the run has."""
    if _RUN.value is None:
        raise errors.UserError("--run is missing: the run of a fine-tuning stage.")
    run = run_folder.RunFolder(_RUN.value)
    record = run.read_record()
    there = checkpoints.variables_by_part(run.final_checkpoint())
    looks = {"discriminator": discriminator_rows, "deformation_generator": change_rows}
    found = [rows for part, rows in looks.items() if part in there]
    if not found:
        raise errors.UserError(
            f"{run.path} was trained without opponents: it has the parts "
            f"{', '.join(sorted(there))}."
        )
    tf.keras.utils.set_random_seed(0)
    for rows in found:
        print("\n".join(rows(run, record)))


def discriminator_rows(run, record) -> list[str]:
    """Mean logits, above 0 for "labelled", by image and by segmentation."""
    size = record.preprocessing.size_px
    channels = record.preprocessing.num_channels + len(record.label_names)
    unet = run_folder.load_segmenter(run.path).model
    judge = opponents.build_discriminator(size, channels, "discriminator")
    checkpoints.read_parts(run.final_checkpoint(), {"discriminator": judge})
    split = record.split
    known = {*split.train, *split.validation}
    images = {
        "labelled": _slices(record, split.train),
        "unlabelled": _slices(record, [n for n in split.pretrain if n not in known]),
    }
    masks = {kind: tf.nn.softmax(unet(shown)) for kind, shown in images.items()}
    rows = ["| image | segmentation of | mean logit |", "|---|---|---|"]
    for image, shown in images.items():
        for kind, mask in masks.items():
            logit = float(tf.reduce_mean(judge(tf.concat([shown, mask], -1))))
            rows.append(f"| {image} | {kind} | {logit:+.1f} |")
    return rows


def change_rows(run, record) -> list[str]:
    """Sizes of the generators' changes and their standard deviations."""
    units = record.config.finetune.learned_augmentation.latent_units
    size = record.preprocessing.size_px
    settings = size, units, record.preprocessing.num_channels
    models = {
        "deformation_generator": generators.build_deformation_generator(*settings),
        "intensity_generator": generators.build_intensity_generator(*settings),
    }
    checkpoints.read_parts(run.final_checkpoint(), models)
    images = _slices(record, record.split.train)
    rng = np.random.default_rng(0)
    latents = rng.normal(size=[_NUM_LATENTS, 1, units]).astype(np.float32)
    rows = ["| generator | mean size | std over latents | std over images |"]
    rows.append("|---" * 4 + "|")
    for name, generator in models.items():
        # [latents, images, H, W, channels]
        fields = np.stack(
            [generator([images, np.repeat(z, len(images), 0)]) for z in latents]
        )
        figures = (
            np.abs(fields).mean(),
            fields.std(axis=0).mean(),
            fields.std(axis=1).mean(),
        )
        rows.append(f"| {name} | {' | '.join(f'{value:.3f}' for value in figures)} |")
    return rows


def _slices(record, names) -> np.ndarray:
    """Slices of some volumes, evenly chosen: float32 [_NUM_SLICES, H, W, channels]."""
    cohort = PreparedCohort.open(record.config.prepared)
    every = np.concatenate([np.asarray(cohort.slices(name)) for name in names])
    chosen = np.linspace(0, len(every) - 1, _NUM_SLICES).round().astype(int)
    return every[chosen].astype(np.float32)


if __name__ == "__main__":
    binary.run(main, [sys.modules[__name__]], USAGE)
