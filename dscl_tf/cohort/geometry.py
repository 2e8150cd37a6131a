"""Maps volumes from the scanner's geometry to the cohort's grid, and masks back."""

from collections.abc import Sequence
from typing import Optional

import numpy as np
import SimpleITK as sitk

from dscl_tf.cohort import orientation
from dscl_tf.config import OrientationConfig, PreprocessingConfig


def orient(image: sitk.Image, wanted: Optional[OrientationConfig] = None) -> sitk.Image:
    """Brings a volume to the cohort's orientation by permuting and flipping axes only.

    Args:
      image: 3-D, of any orientation.
      wanted: the cohort's orientation (`orientation.choose`). None: derived from the
        volume alone. A stack (one spacing more than 1.5 times both others) and a single
        slice keep their acquired slices, with axes that point to the left, to posterior
        or to superior; other volumes become axial slices.

    Returns:
      The same voxels at the same positions in space, in another order.
    """
    spacing_mm = orientation.slice_spacing(image.GetSpacing(), image.GetSize())
    place = image.GetDirection(), spacing_mm
    if wanted is None:
        return sitk.DICOMOrient(image, orientation.code_of_one(*place))
    return _reordered(image, orientation.axes_of(*place, wanted))


def _reordered(image: sitk.Image, axes: orientation.Axes) -> sitk.Image:
    order, flips = axes
    return sitk.Flip(sitk.PermuteAxes(image, order), flips, flipAboutOrigin=False)


def in_plane_grid(oriented: sitk.Image, settings: PreprocessingConfig) -> sitk.Image:
    """The grid of prepared slices: the volume's slices, with the settings' pixels.

    Args:
      oriented: from `orient`.
      settings: its `size_px`, `spacing_mm` and `on_voxels` are used.

    Returns:
      uint8 image of zeros with the grid's size, spacing, origin and direction. In-plane
      it has the volume's centre, with `on_voxels` up to half a voxel beside it.
    """
    rows, columns = settings.size_px
    size = [columns, rows, oriented.GetSize()[2]]
    spacing = [settings.spacing_mm, settings.spacing_mm, oriented.GetSpacing()[2]]
    grid = sitk.Image(size, sitk.sitkUInt8)
    grid.SetSpacing(spacing)
    grid.SetDirection(oriented.GetDirection())
    # Continuous voxel index of the grid's first node.
    steps = np.array(spacing) / oriented.GetSpacing()
    first = (np.array(oriented.GetSize()) - 1) / 2 - (np.array(size) - 1) / 2 * steps
    if settings.on_voxels:
        # Between two equally near voxels, rounding errors must not decide: the lower.
        first = np.round(first - 1e-3)
    grid.SetOrigin(oriented.TransformContinuousIndexToPhysicalPoint(first.tolist()))
    return grid


def to_grid(image: sitk.Image, grid: sitk.Image) -> sitk.Image:
    """Resamples an image to a grid by linear interpolation; 0 outside the image."""
    return sitk.Resample(
        image, grid, sitk.Transform(), sitk.sitkLinear, 0.0, image.GetPixelID()
    )


def labels_on_grid(
    label: sitk.Image, grid: sitk.Image, unknown: Optional[int] = None
) -> np.ndarray:
    """Resamples a label to a grid by nearest-neighbour interpolation; 0 outside.

    If no voxel of a slice is known on the grid, the whole slice becomes unknown, also
    where the grid leaves the image.

    ITK is not used: for nodes exactly half a voxel beyond the image, its nearest-
    neighbour interpolation was seen to read memory outside of the image.

    Args:
      label: 3-D integer, in the geometry of the image that the grid was made for.
      grid: from `in_plane_grid`.
      unknown: the value of unknown voxels; None: there are none.

    Returns:
      uint8 [Q, rows, columns].
    """
    turned = _turned_as(label, grid.GetDirection())
    if unknown is None:
        return _nearest(turned, grid).astype(np.uint8)
    above = _nearest(turned + 1, grid)  # Now 0 means outside the image, nothing else.
    is_known = (above > 0) & (above != unknown + 1)
    values = np.maximum(above - 1, 0)
    values[~is_known.any(axis=(1, 2))] = unknown
    return values.astype(np.uint8)


def _turned_as(image: sitk.Image, direction: Sequence[float]) -> sitk.Image:
    """Permutes and flips an image's axes to match a direction as well as possible."""
    wanted = OrientationConfig(tuple(direction), is_stack=False)
    place = image.GetDirection(), image.GetSpacing()
    return _reordered(image, orientation.axes_of(*place, wanted))


def _nearest(image: sitk.Image, grid: sitk.Image) -> np.ndarray:
    """The voxel nearest to each node of a grid with the image's axes; 0 outside.

    Args:
      image: 3-D.
      grid: its axes have the directions of the image's.

    Returns:
      [slices, rows, columns] of the grid, in the image's dtype.
    """
    values = sitk.GetArrayFromImage(image)
    first = image.TransformPhysicalPointToContinuousIndex(grid.GetOrigin())
    for axis in range(3):
        step = grid.GetSpacing()[axis] / image.GetSpacing()[axis]
        nodes = first[axis] + step * np.arange(grid.GetSize()[axis])
        nearest = np.floor(nodes + 0.5).astype(int)
        along = 2 - axis  # Arrays count slices, rows, columns.
        inside = (nearest >= 0) & (nearest < values.shape[along])
        values = np.where(
            np.expand_dims(inside, [k for k in range(3) if k != along]),
            np.take(values, nearest, axis=along, mode="clip"),
            values.dtype.type(0),
        )
    return values


def restore_probabilities(
    probabilities: np.ndarray, grid: sitk.Image, original: sitk.Image
) -> sitk.Image:
    """Computes a mask in the original geometry from class probabilities on the grid.

    The probabilities are resampled, not the labels. Voxels beyond the grid become
    background.

    Args:
      probabilities: float32 [Q, H, W, C] on the grid.
      grid: from `in_plane_grid`.
      original: the image as it was read.

    Returns:
      uint8 image with exactly the size, spacing, origin and direction of
      `original`; the most probable class of each voxel.
    """
    # In the outermost half pixel of the grid, linear interpolation has no second
    # neighbour; ITK's extrapolation (the last argument) takes the nearest value there.
    inside = _nearest(_turned_as(grid + 1, original.GetDirection()), original)
    best = None
    mask = np.zeros(original.GetSize()[::-1], np.uint8)
    for label in range(probabilities.shape[-1]):
        soft = sitk.GetImageFromArray(np.ascontiguousarray(probabilities[..., label]))
        soft.CopyInformation(grid)
        values = sitk.GetArrayFromImage(
            sitk.Resample(
                soft,
                original,
                sitk.Transform(),
                sitk.sitkLinear,
                0.0,
                sitk.sitkFloat32,
                True,
            )
        )
        if best is None:
            best = values
            continue
        better = values > best
        mask[better] = label
        best = np.where(better, values, best)
    mask[inside == 0] = 0
    restored = sitk.GetImageFromArray(mask)
    restored.CopyInformation(original)
    return restored
