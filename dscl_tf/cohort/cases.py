"""One volume of a dataset of any layout, and how its files are read."""

import dataclasses
import pathlib
from collections.abc import Mapping
from typing import Optional

import numpy as np
import SimpleITK as sitk

from dscl_tf import errors, files
from dscl_tf.cohort import grids, placing, volumes
from dscl_tf.cohort.problems import Problem
from dscl_tf.config import ChannelConfig

MAX_CLASSES = 256  # Prepared labels are stored as uint8.
_SHOWN = 8  # A message lists at most this many values.
# Which slices of a label volume count as labelled.
ALL_SLICES, WITH_STRUCTURES = LABELLED_SLICES = ("all", "with_structures")


@dataclasses.dataclass(frozen=True)
class Case:
    """One volume of a dataset."""

    name: str
    subject: str
    image: pathlib.Path
    label: Optional[pathlib.Path]
    frame: str = ""
    fourth: Optional[int] = None  # Channel or time point in a 4-D file, from 0.
    # For each channel after the first: the file, and the index within it if it is 4-D.
    more: tuple[tuple[pathlib.Path, Optional[int]], ...] = ()

    @property
    def images(self) -> tuple[tuple[pathlib.Path, Optional[int]], ...]:
        """For each channel: the file, and the index within it if it is 4-D."""
        return ((self.image, self.fourth), *self.more)

    @property
    def files(self) -> tuple[pathlib.Path, ...]:
        """All files of the case, without duplicates: channels in order, then label."""
        found = [path for path, _ in self.images] + [self.label]
        return tuple(dict.fromkeys(path for path in found if path))

    def __str__(self) -> str:
        """The files, as messages show them."""
        return " and ".join(map(str, self.files))


@dataclasses.dataclass(frozen=True)
class Dataset:
    """What a layout's reader found."""

    format: str
    root: pathlib.Path
    cases: tuple[Case, ...]
    # Background first. None: unknown until the label files have been read.
    label_names: Optional[tuple[str, ...]]
    # Maps every allowed raw voxel value to its class; None: the values are the classes.
    label_values: Optional[Mapping[int, int]] = None
    # Maps known erroneous raw values to the raw values that they stand for.
    strays: Mapping[int, int] = dataclasses.field(default_factory=dict)
    why: str = ""  # What the layout was recognised by.
    faults: tuple[Problem, ...] = ()  # Problems found while listing the cases.
    # The selected channels; None: each subject has a single image.
    channels: Optional[tuple[ChannelConfig, ...]] = None
    ignore_label: Optional[int] = None  # Raw value of unannotated voxels.
    labelled_slices: str = ALL_SLICES  # One of LABELLED_SLICES.
    subject_pattern: Optional[str] = None  # Regular expression: case name to subject.
    # Folder of the labels; None if the layout fixes it, or there are none.
    labels: Optional[pathlib.Path] = None

    @property
    def has_unknown(self) -> bool:
        """Whether voxels of a label may be unknown."""
        return self.ignore_label is not None or self.labelled_slices != ALL_SLICES


@dataclasses.dataclass(frozen=True)
class Request:
    """What the user asks for: where the dataset is, and which images to take."""

    source: pathlib.Path
    labels: Optional[pathlib.Path] = None  # For the layouts folder and dicom.
    acdc_frames: str = "ED"  # ED, ES, both or all.
    channel: int = 0  # For layouts with several images per subject.
    # Several channels, by number or name; None: only `channel`.
    channels: Optional[tuple[str, ...]] = None
    # For layouts that make each case a subject: regular expression whose first group
    # is the subject's part of a case's name.
    subject_pattern: Optional[str] = None


def read_images(case: Case) -> list[sitk.Image]:
    """Reads all channels of a case.

    Returns:
      3-D float32 images, all with the geometry of the first.

    Raises:
      UserError: as `volumes.read_image`, or the grid of a channel differs from that of
        the first.
    """
    return grids.read_together(case.images)


def read_raw_label(case: Case) -> sitk.Image:
    """Reads the label volume of a case with the raw values of the file.

    Returns:
      3-D int32 image; a cropped label is padded to the whole grid of its image.

    Raises:
      UserError: as `volumes.read_label`.
    """
    label = volumes.read_label(case.label)
    return placing.placed(label, volumes.read_header(case.image))


def read_label(case: Case, dataset: Dataset) -> sitk.Image:
    """Reads the label volume of a case as classes.

    Returns:
      3-D int32 image; voxels of the ignore value are set to `unknown_value`.

    Raises:
      UserError: as `volumes.read_label`, or a value that the dataset does not define.
    """
    return to_classes(read_raw_label(case), label_map(dataset), case.label)


def label_map(dataset: Dataset) -> Optional[tuple[tuple[int, int], ...]]:
    """Pairs of raw value and class, strays included; None: the values are the classes.

    The ignore value maps to C, the number of classes, once that is known.
    """
    is_ignoring = dataset.ignore_label is not None and bool(dataset.label_names)
    if dataset.label_values is None and not is_ignoring:
        return None
    classes = dict(dataset.label_values or enumerate(range(len(dataset.label_names))))
    strays = {raw: classes[meant] for raw, meant in dataset.strays.items()}
    ignored = {dataset.ignore_label: unknown_value(dataset)} if is_ignoring else {}
    return tuple(sorted({**strays, **classes, **ignored}.items()))


def unknown_value(dataset: Dataset) -> Optional[int]:
    """The value `read_label` gives unannotated voxels; None: every voxel is annotated.

    It is C, the number of classes, or the raw ignore value as long as C is unknown.
    """
    if not dataset.has_unknown:
        return None
    return len(dataset.label_names) if dataset.label_names else dataset.ignore_label


def to_classes(
    raw: sitk.Image,
    pairs: Optional[tuple[tuple[int, int], ...]],
    path: Optional[files.PathLike],
) -> sitk.Image:
    """Replaces raw voxel values by classes.

    Args:
      raw: 3-D int32 image.
      pairs: from `label_map`.
      path: the label file, for the error message.

    Returns:
      3-D int32 image of the same geometry.

    Raises:
      UserError: a value has no class; the message gives its number of voxels.
    """
    if pairs is None:
        return raw
    known = dict(pairs)
    counts = value_counts(raw)
    odd = {value: count for value, count in counts.items() if value not in known}
    if odd:
        found = ", ".join(f"{v} ({n} voxels)" for v, n in list(odd.items())[:_SHOWN])
        expected = ", ".join(map(str, known))
        raise errors.UserError(
            f"{path}: values: found {found}, expected {expected}; correct them, or "
            "leave the file out."
        )
    values = sitk.GetArrayViewFromImage(raw)
    present = np.array(sorted(counts))
    classes = np.array([known[value] for value in sorted(counts)], np.int32)
    mapped = sitk.GetImageFromArray(classes[np.searchsorted(present, values)])
    mapped.CopyInformation(raw)
    return mapped


def stray_counts(raw: sitk.Image, dataset: Dataset) -> dict[int, int]:
    """Number of voxels of each stray value (`Dataset.strays`) in a raw label volume."""
    if not dataset.strays:
        return {}
    counts = value_counts(raw)
    return {value: counts[value] for value in dataset.strays if value in counts}


def value_counts(label: sitk.Image) -> dict[int, int]:
    """Number of voxels of each value in a label volume."""
    values, counts = np.unique(sitk.GetArrayViewFromImage(label), return_counts=True)
    return dict(zip(values.tolist(), counts.tolist()))
