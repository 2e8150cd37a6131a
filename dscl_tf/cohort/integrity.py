"""What is wrong with a case, found before or while it is prepared."""

import dataclasses
import pathlib
from typing import Optional

import numpy as np
import SimpleITK as sitk

from dscl_tf import errors
from dscl_tf.cohort import cases, geometry
from dscl_tf.cohort.cases import Case, Dataset

_SPACING_TOLERANCE_MM = 1e-3
# Of direction cosines: far above rounding in headers, far below a turned axis.
_DIRECTION_TOLERANCE = 0.02


@dataclasses.dataclass(frozen=True)
class Problem:
    """One finding, with its cure."""

    file: str
    field: str
    found: str
    expected: str
    cure: str

    def __str__(self) -> str:
        return (
            f"{self.file}: {self.field}: found {self.found}, expected "
            f"{self.expected}; {self.cure}."
        )


def check_case(
    case: Case,
    num_classes: Optional[int],
    num_partitions: int,
    dataset: Optional[Dataset] = None,
) -> list[Problem]:
    """Reads a case whole and lists what is wrong with it.

    Args:
      case: the files.
      num_classes: background included; None: any whole numbers.
      num_partitions: S, the fewest slices a volume may have.
      dataset: what it belongs to; None: the values of labels are classes.

    Returns:
      The problems; empty for a good case.
    """
    try:
        image = cases.read_image(case)
    except errors.UserError as error:
        return [_from_message(case.image, error)]
    try:
        label = _read_label(case, dataset) if case.label else None
    except errors.UserError as error:
        return [_from_message(case.label, error)]
    problems = check_image(case.image, image, num_partitions)
    if label is not None:
        problems += check_label(case, image, label, num_classes)
    return problems


def _read_label(case: Case, dataset: Optional[Dataset]) -> sitk.Image:
    return cases.read_label(case, dataset) if dataset else cases.read_raw_label(case)


def check_image(
    path: pathlib.Path, image: sitk.Image, num_partitions: int = 1
) -> list[Problem]:
    """What is wrong with an image alone."""
    values = sitk.GetArrayViewFromImage(image)
    bad = int(np.count_nonzero(~np.isfinite(values)))
    name = str(path)
    if bad:
        return [
            Problem(name, "voxels", f"{bad} NaN or infinite", "numbers", "repair it")
        ]
    if values.min() == values.max():
        return [
            Problem(name, "voxels", f"all {values.min():g}", "contrast", "leave it out")
        ]
    slices = geometry.orient(image).GetSize()[2]
    if slices < num_partitions:
        return [
            Problem(
                name,
                "slices",
                str(slices),
                f"{num_partitions} or more (--num_partitions)",
                "leave it out or train with fewer partitions",
            )
        ]
    return []


def check_label(
    case: Case, image: sitk.Image, label: sitk.Image, num_classes: Optional[int]
) -> list[Problem]:
    """What is wrong with a label volume, alone and beside its image."""
    name, problems = str(case.label), []
    for field, found, expected, tolerance in (
        ("size", label.GetSize(), image.GetSize(), 0),
        ("spacing (mm)", label.GetSpacing(), image.GetSpacing(), _SPACING_TOLERANCE_MM),
        (
            "direction",
            label.GetDirection(),
            image.GetDirection(),
            _DIRECTION_TOLERANCE,
        ),
    ):
        if not np.allclose(found, expected, rtol=0, atol=tolerance):
            cure = f"use the label that was drawn on {case.image}"
            problems.append(
                Problem(name, field, _numbers(found), _numbers(expected), cure)
            )
    counts = dict(
        zip(*np.unique(sitk.GetArrayViewFromImage(label), return_counts=True))
    )
    limit = 256 if num_classes is None else num_classes
    odd = {int(v): int(n) for v, n in counts.items() if not 0 <= v < limit}
    if odd:
        found = ", ".join(f"{v} ({n} voxels)" for v, n in list(odd.items())[:8])
        problems.append(
            Problem(name, "values", found, f"0 to {limit - 1}", "map or remove them")
        )
    if set(counts) == {0}:
        problems.append(
            Problem(name, "values", "background only", "a structure", "leave it out")
        )
    return problems


def _numbers(values) -> str:
    separator = "x" if len(values) == 3 else " "  # A direction has nine.
    return separator.join(f"{round(value, 4) + 0:g}" for value in values)


def _from_message(path: pathlib.Path, error: errors.UserError) -> Problem:
    return Problem(str(path), "file", str(error), "a readable volume", "see there")
