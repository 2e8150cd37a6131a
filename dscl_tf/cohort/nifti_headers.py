"""NIfTI headers that are invalid, and those that contradict themselves.

A NIfTI file states its position in space twice, by qform and sform. ITK warns of each
file whose sform's scale differs from the voxel size, which is nearly every ACDC file.
Contradictions are therefore reported once for all files of a dataset.
"""

import gzip
import logging
import math
import os
import pathlib
from collections.abc import Iterable
from typing import Optional, Union

import nibabel
import numpy as np
from nibabel import spatialimages

from dscl_tf import errors
from dscl_tf.cohort import formats

_TOLERANCE = 0.02  # For scales and direction cosines: far above rounding errors.
_TOLERANCE_MM = 0.5  # For the first voxel's position.
# The fields of the qform and the sform, besides their codes.
_PLACE = {
    "qform": ("quatern_b", "quatern_c", "quatern_d")
    + ("qoffset_x", "qoffset_y", "qoffset_z"),
    "sform": ("srow_x", "srow_y", "srow_z"),
}
_UNIT_OF_LENGTH = 0b111  # Bits of xyzt_units; the other bits hold the unit of time.
_COPY_AGAIN = "copy or download it again"
_LOG = logging.getLogger(__name__)


def warn_of_conflicts(paths: Iterable[pathlib.Path]) -> None:
    """Logs in one line how many NIfTI headers contradict themselves, and how."""
    found: dict[str, list[pathlib.Path]] = {}
    paths = list(dict.fromkeys(paths))
    for path in paths:
        kind = conflict(path)
        if kind:
            found.setdefault(kind, []).append(path)
    if found:
        kinds = "; ".join(
            f"{kind} ({len(files)}, such as {files[0]})"
            for kind, files in found.items()
        )
        _LOG.warning(
            "In %d of %d files the header contradicts itself about the image's "
            "position: %s. The voxel size is taken from pixdim, as SimpleITK does; "
            "check the first overlays with care.",
            sum(map(len, found.values())),
            len(paths),
            kinds,
        )


def conflict(path: pathlib.Path) -> Optional[str]:
    """How the sform of a NIfTI file contradicts pixdim or the qform, or None.

    Files that cannot be read, or are of another format, count as free of conflicts;
    what is wrong with them is reported when their voxels are read.
    """
    header = _read(path)
    if not isinstance(header, nibabel.Nifti1Header) or header["sform_code"] <= 0:
        return None
    sform, sizes_mm = header.get_sform(), header["pixdim"][1:4]
    with np.errstate(all="ignore"):
        scales = nibabel.affines.voxel_sizes(sform)
        # Written so that NaN counts as a conflict.
        if not np.all(np.abs(scales - sizes_mm) <= _TOLERANCE * sizes_mm):
            return "the sform's scale is not the voxel size"
        if header["qform_code"] <= 0:
            return None
        difference = np.abs(sform - _qform(header))
        if not np.all(difference[:3, :3] <= _TOLERANCE * scales):
            return "sform and qform differ in direction"
        if not np.all(difference[:3, 3] <= _TOLERANCE_MM):
            return "sform and qform differ in origin"
    return None


def fault(path: pathlib.Path) -> Optional[tuple[str, str]]:
    """What makes a NIfTI header invalid, and the cure; None: nothing.

    ITK does not handle these well: some it refuses, but prints messages that no handler
    can catch; voxel sizes of 0 it reads as 1 mm; with negative voxel sizes, it reads
    another position than it writes.
    """
    header = _read(path)
    if header is None:
        return None
    if not isinstance(header, nibabel.Nifti1Header):
        return (
            f"field sizeof_hdr: found {header}, expected {formats.LENGTH}",
            _COPY_AGAIN,
        )
    axes, *extents = header["dim"].tolist()
    if not 1 <= axes <= 7 or extents[0] < 1:
        found = axes, *extents
        return f"field dim: found {found}, expected 1 to 7 axes and voxels", _COPY_AGAIN
    if not _has_voxels(header):
        kind = header["datatype"]
        return f"field datatype: found {kind}, expected that of a voxel", _COPY_AGAIN
    return _fault_of_start(header, path) or _fault_of_place(header)


def _fault_of_start(
    header: nibabel.Nifti1Header, path: pathlib.Path
) -> Optional[tuple[str, str]]:
    """ITK takes a start of the voxels within the header for the header's end."""
    if not bytes(header["magic"].item()).startswith(b"n+"):
        return None  # The voxels are in a file of their own.
    start, least = float(header["vox_offset"]), len(header.binaryblock)
    length = math.inf
    if not formats.kind_of(path).is_packed:
        length = path.stat().st_size
    # Written so that NaN counts as a fault.
    if not least <= start < length:
        found = f"{start:g}, expected {least + 4} or more, within the file"
        return f"field vox_offset: found {found}", "save the original again"
    return None


