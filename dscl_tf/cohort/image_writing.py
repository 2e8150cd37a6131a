"""Writes images atomically through SimpleITK."""

import os
import pathlib
import tempfile
from typing import Optional

import numpy as np
import SimpleITK as sitk

from dscl_tf import files
from dscl_tf.cohort import formats, nifti_headers, volumes

HEADER_SUFFIXES = (".nhdr", ".mhd")  # Headers whose voxels are in a second file.
_FLOATS = (sitk.sitkFloat32, sitk.sitkFloat64)


def write_image(
    image: sitk.Image,
    path: files.PathLike,
    place_of: Optional[files.PathLike] = None,
) -> None:
    """Writes an image in the format of the path's suffix, whole or not at all.

    Args:
      image: 2-D or 3-D.
      path: the file.
      place_of: a file of the same geometry. If both are NIfTI, its qform, sform, voxel
        sizes and unit of length are copied, because ITK would write one of the two
        forms as both, and everything in mm.

    Raises:
      UserError: the file cannot be written.
    """
    path = pathlib.Path(path)
    files.require_utf8([path])
    if formats.suffix_of(path.name) in HEADER_SUFFIXES:
        _write_in_two(image, path)
        return
    # The rest of the name is left out: ITK takes x.img.nii.gz for a pair of files.
    with files.atomic_path(path, formats.suffix_of(path.name)) as partial:
        _write(image, partial, path)
        if place_of is not None:
            nifti_headers.copy_place(pathlib.Path(place_of), partial)


def _write_in_two(image: sitk.Image, path: pathlib.Path) -> None:
    """Writes a header and its file of voxels; the header is moved in place last."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".partial-", dir=path.parent) as folder:
            header = pathlib.Path(folder) / formats.lower_suffix(path.name)
            _write(image, header, path)
            voxels = [file for file in header.parent.iterdir() if file != header]
            for file in voxels:
                os.replace(file, path.parent / file.name)
            os.replace(header, path)
    except OSError as error:
        raise files.cannot_write(path, error) from error


def _write(image: sitk.Image, partial: pathlib.Path, path: pathlib.Path) -> None:
    try:
        sitk.WriteImage(image, str(partial), useCompression=True)
        # On a full disk ITK's NIfTI writer leaves a truncated file without an error.
        written = sitk.ReadImage(str(partial))
    except RuntimeError as error:
        raise files.cannot_write(path, RuntimeError(volumes.reason_of(error))) from None
    pixels = (sitk.GetArrayViewFromImage(each) for each in (image, written))
    if not np.array_equal(*pixels, equal_nan=image.GetPixelID() in _FLOATS):
        cut = RuntimeError("the file does not hold what was written")
        raise files.cannot_write(path, cut)
