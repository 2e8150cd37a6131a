"""Sparse labels: only some slices or voxels are annotated, the others are unknown.

An unknown voxel has the value C, the number of classes (`cases.unknown_value`). It is
left out wherever labels are used.
"""

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from typing import Optional

import numpy as np
import SimpleITK as sitk

from dscl_tf import errors
from dscl_tf.cohort import cases, geometry, label_values, orientation
from dscl_tf.cohort.cases import MAX_CLASSES, WITH_STRUCTURES, Case, Dataset
from dscl_tf.cohort.integrity import CaseCheck, Facts
from dscl_tf.cohort.problems import WARNING, Problem, first_of
from dscl_tf.config import OrientationConfig, PreprocessingConfig

_LOG = logging.getLogger(__name__)
_SHOWN = 12  # A message lists at most this many volumes.
# Number of labelled slices, and of all slices, of a volume.
Slices = tuple[int, int]


def hide_slices(
    label: sitk.Image, dataset: Dataset, wanted: OrientationConfig
) -> sitk.Image:
    """Makes slices without any structure unknown, if that is the dataset's rule.

    Args:
      label: 3-D integer classes, in the geometry of its image.
      dataset: with its label names.
      wanted: the cohort's orientation, which determines the slice axis.

    Returns:
      An image of the same geometry and type.
    """
    if dataset.labelled_slices != WITH_STRUCTURES:
        return label
    unknown = cases.unknown_value(dataset)
    return without_structures(label, unknown, wanted)


def without_structures(
    label: sitk.Image, unknown: int, wanted: OrientationConfig
) -> sitk.Image:
    """Makes slices without any structure unknown.

    Args:
      label: 3-D integer classes, in the geometry of its image.
      unknown: the value of unknown voxels.
      wanted: the cohort's orientation, which determines the slice axis.

    Returns:
      An image of the same geometry and type.
    """
    values = sitk.GetArrayFromImage(label)
    spacing_mm = orientation.slice_spacing(label.GetSpacing(), label.GetSize())
    order, _ = orientation.axes_of(label.GetDirection(), spacing_mm, wanted)
    across = 2 - order[2]  # Arrays count their axes from the other end.
    in_plane = tuple({0, 1, 2} - {across})
    has_some = ((values > 0) & (values != unknown)).any(axis=in_plane, keepdims=True)
    hidden = sitk.GetImageFromArray(np.where(has_some, values, unknown))
    hidden = sitk.Cast(hidden, label.GetPixelID())
    hidden.CopyInformation(label)
    return hidden


def is_labelled(label: np.ndarray, unknown: Optional[int]) -> np.ndarray:
    """Whether each slice has any known voxel.

    Args:
      label: integer [Q, H, W].
      unknown: the value of unknown voxels; None: there are none.

    Returns:
      bool [Q].
    """
    if unknown is None:
        return np.ones(len(label), bool)
    return (np.asarray(label) != unknown).any(axis=(1, 2))


def asked(dataset: Dataset, ignore_label: Optional[int], slices: str) -> Dataset:
    """Adds the user's settings for unknown voxels to a dataset.

    Args:
      dataset: its layout may define an ignore value, too.
      ignore_label: the user's raw ignore value; None: the layout's, if any.
      slices: one of `cases.LABELLED_SLICES`.

    Raises:
      UserError: the value differs from the layout's, or is the value of a class.
    """
    ours = dataset.ignore_label
    if None not in (ours, ignore_label) and ours != ignore_label:
        raise errors.UserError(
            f"--ignore_label={ignore_label}: the dataset {dataset.root} says that its "
            f"ignore value is {ours}: leave --ignore_label out."
        )
    said = ours if ignore_label is None else ignore_label
    dataset = dataclasses.replace(dataset, ignore_label=said, labelled_slices=slices)
    if dataset.label_names:
        require_fit(dataset)
    return dataset


def require_fit(dataset: Dataset) -> None:
    """Refuses an ignore value that is a class's, and too many classes to add unknown.

    Args:
      dataset: with its label names, and its values unless they are the classes.

    Raises:
      UserError: the message names the value and the class, or the number of classes.
    """
    count = len(dataset.label_names)
    values = label_values.of_classes(label_values.of_dataset(dataset), count)
    if dataset.ignore_label in values:
        name = dataset.label_names[values.index(dataset.ignore_label)]
        raise errors.UserError(
            f"--ignore_label={dataset.ignore_label} is the value of {name}; expected "
            "one that belongs to no structure and not to the background."
        )
    if dataset.has_unknown and count >= MAX_CLASSES:
        raise errors.UserError(
            f"{dataset.root}: found {count - 1} structures, expected at most "
            f"{MAX_CLASSES - 2} where voxels may be unknown: prepared labels are bytes."
        )


