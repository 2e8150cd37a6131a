"""Reads image files as volumes through SimpleITK; `image_writing` writes them."""

import contextlib
import os
import pathlib
import zlib
from collections.abc import Iterator
from typing import Optional, Union

import numpy as np
import SimpleITK as sitk

from dscl_tf import errors, files
from dscl_tf.cohort import (
    dicom_series,
    formats,
    nifti_headers,
    voxel_files,
    whole_numbers,
)

_CHUNK = 2**22  # Bytes; a multiple of the width of every voxel type.
# NIfTI's codes of float types to NumPy's.
_NIFTI_FLOATS = {16: "f4", 64: "f8"}
# Tolerance of the scalar products of axes: above rounding errors in headers, below a
# shear that displaces anything by a voxel.
_RIGHT_ANGLE = 0.02
# A header with more voxels means a damaged file, or one too large: as float32, 2^31
# voxels take 8 GiB.
MAX_VOXELS = 2**31

# ITK repeats the same header warning for nearly every ACDC file.
sitk.ProcessObject.SetGlobalWarningDisplay(False)


def read_header(path: files.PathLike) -> Union[sitk.ImageFileReader, sitk.Image]:
    """Reads the header of an image file, without its voxels.

    Args:
      path: the file; a DICOM file stands for its series.

    Returns:
      An object with the methods for the image's size and geometry.

    Raises:
      UserError: the file is missing, unreadable, empty or too large, or its image does
        not have 2 to 4 dimensions and one value per voxel.
    """
    path = pathlib.Path(path)
    if formats.is_dicom(path):
        return dicom_series.header(path)
    with _header(path) as reader:
        return reader


@contextlib.contextmanager
def _header(path: pathlib.Path) -> Iterator[sitk.ImageFileReader]:
    """Yields a reader that has read the header; in the block it can read the voxels."""
    _check_opens(path)
    with formats.readable(path) as (readable, name_of_reader):
        fault = nifti_headers.fault(path)
        if fault:
            what, cure = fault
            raise errors.UserError(f"Cannot read {path} ({what}): {cure}.")
        reader = sitk.ImageFileReader()
        reader.SetFileName(str(readable))
        reader.SetImageIO(name_of_reader)
        try:
            reader.ReadImageInformation()
        except RuntimeError as error:
            raise _unreadable(path, error) from None
        _check_extent(path, reader)
        _check_axes(path, reader)
        yield reader


def _check_extent(path: pathlib.Path, reader: sitk.ImageFileReader) -> None:
    size = reader.GetSize()
    layers = reader.GetNumberOfComponents() * (size[3] if len(size) == 4 else 1)
    if layers > 1 and formats.is_segmentation(path.name):
        raise errors.UserError(
            f"{path}: found {layers} layers of segments that overlap, expected one: in "
            "3D Slicer's Segmentations module export the segmentation as a label map, "
            "in which each voxel has one structure."
        )
    if len(size) not in (2, 3, 4) or reader.GetNumberOfComponents() != 1:
        raise errors.UserError(
            f"{path}: found {len(size)} dimensions and "
            f"{reader.GetNumberOfComponents()} values a voxel, expected one 2-D or 3-D "
            "image of one channel, or a 4-D file: split it first."
        )
    if not 1 <= int(np.prod(size, dtype=object)) <= MAX_VOXELS:
        raise errors.UserError(
            f"{path}: its header says {size} voxels, expected 1 to {MAX_VOXELS} in "
            "all: the file is damaged or too large."
        )


def _check_opens(path: pathlib.Path) -> None:
    """Refuses anything but a regular file that can be opened, and says what it is."""
    files.require_utf8([path])  # For other names ITK aborts the process.
    if not os.path.lexists(path):
        raise errors.UserError(f"No image file at {path}: check the path.")
    if not os.path.exists(path):
        raise errors.UserError(
            f"Cannot read {path} (a link to {_target(path)}, which does not exist): "
            "fetch or copy the file that it points to."
        )
    if not os.path.isfile(path):
        kind = "a folder" if os.path.isdir(path) else "not a regular file"
        raise errors.UserError(
            f"Cannot read {path} (it is {kind}): put the image file itself in its "
            "place, or give it another name."
        )
    try:
        path.open("rb").close()
    except OSError as error:
        raise errors.UserError(
            f"Cannot read {path} ({error.strerror}): check its permissions."
        ) from None


