"""Checks a case before any preparation: first its headers, then its voxels."""

import dataclasses
import hashlib
import math
import pathlib
from collections.abc import Iterator, Sequence
from typing import Optional

import numpy as np
import SimpleITK as sitk

from dscl_tf import errors
from dscl_tf.cohort import (
    cases,
    formats,
    grids,
    orientation,
    placing,
    preprocessing,
    volumes,
    whole_numbers,
)
from dscl_tf.cohort.cases import Case, Dataset
from dscl_tf.cohort.problems import ERROR, WARNING, Problem
from dscl_tf.config import PreprocessingConfig

# No scanner has smaller or larger voxels: beyond this range the unit is hardly mm.
PLAUSIBLE_MM = (0.05, 20.0)


@dataclasses.dataclass(frozen=True)
class Facts:
    """Properties of a readable case, for the summary and to compare cases."""

    size: tuple[int, ...]  # As SimpleITK orders it.
    spacing_mm: tuple[float, ...]
    direction: tuple[float, ...]  # 9 cosines, as SimpleITK orders them.
    voxels_id: str  # Hash of the voxel values.
    label_voxels: tuple[tuple[int, int], ...]  # Class and voxel count, if labelled.
    ignored_voxels: int = 0  # Voxels of the ignore value.
    is_label_turned: bool = False  # As `placing.is_turned`.
    is_label_cropped: bool = False  # As `placing.is_cropped`.

    @property
    def slice_spacing_mm(self) -> Sequence[float]:
        """As `orientation.slice_spacing`."""
        return orientation.slice_spacing(self.spacing_mm, self.size)


@dataclasses.dataclass(frozen=True)
class CaseCheck:
    """What the check found about one case."""

    case: str
    subject: str
    facts: Optional[Facts]  # None if the case cannot be read.
    problems: tuple[Problem, ...]

    @property
    def is_bad(self) -> bool:
        """Whether an error keeps the case from being prepared."""
        return any(problem.is_error for problem in self.problems)


def check_case(
    case: Case,
    dataset: Dataset,
    num_classes: Optional[int],
    settings: PreprocessingConfig,
) -> CaseCheck:
    """Reads a whole case and describes it and its problems.

    Args:
      case: the case to check.
      dataset: the dataset that it belongs to; its `cases` are not used.
      num_classes: background included; None: labels may have any values from 0.
      settings: how the case would be prepared; the image's intensities must allow it.
    """
    problems = [*check_headers(case, dataset.format)]
    facts = None
    if not any(problem.is_error for problem in problems):
        facts, found = _check_voxels(case, dataset, num_classes, settings)
        problems += found
    return CaseCheck(case.name, case.subject, facts, tuple(problems))


def check_headers(case: Case, layout: str) -> Iterator[Problem]:
    """Yields the problems that the headers of a case's files show, without voxels."""
    headers = {}
    for path in case.files:
        try:
            headers[path] = volumes.read_header(path)
        except errors.UserError as error:
            yield _unreadable(case, path, error)
    first = headers.get(case.image)
    if first is None:
        return
    yield from _check_spacing(case, first.GetSpacing()[:3], layout)
    if case.label in headers:
        yield from _check_same_extent(case, first, headers[case.label])
    for path in case.files:
        if path in (case.image, case.label) or path not in headers:
            continue
        for field, found, expected in grids.differences(headers[path], first):
            where = case.name, str(path), field
            cure = grids.cure(case.image)
            yield Problem(ERROR, *where, found, expected, cure)


def _check_spacing(case: Case, spacing_mm, layout: str) -> Iterator[Problem]:
    low, high = PLAUSIBLE_MM
    expected = cure = ""
    found = grids.numbers(spacing_mm)
    if formats.lacks_spacing(case.image):
        found, expected = "none in the header", "that of a voxel"
        cure = "1 mm is assumed, on which sizes and distances depend: add it"
    elif not all(low <= value <= high for value in spacing_mm):
        expected, cure = f"{low:g} to {high:g}", "is it in mm? Correct the header"
    elif layout == "acdc" and sorted(spacing_mm)[:2] == [1.0, 1.0]:
        expected = "1.3 to 2 in-plane"
        cure = "exactly 1 usually means a lost header: compare with the original"
    if cure:
        yield Problem(
            WARNING,
            case.name,
            str(case.image),
            "spacing (mm)",
            found,
            expected,
            cure,
        )


def _check_same_extent(case: Case, image, label) -> Iterator[Problem]:
    if placing.begins_in_the_corner(label, image):
        yield Problem(
            ERROR,
            case.name,
            str(case.label),
            "size",
            f"{grids.numbers(label.GetSize()[:3])}, from the image's first voxel on",
            f"{grids.numbers(image.GetSize()[:3])}, or a header with another origin",
            "was it resampled, or its header lost or copied? Give the label on the "
            "image's grid; if it does begin in that corner, pad it to that size",
        )
    if placing.goes_by_header(label, image):
        return  # Cropped or turned: reading the label lays it on the image's grid.
    cure = f"use the label that was drawn on {case.image}"
    axes = _axes_in_common(label.GetSize(), image.GetSize())
    if label.GetSize()[:axes] != image.GetSize()[:axes]:
        cure += (
            ", on its grid (3D Slicer: that image as the reference volume of the "
            'Segment Editor, and "Crop to effective extent" off when saving)'
        )
    for field, found, expected, tolerance in (
        ("size", label.GetSize()[:axes], image.GetSize()[:axes], 0),
        (
            "spacing (mm)",
            label.GetSpacing()[:axes],
            image.GetSpacing()[:axes],
            grids.SPACING_TOLERANCE_MM,
        ),
    ):
        same = len(found) == len(expected)
        if not same or not np.allclose(found, expected, rtol=0, atol=tolerance):
            yield Problem(
                ERROR,
                case.name,
                str(case.label),
                field,
                grids.numbers(found),
                grids.numbers(expected),
                cure,
            )


