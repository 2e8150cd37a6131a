#!/usr/bin/env python3
"""Whether a decoder stage's features are similar where the anatomy is the same."""

import os
import pathlib
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import decoder_run
import local_agreement_figure
import numpy as np
import tensorflow as tf
from absl import flags
from dscl_flags import binary

from dscl_tf import errors
from dscl_tf.cohort.prepared import PreparedCohort
from dscl_tf.training import checkpoints

_RUNS = flags.DEFINE_list(
    "runs", None, "Finished runs of the decoder stage, each RUN or TITLE=RUN."
)
_FIGURE = flags.DEFINE_string(
    "figure", None, "PNG to write: what a region of one volume is alike to in others."
)

USAGE = """
benchmarks/local_agreement.py --runs=TITLE=RUN/decoder,... [--figure=FILE.png]

For pixels of the labelled test volumes of the runs' split, looks for the nearest
neighbour (cosine of d_l's features, before the head) in volumes of other subjects, and
prints how often it has the same label: the mean over classes, of as many pixels of
each. Slices are shifted at random before, so that place does not tell the label. The
row "fresh" is the first run's encoder with an untrained decoder. To choose by it, use
runs of a split whose test volumes are for that.
"""
_PIXELS = 12  # Of each class and volume.
_SHIFT = 1 / 8  # Largest shift, as a fraction of the slice's side.
_SEEDS = (0, 1, 2)  # Of shifts and pixels.


def main() -> None:
    """Prints a row for each run."""
    if not _RUNS.value:
        raise errors.UserError("--runs is missing: runs of the decoder stage.")
    opened = {}
    for text in _RUNS.value:
        title, equals, folder = text.partition("=")
        opened[title] = decoder_run.open_run(folder if equals else title)
    runs = list(opened.values())
    cohort = PreparedCohort.open(runs[0][1].config.prepared)
    names = labelled_test_volumes([record for _, record in runs], cohort)
    features = {"fresh": _features_of(*runs[0], is_fresh=True)}
    features.update({title: _features_of(*each) for title, each in opened.items()})
    print(f"{len(names)} volumes; chance {1 / cohort.num_classes:.2f}.\n")
    print("| decoder | neighbours' agreement | of each seed | by class |")
    print("|---|---|---|---|")
    for name, of_images in features.items():
        found = np.array([agreement(cohort, names, of_images, s) for s in _SEEDS])
        seeds = ", ".join(f"{value:.3f}" for value in np.nanmean(found, axis=1))
        classes = ", ".join(
            f"{label} {value:.2f}"
            for label, value in zip(cohort.label_names, found.mean(axis=0))
            if not np.isnan(value)
        )
        print(f"| {name} | {np.nanmean(found):.3f} | {seeds} | {classes} |")
    if _FIGURE.value:
        local_agreement_figure.draw(
            cohort, names, features, pathlib.Path(_FIGURE.value)
        )


def labelled_test_volumes(records, cohort: PreparedCohort) -> list[str]:
    """The test volumes that all runs share and that have labels.

    Raises:
      UserError: they have fewer than two subjects, or the runs' test volumes differ.
    """
    if len({record.split.test for record in records}) > 1:
        raise errors.UserError("The runs have different test volumes.")
    names = [name for name in records[0].split.test if cohort.volume(name).has_label]
    if len({cohort.volume(name).subject for name in names}) < 2:
        raise errors.UserError("The runs' split has no two labelled test subjects.")
    return names


def _features_of(run, record, is_fresh: bool = False) -> tf.keras.Model:
    """Model from images to features; fresh: untrained decoder on the run's encoder."""
    tf.keras.utils.set_random_seed(0)
    found = decoder_run.networks_of(record)
    parts = {"encoder": found.parts["encoder"]} if is_fresh else found.parts
    checkpoints.read_parts(run.final_checkpoint(), parts)
    return found.decoder_features


def agreement(cohort, names, features, seed: int) -> np.ndarray:
    """The share of neighbours with the same label, by class: float [C].

    NaN for classes of which no pixel was drawn.
    """
    rng = np.random.default_rng(seed)
    vectors, labels, subjects = [], [], []
    for name in names:
        images, truth = _shifted(cohort, name, rng)
        maps = features(tf.constant(images[..., None])).numpy()
        found, label = _drawn_pixels(maps, truth, cohort.num_classes, rng)
        vectors.append(found)
        labels.append(label)
        subjects += [cohort.volume(name).subject] * len(label)
    units = np.concatenate(vectors)
    units /= np.maximum(np.linalg.norm(units, axis=1, keepdims=True), 1e-9)
    labels, subjects = np.concatenate(labels), np.array(subjects)
    similarity = units @ units.T
    similarity[subjects[:, None] == subjects[None]] = -np.inf
    agrees = labels[similarity.argmax(axis=1)] == labels
    of_classes = (agrees[labels == c] for c in range(cohort.num_classes))
    return np.array([each.mean() if each.size else np.nan for each in of_classes])


def _shifted(cohort, name: str, rng) -> tuple[np.ndarray, np.ndarray]:
    """Image float32 and label [Q, H, W], each slice moved by a shift of its own."""
    images = np.asarray(cohort.image(name), np.float32)
    labels = np.asarray(cohort.label(name))
    most = int(_SHIFT * images.shape[1])
    edges = ((most, most), (most, most))
    moved = []
    for arrays in zip(images, labels):
        top, left = rng.integers(0, 2 * most + 1, 2)
        height, width = images.shape[1:]
        moved.append(
            [
                np.pad(array, edges, mode="edge")[
                    top : top + height, left : left + width
                ]
                for array in arrays
            ]
        )
    shifted_images, shifted_labels = zip(*moved)
    return np.stack(shifted_images), np.stack(shifted_labels)


def _drawn_pixels(maps, labels, num_classes: int, rng) -> tuple:
    """Features and labels at up to `_PIXELS` random positions of each class."""
    stride = labels.shape[1] // maps.shape[1]
    # The label in the middle of each position of the map.
    at_positions = labels[:, stride // 2 :: stride, stride // 2 :: stride]
    chosen = []
    for number in range(num_classes):
        places = np.argwhere(at_positions == number)
        count = min(_PIXELS, len(places))
        chosen.append(places[rng.choice(len(places), count, replace=False)])
    places = tuple(np.concatenate(chosen).T)
    return maps[places].astype(np.float32), at_positions[places]


if __name__ == "__main__":
    binary.run(main, [sys.modules[__name__]], USAGE)