def _target(link: pathlib.Path) -> str:
    """Where a link points to, for a message."""
    try:
        return os.readlink(link)
    except OSError:  # The link is a folder above it.
        return os.path.realpath(link)


def _check_axes(path: pathlib.Path, reader: sitk.ImageFileReader) -> None:
    """Refuses sheared axes, which ITK accepts in formats other than NIfTI."""
    extent = reader.GetDimension()
    axes = np.reshape(reader.GetDirection(), (extent, extent))
    if not np.all(np.abs(axes.T @ axes - np.eye(extent)) <= _RIGHT_ANGLE):
        raise _unreadable(path, RuntimeError("no orthonormal directions"))


def read_image(path: files.PathLike, fourth: Optional[int] = None) -> sitk.Image:
    """Reads an image; a 2-D one becomes a volume of one slice.

    Args:
      path: the file; a DICOM file stands for its series.
      fourth: index along the fourth axis of a 4-D file; None: the file is not 4-D.

    Returns:
      3-D float32 image.

    Raises:
      UserError: the file is missing, unreadable or not a scalar image, or has no such
        index.
    """
    return sitk.Cast(_read(pathlib.Path(path), fourth), sitk.sitkFloat32)


def read_label(path: files.PathLike) -> sitk.Image:
    """Reads a label volume; a 2-D one becomes a volume of one slice.

    Returns:
      3-D int32 image.

    Raises:
      whole_numbers.LabelValuesError: values are not whole numbers, within 0.001.
      UserError: as `read_image`.
    """
    return whole_numbers.as_whole(_read(pathlib.Path(path)), path)


def _read(path: pathlib.Path, fourth: Optional[int] = None) -> sitk.Image:
    if formats.is_dicom(path):
        return dicom_series.read(path)
    with _header(path) as reader:
        fourth = _fourth_index(path, reader, fourth)
        # The metadata fields cannot tell NIfTI: ITK copies them into NRRD files, too.
        if reader.GetImageIO() == formats.NIFTI:
            _check_voxels(path, reader, fourth)
        else:
            _check_unpacked(path, reader)
        if fourth is not None:
            reader.SetExtractIndex([0, 0, 0, fourth])
            reader.SetExtractSize([*reader.GetSize()[:3], 0])
        try:
            image = reader.Execute()
        except RuntimeError as error:
            raise _unreadable(path, error) from None
    if image.GetDimension() == 2:
        image = sitk.JoinSeries([image])
    return image


def _fourth_index(
    path: pathlib.Path, reader: sitk.ImageFileReader, wanted: Optional[int]
) -> Optional[int]:
    """The index to read along the fourth axis; None for a file with fewer axes."""
    if reader.GetDimension() < 4:
        # ITK drops a fourth axis of length 1, so index 0 is accepted.
        if wanted:
            raise errors.UserError(
                f"{path}: image {wanted} along a fourth axis is wanted (counted from "
                f"0), found a file of {reader.GetDimension()} dimensions: does it "
                "belong to this dataset? For other data there is --channel."
            )
        return None
    length = reader.GetSize()[3]
    if wanted is None and length > 1:
        raise errors.UserError(
            f"{path}: found {length} images along a fourth axis, expected one volume: "
            "choose one of them with --channel (dscl-prepare has it for Decathlon "
            "datasets), or split the file."
        )
    if not 0 <= (wanted or 0) < length:
        raise errors.UserError(
            f"{path}: image {wanted} along the fourth axis is wanted (counted from 0), "
            f"found {length}: choose another --channel, or download the file again."
        )
    return wanted or 0


