"""Several runs as one segmenter: the mean of their probabilities."""

import dataclasses
import pathlib
from collections import Counter
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from dscl_tf import errors
from dscl_tf.cohort import channels
from dscl_tf.training import run_folder
from dscl_tf.training.run_folder import Segmenter


def load(runs: Sequence[pathlib.Path], last: bool = False) -> Segmenter:
    """The segmenter of a run, or of several together.

    Args:
      runs: fine-tuning runs.
      last: takes the weights after the last step instead of the chosen ones.

    Raises:
      UserError: a run is unfinished or damaged, or the runs do not fit together.
    """
    members = [run_folder.load_segmenter(run, last) for run in runs]
    for run, member in zip(runs, members):
        _check_alike(runs[0], members[0], run, member)
    # Runs of earlier versions did not record the voxel values of masks.
    knowing = [(run, m) for run, m in zip(runs, members) if m.label_values]
    for run, member in knowing[1:]:
        first_run, first = knowing[0]
        _require_same(
            "label_values", first_run, first.label_values, run, member.label_values
        )
    return members[0] if len(members) == 1 else combined(members)


def combined(members: Sequence[Segmenter]) -> Segmenter:
    """A segmenter whose probabilities are the mean of its members'.

    Only the largest component of a structure is kept if most members do so.

    Args:
      members: segmenters with the same preprocessing and labels.
    """
    shape = members[0].model.input_shape[1:]
    image = tf.keras.Input(shape, name="image")
    said = [
        # Layers of one model need distinct names.
        tf.nn.softmax(tf.keras.Model(m.model.inputs, m.model.outputs, name=name)(image))
        for name, m in ((f"member_{k}", m) for k, m in enumerate(members))
    ]
    mean = tf.add_n(said) / len(said)
    # The softmax of the logarithms is the mean again; log(0) would be infinite.
    logits = tf.math.log(tf.maximum(mean, 1e-30))
    votes = Counter(k for member in members for k in member.largest_component)
    return Segmenter(
        tf.keras.Model(image, logits, name="ensemble"),
        members[0].preprocessing,
        members[0].label_names,
        tuple(sorted(k for k, n in votes.items() if 2 * n > len(members))),
        # Runs of earlier versions did not record them.
        next((m.label_values for m in members if m.label_values), None),
    )


def _check_alike(
    first_run: pathlib.Path, first: Segmenter, run: pathlib.Path, member: Segmenter
) -> None:
    both = first.preprocessing, member.preprocessing
    # Earlier runs did not record which of several channels they were trained on.
    plain = [dataclasses.replace(each, channels=None) for each in both]
    for what, ours, theirs in (
        ("channels", *(channels.difference(*both) or ("", ""))),
        ("preprocessing", *plain),
        ("label_names", first.label_names, member.label_names),
    ):
        _require_same(what, first_run, ours, run, theirs)


def _require_same(
    what: str, first_run: pathlib.Path, ours: Any, run: pathlib.Path, theirs: Any
) -> None:
    if ours != theirs:
        raise errors.UserError(
            f"The models do not fit together: {first_run} has {what} {ours}, {run} "
            f"has {theirs}; name runs of one prepared cohort."
        )