def count_slices(
    item: tuple[Case, Facts], dataset: Dataset, settings: PreprocessingConfig
) -> Slices:
    """Counts the labelled slices, and all slices, of a case as it would be prepared.

    Args:
      item: a labelled case, and the facts that its check found.
      dataset: with its label names and values.
      settings: with the cohort's orientation.

    Raises:
      UserError: as `cases.read_label`.
    """
    _, on_grid = laid_on_grid(item, dataset, settings)
    known = is_labelled(on_grid, cases.unknown_value(dataset))
    return int(known.sum()), len(known)


def laid_on_grid(
    item: tuple[Case, Facts], dataset: Dataset, settings: PreprocessingConfig
) -> tuple[sitk.Image, np.ndarray]:
    """The label of a case before and after resampling to the grid of its slices.

    Args:
      item: a labelled case, and the facts that its check found.
      dataset: with its label names and values.
      settings: with the cohort's orientation.

    Returns:
      The label in the cohort's orientation and the file's resolution; and on the grid,
      uint8 [Q, rows, columns]. In both, unknown voxels are marked.

    Raises:
      UserError: as `cases.read_label`.
    """
    case, facts = item
    label = cases.read_label(case, dataset)
    label.SetSpacing(facts.spacing_mm)
    label.SetDirection(facts.direction)
    label = hide_slices(label, dataset, settings.orientation)
    oriented = geometry.orient(label, settings.orientation)
    grid = geometry.in_plane_grid(oriented, settings)
    unknown = cases.unknown_value(dataset)
    return oriented, geometry.labels_on_grid(label, grid, unknown)


def problems(
    found: Mapping[str, Slices],
    dataset: Dataset,
    checks: Sequence[CaseCheck],
    ignore_label: Optional[int],
) -> list[Problem]:
    """Warns of each case without a labelled slice, and of an ignore value never found.

    Args:
      found: from `count_slices`, by name of the labelled cases.
      dataset: with its cases.
      checks: one per case.
      ignore_label: the user's ignore value; None: not given.
    """
    by_name = {case.name: case for case in dataset.cases}
    cure = "it is prepared as an unlabelled volume: leave the label out, or see whether"
    cure += " it is the right file"
    rows = [
        Problem(
            WARNING,
            name,
            str(by_name[name].label),
            "labelled slices",
            f"0 of {total}",
            "1 or more",
            cure,
        )
        for name, (labelled, total) in found.items()
        if not labelled
    ]
    ignored = sum(check.facts.ignored_voxels for check in checks if check.facts)
    if ignore_label is not None and found and not ignored:
        cure = "is it the value used in the labels? It has no effect"
        what = f"no voxel of {ignore_label}", "some (--ignore_label)", cure
        rows.append(Problem(WARNING, "", "all labels", "ignore label", *what))
    return rows


def say(found: Mapping[str, Slices], dataset: Dataset) -> None:
    """Logs how many slices are labelled; warns if --labelled_slices has no effect."""
    if not found:
        return
    _LOG.info("Labelled slices: %s.", listed(found))
    is_whole = all(labelled == total for labelled, total in found.values())
    if is_whole and dataset.labelled_slices == WITH_STRUCTURES:
        _LOG.warning(
            "--labelled_slices=%s has no effect: every slice of every label has a "
            "structure.",
            WITH_STRUCTURES,
        )


def listed(found: Mapping[str, Slices]) -> str:
    """How many slices of each volume are labelled: "p0 5 of 12, p1 3 of 9"."""
    shown = [f"{name} {some} of {total}" for name, (some, total) in found.items()]
    return first_of(shown, _SHOWN)


def without_unlabelled(
    dataset: Dataset, checks: Sequence[CaseCheck], found: Mapping[str, Slices]
) -> tuple[Dataset, tuple[CaseCheck, ...]]:
    """Drops labels that have no labelled slice; their cases become unlabelled."""
    empty = {name for name, (labelled, _) in found.items() if not labelled}
    kept = tuple(
        dataclasses.replace(case, label=None) if case.name in empty else case
        for case in dataset.cases
    )
    checked = tuple(
        dataclasses.replace(
            check, facts=dataclasses.replace(check.facts, label_voxels=())
        )
        if check.case in empty
        else check
        for check in checks
    )
    return dataclasses.replace(dataset, cases=kept), checked