def _check_voxels(
    path: pathlib.Path, reader: sitk.ImageFileReader, fourth: Optional[int]
) -> None:
    """Refuses NIfTI files of which ITK would silently read some voxels as zeros.

    These are truncated files, and files with voxels that are NaN or infinite.
    """
    voxels = int(np.prod(reader.GetSize(), dtype=object))
    start = int(float(reader.GetMetaData("vox_offset")))
    width = int(reader.GetMetaData("bitpix")) // 8
    expected = start + voxels * width
    kind = _NIFTI_FLOATS.get(int(reader.GetMetaData("datatype")))
    region = start, expected
    if fourth is not None:
        length = int(np.prod(reader.GetSize()[:3], dtype=object)) * width
        region = start + fourth * length, start + (fourth + 1) * length
    try:
        found, odd = _scan(pathlib.Path(reader.GetFileName()), start, region, kind)
    except (OSError, EOFError, zlib.error) as error:
        raise _unreadable(path, error) from None
    _check_length(path, found, expected, voxels)
    if odd:
        raise errors.UserError(
            f"{path}: found {odd} voxels that are NaN or infinite, expected numbers: "
            "repair or leave out the file."
        )


def _check_unpacked(path: pathlib.Path, reader: sitk.ImageFileReader) -> None:
    """Refuses NRRD and MetaImage files whose compressed voxels are damaged.

    ITK would read them without an error.
    """
    voxels = int(np.prod(reader.GetSize(), dtype=object))
    try:
        data = voxel_files.of(path)
        if data is None or not data.packing:
            return  # ITK itself reports uncompressed voxels that are truncated.
        width = sitk.Image([1, 1], reader.GetPixelID()).GetSizeOfPixelComponent()
        found = voxel_files.unpacked_length(data)
    except (OSError, EOFError, RuntimeError, zlib.error) as error:
        raise _unreadable(path, error) from None
    _check_length(data.path, found, voxels * width, voxels)


def _check_length(path: pathlib.Path, found: int, expected: int, voxels: int) -> None:
    if found < expected:
        raise errors.UserError(
            f"{path}: found {found} bytes (uncompressed), expected {expected} for "
            f"{voxels} voxels: the file is cut short; copy or download it again."
        )


def _scan(
    path: pathlib.Path, start: int, region: tuple[int, int], kind: Optional[str]
) -> tuple[int, int]:
    """Counts the bytes of a file (uncompressed), and non-finite floats in a region.

    Args:
      path: a NIfTI file, compressed or not, whatever its suffix.
      start: offset of the voxels, in bytes.
      region: start and end, in bytes, of the voxels to check.
      kind: NumPy's code of the voxels' float type; None: they are not floats.
    """
    with formats.unpacked(path) as content:
        head = content.read(start)
        # The header's own length, its first field, tells the byte order.
        lengths = (formats.LENGTH, formats.LENGTH_2)
        order = "<" if int.from_bytes(head[:4], "little") in lengths else ">"
        found, odd = len(head), 0
        for chunk in iter(lambda: content.read(_CHUNK), b""):
            if kind:
                width = np.dtype(kind).itemsize
                inside = chunk[max(0, region[0] - found) : max(0, region[1] - found)]
                inside = inside[: len(inside) // width * width]
                values = np.frombuffer(inside, order + kind)
                odd += int(np.count_nonzero(~np.isfinite(values)))
            found += len(chunk)
    return found, odd


def _unreadable(path: pathlib.Path, error: Exception) -> errors.UserError:
    reason = reason_of(error)
    cure = "is it whole, and NIfTI, NRRD or MetaImage?"
    if "orthonormal" in reason:
        cure = (
            "its header's axes are not at right angles; re-save it with valid "
            "orientation (for NIfTI, a correct qform) first. If it is a 2-D slice that "
            "is not axial, save it as a volume of one slice (x, y, 1)."
        )
    return errors.UserError(f"Cannot read {path} ({reason}): {cure}")


def reason_of(error: Exception) -> str:
    """The last line of a message: ITK's reason, or the whole message of a UserError."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
