"""Warns about masks that can be made but are doubtful."""

import logging
import pathlib
from collections.abc import Sequence

import numpy as np
import SimpleITK as sitk

from dscl_tf.cohort import formats, geometry, grids, integrity, preprocessing
from dscl_tf.config import PreprocessingConfig

_LOG = logging.getLogger(__name__)


def warn_of_image(
    path: pathlib.Path, image: sitk.Image, settings: PreprocessingConfig
) -> None:
    """Warns of voxel sizes and intensities that a model cannot have learned from.

    Args:
      path: file of the image, for messages.
      image: 3-D, as it was read.
      settings: the model's preprocessing.
    """
    spacing_mm = image.GetSpacing()
    low, high = integrity.PLAUSIBLE_MM
    if formats.lacks_spacing(path):
        _LOG.warning(
            "%s gives no voxel size, so 1 mm is assumed, on which the mask depends.",
            path,
        )
    elif not all(low <= value <= high for value in spacing_mm):
        _LOG.warning(
            "%s: spacing (mm): found %s, expected %g to %g: the mask depends on it; "
            "correct the header if it is in another unit.",
            *(path, grids.numbers(spacing_mm), low, high),
        )
    doubt = preprocessing.bias_doubt(image, settings)
    if doubt:
        _LOG.warning("%s: bias field: found %s, expected %s; %s.", path, *doubt)


def warn_of_field(
    path: pathlib.Path,
    mask: sitk.Image,
    settings: PreprocessingConfig,
    label_names: Sequence[str],
) -> None:
    """Warns if a structure reaches the edge of the model's field, or none is in it.

    The field of the prepared grid is centred on the image; whatever lies beyond it
    becomes background.

    Args:
      path: file of the image, for messages.
      mask: 3-D image of classes, with the geometry of the image.
      settings: the model's preprocessing, which defines the grid.
      label_names: name of each class; the first is the background.
    """
    oriented = geometry.orient(mask, settings.orientation)
    voxels = sitk.GetArrayViewFromImage(oriented)
    sides_mm = oriented.GetSpacing()[1], oriented.GetSpacing()[0]  # Rows, columns.
    image_mm = [n * mm for n, mm in zip(voxels.shape[1:], sides_mm)]
    field_mm = [extent * settings.spacing_mm for extent in settings.size_px]
    longer = [it > own + settings.spacing_mm for it, own in zip(image_mm, field_mm)]
    if not any(longer):
        return
    # The edge is one prepared pixel or one voxel wide, whichever is larger.
    edges = [
        np.abs(np.arange(n) - (n - 1) / 2) * mm
        >= own / 2 - max(mm, settings.spacing_mm) - 1e-6
        for n, mm, own in zip(voxels.shape[1:], sides_mm, field_mm)
    ]
    at_edge = np.zeros(voxels.shape[1:], bool)
    at_edge[edges[0] & longer[0]] = True
    at_edge[:, edges[1] & longer[1]] = True
    cut = np.unique(voxels[:, at_edge])
    names = ", ".join(label_names[label] for label in cut if label)
    what = f"{names} at the edge of the field" if names else "no structure found"
    if names or not voxels.any():
        _LOG.warning(
            "%s: %s: the model sees the middle %.0f x %.0f mm of slices of %.0f x "
            "%.0f mm, and labels the rest background. If the anatomy extends beyond, "
            "crop the image around it, so that it is in the middle.",
            *(path, what, *field_mm, *image_mm),
        )
