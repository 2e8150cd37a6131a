"""A volume of a dataset, whatever its layout, and how it is read."""

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

MAX_CLASSES = 256  # Prepared labels are bytes.
_SHOWN = 8  # Values that a message names.
# Which slices of a label are labelled.
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
    # File, and place in a 4-D one, of each channel after the first.
    more: tuple[tuple[pathlib.Path, Optional[int]], ...] = ()

    @property
    def images(self) -> tuple[tuple[pathlib.Path, Optional[int]], ...]:
        """File, and place in a 4-D one, of each channel."""
        return ((self.image, self.fourth), *self.more)

    @property
    def files(self) -> tuple[pathlib.Path, ...]:
        """All that it is read from, the first channel first, each once."""
        found = [path for path, _ in self.images] + [self.label]
        return tuple(dict.fromkeys(path for path in found if path))

    def __str__(self) -> str:
        """The files, for messages."""
        return " and ".join(map(str, self.files))


@dataclasses.dataclass(frozen=True)
class Dataset:
    """What a layout's reader found."""

    format: str
    root: pathlib.Path
    cases: tuple[Case, ...]
    label_names: Optional[tuple[str, ...]]  # None: only the labels' values tell.
    # Raw voxel value to class, all there may be; None: the values are classes.
    label_values: Optional[Mapping[int, int]] = None
    # Known wrong raw values to the raw ones that they stand for.
    strays: Mapping[int, int] = dataclasses.field(default_factory=dict)
    why: str = ""  # What the layout was recognised by, one sentence.
    faults: tuple[Problem, ...] = ()  # Of what is no case.
    # Those taken; None: subjects have one image each.
    channels: Optional[tuple[ChannelConfig, ...]] = None
    ignore_label: Optional[int] = None  # Raw value of voxels that nobody labelled.
    labelled_slices: str = ALL_SLICES  # One of LABELLED_SLICES.
    subject_pattern: Optional[str] = None  # What told the subjects by the names.
    labels: Optional[pathlib.Path] = None  # Their folder, where it may be any.

    @property
    def has_unknown(self) -> bool:
        """Whether voxels of a label may be unknown."""
        return self.ignore_label is not None or self.labelled_slices != ALL_SLICES


@dataclasses.dataclass(frozen=True)
class Request:
    """Where to look, and for what."""

    source: pathlib.Path
    labels: Optional[pathlib.Path] = None  # Of the folder layout.
    acdc_frames: str = "ED"  # ED, ES, both or all.
    channel: int = 0  # Of the layouts with several images of a subject.
    # Several of them, by number or by name; None: the one of `channel`.
    channels: Optional[tuple[str, ...]] = None
    # Of the layouts whose cases are a subject each: what tells one by a name.
    subject_pattern: Optional[str] = None


def read_images(case: Case) -> list[sitk.Image]:
    """Reads all channels of a case.

    Returns:
      3-D float32 images, all with the geometry of the first.

    Raises:
      UserError: as `volumes.read_image`, or one does not lie where the first does.
    """
    return grids.read_together(case.images)


def read_raw_label(case: Case) -> sitk.Image:
    """Reads the label volume of a case with the values that the file has.

    Returns:
      3-D int32 image; a label that was cropped has the whole grid of its image.

    Raises:
      UserError: as `volumes.read_label`.
    """
    label = volumes.read_label(case.label)
    return placing.placed(label, volumes.read_header(case.image))


def read_label(case: Case, dataset: Dataset) -> sitk.Image:
    """Reads the label volume of a case as classes.

    Returns:
      3-D int32 image; voxels of the ignored value have `unknown_value`.

    Raises:
      UserError: as `volumes.read_label`, or a value that the dataset does not have.
    """
    return to_classes(read_raw_label(case), label_map(dataset), case.label)


def label_map(dataset: Dataset) -> Optional[tuple[tuple[int, int], ...]]:
    """Pairs of raw value and class, strays included; None: values are classes.

    The ignored value stands for C, the number of classes, as soon as that is known.
    """
    is_ignoring = dataset.ignore_label is not None and bool(dataset.label_names)
    if dataset.label_values is None and not is_ignoring:
        return None
    classes = dict(dataset.label_values or enumerate(range(len(dataset.label_names))))
    strays = {raw: classes[meant] for raw, meant in dataset.strays.items()}
    ignored = {dataset.ignore_label: unknown_value(dataset)} if is_ignoring else {}
    return tuple(sorted({**strays, **classes, **ignored}.items()))


def unknown_value(dataset: Dataset) -> Optional[int]:
    """What `read_label` says where nobody labelled; None: all voxels are labelled.

    That is C, the number of classes; before that is known, the raw value.
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
      path: of the file, for the message.

    Returns:
      3-D int32 image of the same geometry.

    Raises:
      UserError: there is a value without a class; the message counts its voxels.
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
    """Voxels of each known wrong value that a raw label volume has."""
    if not dataset.strays:
        return {}
    counts = value_counts(raw)
    return {value: counts[value] for value in dataset.strays if value in counts}


def value_counts(label: sitk.Image) -> dict[int, int]:
    """Voxels of each value of a label volume, by value."""
    values, counts = np.unique(sitk.GetArrayViewFromImage(label), return_counts=True)
    return dict(zip(values.tolist(), counts.tolist()))