def _fault_of_place(header: nibabel.Nifti1Header) -> Optional[tuple[str, str]]:
    axes = min(int(header["dim"][0]), 3)
    sizes_mm = header["pixdim"][1 : 1 + axes]
    # Written so that NaN counts as a fault.
    if not np.all((sizes_mm > 0) & (sizes_mm < np.inf)):
        found = " x ".join(f"{size:g}" for size in sizes_mm)
        return (
            f"field pixdim: found voxels of {found} mm, expected sizes above 0",
            "correct the header from the original's",
        )
    for name, fields in _PLACE.items():
        values = np.hstack([header[field] for field in fields])
        if header[f"{name}_code"] > 0 and not np.isfinite(values).all():
            found = "numbers that are NaN or infinite"
            return f"{name}: found {found}, expected a place", _COPY_AGAIN
    return None


def copy_place(source: pathlib.Path, target: pathlib.Path) -> None:
    """Copies qform and sform from one NIfTI file to another.

    ITK reads one of the two forms and writes it as both, so a viewer that reads the
    other form would show a mask displaced from its scan. Voxel sizes and the unit of
    length are copied too, since ITK writes everything in mm. Unless both files are
    NIfTI, nothing is done.

    Args:
      source: an image.
      target: a file of the same geometry, which is changed.
    """
    place, own = _read(source), _read(target)
    if not all(isinstance(each, nibabel.Nifti1Header) for each in (place, own)):
        return
    for name, fields in _PLACE.items():
        for field in (f"{name}_code", *fields):
            own[field] = place[field]
    own["pixdim"][0] = place["pixdim"][0]  # The qform's handedness.
    # A 2-D image may have no valid size for its third axis.
    sizes = place["pixdim"][1:4]
    own["pixdim"][1:4] = np.where(sizes > 0, sizes, own["pixdim"][1:4])
    # As Python integers: NumPy 2 refuses to combine ~7, which is -8, with a uint8.
    units, own_units = int(place["xyzt_units"]), int(own["xyzt_units"])
    own["xyzt_units"] = (own_units & ~_UNIT_OF_LENGTH) | (units & _UNIT_OF_LENGTH)
    is_packed = formats.kind_of(target).is_packed
    with formats.unpacked(target) as content:
        whole = content.read()
    whole = own.binaryblock + whole[len(own.binaryblock) :]
    # Compressed as ITK does: at zlib's default level, and without a time stamp.
    packed = gzip.compress(whole, 6, mtime=0) if is_packed else whole
    target.write_bytes(packed)


def _read(path: pathlib.Path) -> Union[nibabel.Nifti1Header, int, None]:
    """Reads the header of a NIfTI-1 or NIfTI-2 file.

    Returns:
      The header; the value of sizeof_hdr if it is invalid in a file with a NIfTI
      suffix; None for other formats and for unreadable files, which ITK reports itself.
    """
    if not os.path.isfile(path):  # Opening a pipe would block.
        return None
    try:
        kind = formats.kind_of(path)
    except (OSError, errors.UserError):
        return None
    head = formats.head_of(path)
    length = formats.LENGTH_2 if kind.is_nifti_2 else formats.LENGTH
    is_called_so = formats.suffix_of(path.name) in formats.NIFTI_SUFFIXES
    if kind.reader not in ("", formats.NIFTI) or len(head) < length:
        return None
    # Both byte orders are tried: nibabel guesses the order from the field dim, which
    # may be wrong itself.
    make = nibabel.Nifti2Header if kind.is_nifti_2 else nibabel.Nifti1Header
    headers = [make(head[:length], order, check=False) for order in "<>"]
    lengths = [int(header["sizeof_hdr"]) for header in headers]
    if length in lengths:
        return headers[lengths.index(length)]
    return lengths[0] if is_called_so else None


def _has_voxels(header: nibabel.Nifti1Header) -> bool:
    kind = nibabel.nifti1.data_type_codes.dtype.get(int(header["datatype"]))
    return kind is not None and kind.itemsize > 0


def _qform(header: nibabel.Nifti1Header) -> np.ndarray:
    """The qform, float [4, 4]; NaN if the header's quaternion is not a rotation."""
    try:
        return header.get_qform()
    except (spatialimages.HeaderDataError, ValueError):
        return np.full([4, 4], np.nan)