def _axes_in_common(*sizes: Sequence[int]) -> int:
    """How many axes to compare: 3, or 2 if one file is 2-D and the other one slice."""
    flat, deep = sorted(sizes, key=len)
    return 2 if len(flat) == 2 and list(deep[2:3]) == [1] else 3


def _check_voxels(
    case: Case, dataset: Dataset, num_classes, settings
) -> tuple[Optional[Facts], list[Problem]]:
    problems: list[Problem] = []
    images = []
    for path, fourth in case.images:
        try:
            images.append(volumes.read_image(path, fourth))
            problems += _check_intensities(case, path, images[-1], settings)
        except errors.UserError as error:
            return None, [*problems, _unreadable(case, path, error)]
    image = images[0]
    counts: dict[int, int] = {}
    ignored = 0
    laid: dict[str, bool] = {}
    if case.label:
        try:
            raw = cases.read_raw_label(case)
            label = cases.to_classes(raw, cases.label_map(dataset), case.label)
            headers = [volumes.read_header(it) for it in (case.label, case.image)]
            laid["is_label_turned"] = placing.is_turned(*headers)
            laid["is_label_cropped"] = placing.is_cropped(*headers)
        except whole_numbers.LabelValuesError as error:
            return None, [*problems, _odd_values(case, error)]
        except errors.UserError as error:
            return None, [*problems, _unreadable(case, case.label, error)]
        counts = cases.value_counts(label)
        ignored = counts.pop(cases.unknown_value(dataset), 0)
        strays = cases.stray_counts(raw, dataset)
        problems += _check_label(case, image, label, counts, num_classes)
        problems += _report_strays(case, strays, dataset)
    facts = _facts(image, counts)
    return dataclasses.replace(facts, ignored_voxels=ignored, **laid), problems


def _check_intensities(
    case: Case, path: pathlib.Path, image: sitk.Image, settings: PreprocessingConfig
) -> Iterator[Problem]:
    """Yields what hinders bias correction or normalisation of one channel."""
    fault = preprocessing.intensity_fault(image, settings)
    doubt = None if fault else preprocessing.bias_doubt(image, settings)
    if fault:
        yield Problem(ERROR, case.name, str(path), "voxels", *fault)
    if doubt:
        yield Problem(WARNING, case.name, str(path), "bias field", *doubt)


def _facts(image: sitk.Image, counts: dict[int, int]) -> Facts:
    values = np.ascontiguousarray(sitk.GetArrayViewFromImage(image))
    return Facts(
        size=image.GetSize(),
        # Six significant digits, as headers have them, so that none is rounded to 0.
        spacing_mm=tuple(float(f"{value:.6g}") for value in image.GetSpacing()),
        direction=tuple(round(value, 6) for value in image.GetDirection()),
        voxels_id=hashlib.sha256(values.tobytes()).hexdigest()[:16],
        label_voxels=tuple(sorted(counts.items())),
    )


def _check_label(
    case: Case, image: sitk.Image, label: sitk.Image, counts, num_classes
) -> Iterator[Problem]:
    def problem(severity, field, found, expected, cure) -> Problem:
        return Problem(
            severity, case.name, str(case.label), field, found, expected, cure
        )

    for field, found, expected in grids.differences(label, image):
        # A 2-D label has no slice thickness; for all others, a wrong spacing is already
        # an error of the headers.
        if field != "spacing (mm)":
            cure = "it is laid on the image voxel by voxel: check an overlay"
            yield problem(WARNING, field, found, expected, cure)
    # Without label names any values from 0 are allowed (`label_values.settle`).
    limit = math.inf if num_classes is None else num_classes
    odd = {value: n for value, n in counts.items() if not 0 <= value < limit}
    if odd:
        found = ", ".join(f"{v} ({n} voxels)" for v, n in list(odd.items())[:8])
        wanted = "0 or more" if num_classes is None else f"0 to {limit - 1}"
        yield problem(ERROR, "values", found, wanted, "map or remove them")
    if len(counts) > cases.MAX_CLASSES:
        cure = "is it an image? Leave it out"
        found = f"{len(counts)} different ones"
        yield problem(
            ERROR, "values", found, f"at most {cases.MAX_CLASSES - 1} structures", cure
        )
    if set(counts) == {0}:
        cure = "it is kept as a volume without structures; leave it out if it has some"
        yield problem(WARNING, "values", "background only", "a structure", cure)


def _report_strays(case: Case, strays: dict, dataset: Dataset) -> list[Problem]:
    return [
        Problem(
            WARNING,
            case.name,
            str(case.label),
            "values",
            f"{value} ({count} voxels)",
            str(dataset.strays[value]),
            f"treated as {dataset.strays[value]}",
        )
        for value, count in strays.items()
    ]


def _odd_values(case: Case, error: whole_numbers.LabelValuesError) -> Problem:
    said = error.found, error.expected, error.cure
    return Problem(ERROR, case.name, str(case.label), "values", *said)


def _unreadable(case: Case, path: pathlib.Path, error: errors.UserError) -> Problem:
    text = str(error).removeprefix(f"{path}: ").rstrip(".")
    return Problem(
        ERROR, case.name, str(path), "file", text, "a readable volume", "see there"
    )
