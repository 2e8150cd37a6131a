"""Image files in and out, through SimpleITK."""

import gzip
import os
import pathlib
import tempfile
import zlib

import numpy as np
import SimpleITK as sitk

from dscl_tf import errors, files

IMAGE_SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd")
_HEADER_SUFFIXES = (".nhdr", ".mhd")  # The voxels are in a file of their own.
_GZIP_START = b"\x1f\x8b"
_CHUNK = 2**22  # Bytes.
# Larger headers are a damaged file or not for this machine: 2^31 voxels are 8 GiB.
MAX_VOXELS = 2**31

# ITK repeats the same header warning for nearly every ACDC file.
sitk.ProcessObject.SetGlobalWarningDisplay(False)


def has_image_suffix(name: str) -> bool:
    """Whether a file name is that of a visible image file."""
    return name.lower().endswith(IMAGE_SUFFIXES) and not name.startswith(".")


def strip_suffix(name: str) -> str:
    """A file name without its image suffix: patient001.nii.gz is patient001."""
    for suffix in IMAGE_SUFFIXES:
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return name


def read_header(path: files.PathLike) -> sitk.ImageFileReader:
    """Reads what a file says of its image, without the voxels.

    Raises:
      UserError: missing, unreadable, not of 2 or 3 dimensions, empty, or huge.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise errors.UserError(f"No image file at {path}: check the path.")
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise _unreadable(path, error) from None
    size = reader.GetSize()
    if len(size) not in (2, 3) or reader.GetNumberOfComponents() != 1:
        raise errors.UserError(
            f"{path}: found {len(size)} dimensions and "
            f"{reader.GetNumberOfComponents()} channels, expected one 2-D or 3-D "
            "image of one channel: split it first."
        )
    if not 1 <= int(np.prod(size, dtype=object)) <= MAX_VOXELS:
        raise errors.UserError(
            f"{path}: its header says {size} voxels, expected 1 to {MAX_VOXELS} in "
            "all: the file is damaged or too large."
        )
    return reader


def read_image(path: files.PathLike) -> sitk.Image:
    """Reads an image; a 2-D one becomes a volume of one slice.

    Returns:
      3-D float32 image.

    Raises:
      UserError: the file is missing, unreadable, or not a 2-D or 3-D scalar image.
    """
    return sitk.Cast(_read(pathlib.Path(path)), sitk.sitkFloat32)


def read_label(path: files.PathLike) -> sitk.Image:
    """Reads a label volume; a 2-D one becomes a volume of one slice.

    Returns:
      3-D int32 image.

    Raises:
      UserError: as `read_image`, or values that are not whole numbers.
    """
    image = _read(pathlib.Path(path))
    values = sitk.GetArrayViewFromImage(image)
    if not np.issubdtype(values.dtype, np.integer) and not (
        np.isfinite(values).all() and np.array_equal(values, np.round(values))
    ):
        raise errors.UserError(
            f"{path}: a label volume must hold whole numbers, found fractions or "
            "NaN: is it an image, or was it interpolated?"
        )
    return sitk.Cast(image, sitk.sitkInt32)


def write_image(image: sitk.Image, path: files.PathLike) -> None:
    """Writes an image in the format of the path's suffix, whole or not at all.

    Raises:
      UserError: the file cannot be written.
    """
    path = pathlib.Path(path)
    if path.name.lower().endswith(_HEADER_SUFFIXES):
        _write_in_two(image, path)
        return
    with files.atomic_path(path) as partial:
        _write(image, partial, path)


def _write_in_two(image: sitk.Image, path: pathlib.Path) -> None:
    """Writes a header that names a second file with the voxels; the header last."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".partial-", dir=path.parent) as folder:
            header = pathlib.Path(folder) / path.name
            _write(image, header, path)
            voxels = [file for file in header.parent.iterdir() if file != header]
            for file in [*voxels, header]:
                os.replace(file, path.parent / file.name)
    except OSError as error:
        raise files.cannot_write(path, error) from error


def _write(image: sitk.Image, partial: pathlib.Path, path: pathlib.Path) -> None:
    try:
        sitk.WriteImage(image, str(partial), useCompression=True)
    except RuntimeError as error:
        raise errors.UserError(f"Cannot write {path}: {_reason(error)}") from None


def _read(path: pathlib.Path) -> sitk.Image:
    reader = read_header(path)
    if path.name.lower().endswith((".nii", ".nii.gz")):
        _check_whole(path, reader)
    try:
        image = reader.Execute()
    except RuntimeError as error:
        raise _unreadable(path, error) from None
    if image.GetDimension() == 2:
        image = sitk.JoinSeries([image])
    return image


def _check_whole(path: pathlib.Path, reader: sitk.ImageFileReader) -> None:
    """Refuses a NIfTI file that is cut short: ITK reads it as zeros without a word."""
    voxels = int(np.prod(reader.GetSize(), dtype=object))
    start = float(reader.GetMetaData("vox_offset"))
    expected = int(start) + voxels * int(reader.GetMetaData("bitpix")) // 8
    try:
        found = _num_bytes(path)
    except (OSError, EOFError, zlib.error) as error:
        raise _unreadable(path, error) from None
    if found < expected:
        raise errors.UserError(
            f"{path}: found {found} bytes (uncompressed), expected {expected} for "
            f"{voxels} voxels: the file is cut short; copy or download it again."
        )


def _num_bytes(path: pathlib.Path) -> int:
    with path.open("rb") as file:
        if file.read(2) != _GZIP_START:
            return path.stat().st_size
    with gzip.open(path, "rb") as content:
        return sum(iter(lambda: len(content.read(_CHUNK)), 0))


def _unreadable(path: pathlib.Path, error: Exception) -> errors.UserError:
    reason = _reason(error)
    cure = "is it whole, and NIfTI, NRRD or MetaImage?"
    if "orthonormal" in reason:
        cure = (
            "its header's axes are not at right angles; re-save it with valid "
            "orientation (for NIfTI, a correct qform) first."
        )
    return errors.UserError(f"Cannot read {path} ({reason}): {cure}")


def _reason(error: Exception) -> str:
    """ITK's own words: the last line of its long message."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
