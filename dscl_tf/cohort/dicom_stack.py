"""Stacks the slices of a series: parallel, sorted and checked for equal distances."""

from collections.abc import Sequence
from typing import NamedTuple, Optional

import numpy as np

from dscl_tf.cohort.dicom_files import Slice

_SAME_MM = 0.01  # Slices at most this far apart count as at the same position.
# Tolerance as a share of the slice distance: above rounding in headers, below a missing
# slice.
_UNEVEN = 0.25
_SAME_AXES = 0.01  # Tolerance of direction cosines.
# In-plane shift as a share of the distance across the slices: below a shear that
# displaces anything by a voxel. `volumes` has the same tolerance for other formats.
_SHIFT = 0.02
_SHIFT_MM = 0.1
_CONVERT = "convert it with dcm2niix, which corrects that, and give the NIfTI file"


class Finding(NamedTuple):
    """What is wrong with a series, as a row of the check."""

    field: str
    found: str
    expected: str
    cure: str


class Stack(NamedTuple):
    """Slices sorted by position, and the geometry of the volume they form."""

    slices: tuple[Slice, ...]
    spacing_mm: tuple[float, float, float]
    direction: tuple[float, ...]  # As SimpleITK orders it.
    fault: Optional[Finding]
    warnings: tuple[Finding, ...]


def of(slices: Sequence[Slice]) -> Stack:
    """Stacks the largest group of slices that are parallel and of one size.

    Args:
      slices: those of one series, at least one, in any order.
    """
    groups = _parallel(slices)
    most = max(map(len, groups))
    chosen = next(group for group in groups if len(group) == most)
    fault, warnings = None, []
    if len(groups) > 1:
        sizes = " + ".join(str(len(group)) for group in groups)
        found = f"slices of {len(groups)} orientations or sizes ({sizes})"
        cure = f"the {most} of one kind are used, the others are left out"
        warnings = [Finding("orientation", found, "one", cure)]
    if sum(len(group) == most for group in groups) > 1:
        cure = "is it a localiser? Remove it, or keep the slices of one kind"
        fault, warnings = warnings[0]._replace(cure=cure), []
    return _stack(chosen, fault, tuple(warnings))


def _parallel(slices: Sequence[Slice]) -> list[list[Slice]]:
    groups: list[list[Slice]] = []
    for each in slices:
        for group in groups:
            first = group[0]
            same_axes = np.allclose(each.axes, first.axes, rtol=0, atol=_SAME_AXES)
            same_mm = np.allclose(each.spacing_mm[:2], first.spacing_mm[:2], rtol=1e-3)
            if same_axes and same_mm and each.size == first.size:
                group.append(each)
                break
        else:
            groups.append([each])
    return groups


def _stack(slices: Sequence[Slice], fault, warnings) -> Stack:
    axes = np.reshape(slices[0].axes, (2, 3))
    lengths = np.linalg.norm(axes, axis=1)
    if not np.all(np.abs([*(lengths - 1), axes[0] @ axes[1]]) <= _SHIFT):
        found = "axes not of length 1, or not at right angles"
        fault = Finding("orientation", found, "a rotation", "export it again")
        axes = np.eye(3)[:2]
    along, down = axes / np.linalg.norm(axes, axis=1, keepdims=True)
    across = np.cross(along, down)
    positions = np.array([each.position_mm for each in slices])
    order = np.argsort(positions @ across, kind="stable")
    ordered, positions = tuple(slices[k] for k in order), positions[order]
    step_mm, found = slices[0].spacing_mm[2], None
    if len(slices) > 1:
        found = (
            _same_places(ordered, positions @ across)
            or _uneven(positions @ across)
            or _shifted(positions - positions[0], across)
        )
        step_mm = (positions[-1] - positions[0]) @ across / (len(slices) - 1)
    if not step_mm > 0:
        step_mm = 1.0  # There is a fault, or one slice without a valid thickness.
    return Stack(
        ordered,
        (*slices[0].spacing_mm[:2], float(step_mm)),
        tuple(np.stack([along, down, across], axis=1).ravel().tolist()),
        fault or found,
        warnings,
    )


def _same_places(slices: Sequence[Slice], heights_mm: np.ndarray) -> Optional[Finding]:
    """A fault if slices share a position; it names the fields they differ in."""
    at = np.flatnonzero(np.diff(heights_mm) <= _SAME_MM)
    if not len(at):
        return None
    differing: dict[str, None] = {}
    for k in at:
        for (words, one), (_, other) in zip(slices[k].marks, slices[k + 1].marks):
            if one != other:
                differing[words] = None
    places = len(slices) - len(at)
    found = f"{len(slices)} slices at {places} positions"
    cure = "are there duplicate files? Keep one of each"
    if differing:
        found += f", which differ in {', '.join(differing)}"
        cure = "keep one image at each position, in a separate folder"
    return Finding("slice positions", found, "one slice at each position", cure)


def _uneven(heights_mm: np.ndarray) -> Optional[Finding]:
    """A fault if slices are not equidistant, usually because some are missing."""
    steps_mm = np.diff(heights_mm)
    usual_mm = float(np.median(steps_mm))
    even_mm = np.linspace(heights_mm[0], heights_mm[-1], len(heights_mm))
    most = _UNEVEN * usual_mm
    off = np.abs(steps_mm - usual_mm)
    if np.all(off <= most) and np.all(np.abs(heights_mm - even_mm) <= most):
        return None
    worst = int(np.argmax(off))
    return Finding(
        "slice positions",
        f"{steps_mm[worst]:.4g} mm from slice {worst + 1} to slice {worst + 2} of "
        f"{len(heights_mm)}",
        f"{usual_mm:.4g} mm, as between most",
        "are slices missing? Copy the whole series again",
    )


def _shifted(offsets_mm: np.ndarray, across: np.ndarray) -> Optional[Finding]:
    """A fault if slices are shifted in-plane, usually because of a tilted gantry."""
    heights_mm = offsets_mm @ across
    shifts_mm = np.linalg.norm(offsets_mm - heights_mm[:, None] * across, axis=1)
    if np.all(shifts_mm <= _SHIFT * heights_mm + _SHIFT_MM):
        return None
    worst = int(np.argmax(shifts_mm))
    tilt_deg = np.degrees(np.arctan2(shifts_mm[worst], heights_mm[worst]))
    return Finding(
        "gantry tilt",
        f"slices shifted by {shifts_mm[worst]:.4g} mm within their planes "
        f"({tilt_deg:.0f} degrees)",
        "slices straight above each other",
        _CONVERT,
    )
