"""One orientation for all volumes of a cohort, by permuting and flipping axes only.

A partition, and a side of a slice, must mean the same anatomy in every volume. The
signs of the axes of oblique stacks cannot be chosen volume by volume: a normal between
left, posterior and superior may be nearest to a different one of them in each patient,
and may then point to the opposite side. All volumes therefore follow one reference.
"""

import math
from collections.abc import Sequence

import numpy as np
import SimpleITK as sitk

from dscl_tf.config import OrientationConfig

# A volume with a larger ratio of spacings is a stack of slices. It exceeds 1.5 by more
# than rounding errors, since readers round headers to different numbers of digits.
_STACK_RATIO = 1.5 * (1 + 1e-4)
_OPPOSITE = {"R": "L", "A": "P", "I": "S"}
# At most this many volumes are candidates for the reference; more are not needed, even
# in cohorts of thousands.
_MOST_CANDIDATES = 200

Vector = Sequence[float]
# File axes that become columns, rows and slices, and which of these are flipped.
Axes = tuple[tuple[int, int, int], tuple[bool, bool, bool]]


def is_stack(spacing_mm: Vector) -> bool:
    """Whether one spacing is more than 1.5 times both others."""
    _, second, largest = sorted(spacing_mm)
    return largest > _STACK_RATIO * second


def slice_spacing(spacing_mm: Vector, size: Sequence[int]) -> Vector:
    """Spacings whose maximum marks the slice axis, also for a volume of one slice.

    Args:
      spacing_mm: 3 numbers.
      size: voxels along the same axes.

    Returns:
      The spacings, with infinity for an axis of one voxel, however thin it is. They are
      unchanged if no axis, or more than one, has a single voxel.
    """
    if sum(extent == 1 for extent in size) != 1:
        return spacing_mm
    return tuple(
        math.inf if extent == 1 else spacing
        for spacing, extent in zip(spacing_mm, size)
    )


def is_slice(spacing_mm: Vector) -> bool:
    """Whether spacings from `slice_spacing` belong to a single slice."""
    return math.inf in spacing_mm


def choose(
    directions: Sequence[Vector], spacings_mm: Sequence[Vector]
) -> OrientationConfig:
    """Chooses the orientation of a cohort.

    If at least half of the volumes are stacks, the reference is the stack that all
    stacks are best aligned with (their medoid); otherwise slices are axial.

    Args:
      directions: 9 direction cosines per volume, as SimpleITK orders them.
      spacings_mm: from `slice_spacing`, per volume; at least one volume.

    Returns:
      The orientation; it is the same for the same volumes in the same order.
    """
    stacks = [
        direction
        for direction, spacing in zip(directions, spacings_mm)
        if is_stack(spacing)
    ]
    if 2 * len(stacks) < len(directions):
        return OrientationConfig(tuple(np.eye(3).ravel().tolist()), is_stack=False)
    across = [int(np.argmax(s)) for s in spacings_mm if is_stack(s)]
    axes = np.stack([_slices_last(*each) for each in zip(stacks, across)])
    reference = _signed_by_letters(axes[_medoid(axes)])
    cosines = tuple(np.round(reference, 6).ravel().tolist())
    return OrientationConfig(cosines, is_stack=True)


def _slices_last(direction: Vector, across: int) -> np.ndarray:
    """The axes of a volume as the columns of a matrix [3, 3], the slice axis last."""
    columns = np.reshape(direction, (3, 3))
    others = [axis for axis in range(3) if axis != across]
    return columns[:, [*others, across]]


def _medoid(axes: np.ndarray) -> int:
    """Index of the volume that all are best aligned with, by their axes [N, 3, 3]."""
    count = min(len(axes), _MOST_CANDIDATES)
    candidates = np.linspace(0, len(axes) - 1, count).round().astype(int)
    cosines = np.abs(np.einsum("cki,nkj->cnij", axes[candidates], axes))
    straight = cosines[..., 0, 0] + cosines[..., 1, 1]
    swapped = cosines[..., 0, 1] + cosines[..., 1, 0]
    aligned = 2 * cosines[..., 2, 2] + np.maximum(straight, swapped)
    # Rounded, so that equal volumes tie and the first one is taken.
    return int(candidates[np.round(aligned.sum(axis=1), 6).argmax()])


def _signed_by_letters(axes: np.ndarray) -> np.ndarray:
    """Flips each axis [3, 3] to point to L, P or S, whichever it is nearest to.

    In-plane axes are sorted in the order of these letters; the slice axis stays last.
    """
    letters = letters_of(axes.ravel())
    signs = [-1 if letter in _OPPOSITE else 1 for letter in letters]
    positive = [_OPPOSITE.get(letter, letter) for letter in letters]
    first, second = sorted((0, 1), key=lambda axis: "LPS".index(positive[axis]))
    return (axes * signs)[:, [first, second, 2]]


def letters_of(direction: Vector) -> str:
    """The three-letter orientation of 9 direction cosines: "LPS", "RAI", ..."""
    return sitk.DICOMOrientImageFilter.GetOrientationFromDirectionCosines(
        [float(value) for value in direction]
    )


def code_of_one(direction: Vector, spacing_mm: Vector) -> str:
    """The target orientation, in three letters, of a volume without a cohort.

    The axes of a stack point to L, P or S, whichever is nearest, the slice axis last;
    other volumes become "LPS".
    """
    if not is_stack(spacing_mm):
        return "LPS"
    axes = _slices_last(direction, int(np.argmax(spacing_mm)))
    return letters_of(_signed_by_letters(axes).ravel())


def axes_of(
    direction: Vector, spacing_mm: Vector, orientation: OrientationConfig
) -> Axes:
    """How a volume's axes become the columns, rows and slices of a cohort.

    In a cohort of stacks, a stack keeps its acquired slices. A single slice is kept in
    any cohort. Otherwise the slice axis is the one nearest to the reference's.

    Args:
      direction: 9 direction cosines.
      spacing_mm: from `slice_spacing`.
      orientation: the cohort's.
    """
    columns = np.reshape(direction, (3, 3))
    cosines = columns.T @ np.reshape(orientation.axes, (3, 3))
    if is_slice(spacing_mm) or (orientation.is_stack and is_stack(spacing_mm)):
        across = int(np.argmax(spacing_mm))
    else:
        across = int(np.argmax(np.abs(cosines[:, 2])))
    first, second = (axis for axis in range(3) if axis != across)
    size = np.abs(cosines)
    straight, swapped = (
        size[a, 0] + size[b, 1] for a, b in ((first, second), (second, first))
    )
    if swapped > straight:
        first, second = second, first
    order = (first, second, across)
    flips = tuple(bool(cosines[axis, k] < 0) for k, axis in enumerate(order))
    return order, flips


def tilt_deg(
    direction: Vector, spacing_mm: Vector, orientation: OrientationConfig
) -> float:
    """The angle between a volume's slice axis and the reference's, 0 to 90 degrees."""
    (*_, across), _ = axes_of(direction, spacing_mm, orientation)
    own = np.reshape(direction, (3, 3))[:, across]
    cosine = abs(float(own @ np.reshape(orientation.axes, (3, 3))[:, 2]))
    return math.degrees(math.acos(min(1.0, cosine)))
