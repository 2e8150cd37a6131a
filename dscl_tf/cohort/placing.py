"""Lays labels that are cropped, or have other axes, on the grid of their image."""

from typing import Any, Optional

import numpy as np
import SimpleITK as sitk

# In voxels: above rounding errors in headers, below a visible displacement.
_OFF_GRID = 0.1


def goes_by_header(label: Any, image: Any) -> bool:
    """Whether a label is cropped or turned, but on the image's grid by its header.

    Args:
      label: an image, or a reader with a header (`volumes.read_header`).
      image: likewise. Of 4-D images, the first three axes are used.
    """
    return _placing(label, image) is not None


def is_turned(label: Any, image: Any) -> bool:
    """Whether a whole label lies on the image's grid with flipped or permuted axes.

    Arguments are those of `goes_by_header`.
    """
    return _is_whole(label, image) and goes_by_header(label, image)


def is_cropped(label: Any, image: Any) -> bool:
    """Whether a label smaller than the image lies on the image's grid, inside of it.

    Arguments are those of `goes_by_header`.
    """
    return not _is_whole(label, image) and goes_by_header(label, image)


def begins_in_the_corner(label: Any, image: Any) -> bool:
    """Whether a cropped label has the image's axes and begins at its first voxel.

    This suggests a label that was resampled or has lost slices, with a copied header or
    none: a structure that an annotator drew hardly ever begins in that corner.

    Arguments are those of `goes_by_header`.
    """
    turn = _placing(label, image)
    if turn is None or _is_whole(label, image):
        return False
    steps, first = turn
    return bool((steps == np.eye(3)).all() and not first.any())


def placed(label: sitk.Image, image: Any) -> sitk.Image:
    """Lays a label on the whole grid of its image; 0 where it has no voxels.

    A label with the image's size whose header places it elsewhere is left as it is: its
    voxels correspond to the image's by index.

    Args:
      label: 3-D int32 image.
      image: as for `goes_by_header`.

    Returns:
      3-D int32 image; `label` itself unless `goes_by_header` is true.
    """
    turn = _placing(label, image)
    if turn is None:
        return label
    steps, first = turn
    last = first + steps @ (np.array(_size(label)) - 1)
    values = sitk.GetArrayViewFromImage(label).transpose(2, 1, 0)
    values = values.transpose(np.abs(steps).argmax(axis=1))
    values = np.flip(values, np.flatnonzero(steps.sum(axis=1) < 0))
    whole = np.zeros(_size(image), values.dtype)
    low, high = np.minimum(first, last), np.maximum(first, last) + 1
    whole[tuple(map(slice, low, high))] = values
    result = sitk.GetImageFromArray(np.ascontiguousarray(whole.transpose(2, 1, 0)))
    direction, spacing_mm, origin = frame(image)
    result.SetDirection(direction.ravel().tolist())
    result.SetSpacing(spacing_mm.tolist())
    result.SetOrigin(origin.tolist())
    return result


def _placing(label: Any, image: Any) -> Optional[tuple[np.ndarray, np.ndarray]]:
    """As `_turn`, but None too for a label that has the image's axes and size."""
    turn = _turn(label, image)
    if turn is None:
        return None
    same = _same_size(label, image) and (turn[0] == np.eye(3)).all()
    return None if same else turn


def _is_whole(label: Any, image: Any) -> bool:
    """Whether a label and its image have the same size, up to the order of axes."""
    return sorted(_size(label)) == sorted(_size(image))


def _same_size(label: Any, image: Any) -> bool:
    return _size(label) == _size(image)


def _turn(label: Any, image: Any) -> Optional[tuple[np.ndarray, np.ndarray]]:
    """The mapping from label indices to image indices.

    Returns:
      Image index steps per label index step, int [3, 3] (a signed permutation), and the
      image index of the label's first voxel. None if a voxel of the label is not on the
      image's grid, or not inside of it.
    """
    (to, to_mm, start), (of, of_mm, origin) = frame(image), frame(label)
    to_index = np.linalg.inv(to * to_mm)
    steps, first = to_index @ (of * of_mm), to_index @ (origin - start)
    extent = np.array(_size(label)) - 1
    whole, whole_first = np.rint(steps).astype(int), np.rint(first).astype(int)
    is_turn = all((np.abs(whole).sum(axis=axis) == 1).all() for axis in (0, 1))
    off = np.abs(first - whole_first) + np.abs(steps - whole) @ (extent + 1)
    if not is_turn or off.max() > _OFF_GRID:
        return None
    ends = np.stack([whole_first, whole_first + whole @ extent])
    if ends.min() < 0 or (ends.max(axis=0) >= _size(image)).any():
        return None
    return whole, whole_first


def frame(image: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Direction [3, 3], spacing (mm) and origin (mm) of the first three axes.

    A 2-D image counts as one slice of 1 mm, as `volumes.read_image` reads it.
    """
    extent = len(image.GetSize())
    direction, spacing_mm, origin = np.eye(3), np.ones(3), np.zeros(3)
    axes = min(extent, 3)
    cosines = np.reshape(image.GetDirection(), (extent, extent))
    direction[:axes, :axes] = cosines[:axes, :axes]
    spacing_mm[:axes], origin[:axes] = image.GetSpacing()[:3], image.GetOrigin()[:3]
    return direction, spacing_mm, origin


def _size(image: Any) -> tuple[int, int, int]:
    return (*image.GetSize(), 1)[:3]
