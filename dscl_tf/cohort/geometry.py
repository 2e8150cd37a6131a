"""From the scanner's geometry to one frame for all volumes, and back."""

import numpy as np
import SimpleITK as sitk

from dscl_tf.config import PreprocessingConfig

# Beyond this ratio of spacings a volume is a stack of slices, never resliced.
_STACK_RATIO = 1.5
_OPPOSITE = {"R": "L", "A": "P", "I": "S"}


def orient(image: sitk.Image) -> sitk.Image:
    """One orientation for all volumes, by permuting and flipping axes only.

    A stack (one spacing more than 1.5 times both others) keeps its acquired slices:
    their axis comes last, and each axis points to the positive side (left,
    posterior, superior) of the direction it is closest to. Other volumes become
    axial slices: index axes to the left, to posterior, to superior.

    Args:
      image: 3-D, of any orientation.

    Returns:
      The same voxels at the same places in space, in another order.
    """
    return sitk.DICOMOrient(image, orientation_code(image))


def orientation_code(image: sitk.Image) -> str:
    """The three-letter orientation that `orient` gives an image: "LPS" or another."""
    spacing = np.array(image.GetSpacing())
    slice_axis = int(np.argmax(spacing))
    others = np.delete(spacing, slice_axis)
    if spacing[slice_axis] <= _STACK_RATIO * others.max():
        return "LPS"
    letters = orientation_letters(image)
    positive = [_OPPOSITE.get(letter, letter) for letter in letters]
    across = positive.pop(slice_axis)
    return "".join(sorted(positive, key="LPS".index)) + across


def orientation_letters(image: sitk.Image) -> str:
    """The three-letter orientation that a 3-D image has: "LPS", "RAI", ..."""
    return sitk.DICOMOrientImageFilter.GetOrientationFromDirectionCosines(
        image.GetDirection()
    )


def in_plane_grid(oriented: sitk.Image, settings: PreprocessingConfig) -> sitk.Image:
    """The grid of prepared slices: the volume's own slices, in-plane as set.

    Args:
      oriented: from `orient`.
      settings: its `size_px` and `spacing_mm`.

    Returns:
      uint8 image of zeros with the grid's size, spacing, origin and direction,
      centred in-plane on the centre of the volume.
    """
    rows, columns = settings.size_px
    size = [columns, rows, oriented.GetSize()[2]]
    spacing = [settings.spacing_mm, settings.spacing_mm, oriented.GetSpacing()[2]]
    grid = sitk.Image(size, sitk.sitkUInt8)
    grid.SetSpacing(spacing)
    grid.SetDirection(oriented.GetDirection())
    middle_old = [(extent - 1) / 2 for extent in oriented.GetSize()]
    center = np.array(oriented.TransformContinuousIndexToPhysicalPoint(middle_old))
    middle_new = np.array([(extent - 1) / 2 for extent in size]) * spacing
    direction = np.array(oriented.GetDirection()).reshape(3, 3)
    grid.SetOrigin((center - direction @ middle_new).tolist())
    return grid


def to_grid(image: sitk.Image, grid: sitk.Image) -> sitk.Image:
    """Resamples an image to a grid, linearly; 0 outside."""
    return sitk.Resample(
        image, grid, sitk.Transform(), sitk.sitkLinear, 0.0, image.GetPixelID()
    )


def labels_on_grid(label: sitk.Image, grid: sitk.Image) -> np.ndarray:
    """The label of the voxel nearest to each node of a grid; 0 outside.

    Not by ITK: where a node lies exactly half a voxel beyond the image, its nearest
    neighbour interpolation was seen to read memory that is not the image's.

    Args:
      label: 3-D integer, in the geometry of the image that the grid is of.
      grid: from `in_plane_grid`.

    Returns:
      uint8 [Q, rows, columns].
    """
    oriented = orient(label)
    values = sitk.GetArrayFromImage(oriented).astype(np.uint8)
    first = oriented.TransformPhysicalPointToContinuousIndex(grid.GetOrigin())
    for axis in (0, 1):
        step = grid.GetSpacing()[axis] / oriented.GetSpacing()[axis]
        nodes = first[axis] + step * np.arange(grid.GetSize()[axis])
        nearest = np.floor(nodes + 0.5).astype(int)
        along = 2 - axis  # Arrays count slices, rows, columns.
        inside = (nearest >= 0) & (nearest < values.shape[along])
        values = np.where(
            np.expand_dims(inside, [k for k in range(3) if k != along]),
            np.take(values, nearest, axis=along, mode="clip"),
            0,
        )
    return values.astype(np.uint8)


def restore_probabilities(
    probabilities: np.ndarray, grid: sitk.Image, original: sitk.Image
) -> sitk.Image:
    """A mask in the original geometry from soft maps on the grid.

    The soft maps are resampled, not the labels; where the grid does not reach is
    background.

    Args:
      probabilities: float32 [Q, H, W, C] on the grid.
      grid: from `in_plane_grid`.
      original: the image as it was read.

    Returns:
      uint8 image with exactly the size, spacing, origin and direction of
      `original`; the most probable class of each voxel.
    """
    # At the outermost half pixel of a field of view the grid may not reach, linear
    # interpolation has no second neighbour: extrapolating keeps the nearest there.
    inside = sitk.Resample(
        grid + 1, original, sitk.Transform(), sitk.sitkNearestNeighbor, 0
    )
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
    mask[sitk.GetArrayViewFromImage(inside) == 0] = 0
    restored = sitk.GetImageFromArray(mask)
    restored.CopyInformation(original)
    return restored
