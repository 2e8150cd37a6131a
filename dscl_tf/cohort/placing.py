"""Labels cropped to their content, or with other axes, laid on their image's grid."""

from typing import Any, Optional

import numpy as np
import SimpleITK as sitk

# Of a voxel: above rounding in headers, below what a reader would see as displaced.
_OFF_GRID = 0.1


def goes_by_header(label: Any, image: Any) -> bool:
    """Whether a label is laid where its header says, which is on the image's grid.

    Args:
      label: image, or reader with a header (`volumes.read_header`).
      image: likewise; of 4-D ones the first three axes count.
    """
    return _placing(label, image) is not None


def is_turned(label: Any, image: Any) -> bool:
    """Whether a whole label lies on the image's grid with flipped or permuted axes.

    Arguments are those of `goes_by_header`.
    """
    return _is_whole(label, image) and goes_by_header(label, image)


def is_cropped(label: Any, image: Any) -> bool:
    """Whether a label of fewer voxels lies on the image's grid and inside it.

    Arguments are those of `goes_by_header`.
    """
    return not _is_whole(label, image) and goes_by_header(label, image)


def begins_in_the_corner(label: Any, image: Any) -> bool:
    """Whether a cropped label has the image's axes and first voxel.

    So lie labels that were resampled, or have lost slices, with a copied header or
    none; what an annotator drew hardly begins there.

    Arguments are those of `goes_by_header`.
    """
    turn = _placing(label, image)
    if turn is None or _is_whole(label, image):
        return False
    steps, first = turn
    return bool((steps == np.eye(3)).all() and not first.any())


def placed(label: sitk.Image, image: Any) -> sitk.Image:
    """A label on the whole grid of its image; 0 where it has no voxels.

    Labels of the same size whose header says another place correspond by index.

    Args:
      label: 3-D int32 image.
      image: as for `goes_by_header`.

    Returns:
      3-D int32 image; `label` itself where it does not fit, or already does.
    """
    turn = _placing(label, image)
    if turn is None:
        return label
    steps, first = turn
    last = first + steps @ (np.array(label.GetSize()) - 1)
    values = sitk.GetArrayViewFromImage(label).transpose(2, 1, 0)
    values = values.transpose(np.abs(steps).argmax(axis=1))
    values = np.flip(values, np.flatnonzero(steps.sum(axis=1) < 0))
    whole = np.zeros(image.GetSize()[:3], values.dtype)
    low, high = np.minimum(first, last), np.maximum(first, last) + 1
    whole[tuple(map(slice, low, high))] = values
    result = sitk.GetImageFromArray(np.ascontiguousarray(whole.transpose(2, 1, 0)))
    direction, spacing_mm, origin = frame(image)
    result.SetDirection(direction.ravel().tolist())
    result.SetSpacing(spacing_mm.tolist())
    result.SetOrigin(origin.tolist())
    return result


def _placing(label: Any, image: Any) -> Optional[tuple[np.ndarray, np.ndarray]]:
    """As `_turn`; None also where a label has the image's axes and size."""
    turn = _turn(label, image)
    if turn is None:
        return None
    same = _same_size(label, image) and (turn[0] == np.eye(3)).all()
    return None if same else turn


def _is_whole(label: Any, image: Any) -> bool:
    """Whether a label has as many voxels as its image, whatever the axes' order."""
    return sorted(label.GetSize()[:3]) == sorted(image.GetSize()[:3])


def _same_size(label: Any, image: Any) -> bool:
    return tuple(label.GetSize()[:3]) == tuple(image.GetSize()[:3])


def _turn(label: Any, image: Any) -> Optional[tuple[np.ndarray, np.ndarray]]:
    """Image indices per label index [3, 3], and that of the label's first voxel.

    None: the label's voxels are not on the image's grid, or not all inside.
    """
    if min(len(label.GetSize()), len(image.GetSize())) < 3:
        return None
    (to, to_mm, start), (of, of_mm, origin) = frame(image), frame(label)
    to_index = np.linalg.inv(to * to_mm)
    steps, first = to_index @ (of * of_mm), to_index @ (origin - start)
    extent = np.array(label.GetSize()[:3]) - 1
    whole, whole_first = np.rint(steps).astype(int), np.rint(first).astype(int)
    is_turn = all((np.abs(whole).sum(axis=axis) == 1).all() for axis in (0, 1))
    off = np.abs(first - whole_first) + np.abs(steps - whole) @ (extent + 1)
    if not is_turn or off.max() > _OFF_GRID:
        return None
    ends = np.stack([whole_first, whole_first + whole @ extent])
    if ends.min() < 0 or (ends.max(axis=0) >= image.GetSize()[:3]).any():
        return None
    return whole, whole_first


def frame(image: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Direction [3, 3], spacing and origin of the first three axes."""
    extent = len(image.GetSize())
    direction = np.reshape(image.GetDirection(), (extent, extent))[:3, :3]
    return direction, np.array(image.GetSpacing()[:3]), np.array(image.GetOrigin()[:3])
