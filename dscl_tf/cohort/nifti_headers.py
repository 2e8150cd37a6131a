"""NIfTI headers that are wrong, and those that contradict themselves.

The latter are said once for all files of a dataset. A NIfTI file gives its place in
space twice, by qform and by sform. ITK warns of each file whose sform has another scale
than the voxels, which is nearly every one of ACDC.
"""

import gzip
import logging
import os
import pathlib
from collections.abc import Iterable
from typing import Optional, Union

import nibabel
import numpy as np
from nibabel import spatialimages

from dscl_tf import errors
from dscl_tf.cohort import formats

_TOLERANCE = 0.02  # Of scales and direction cosines: far above rounding.
_TOLERANCE_MM = 0.5  # Of the first voxel's position.
# The fields of an image's place, beside each one's code.
_PLACE = {
    "qform": ("quatern_b", "quatern_c", "quatern_d")
    + ("qoffset_x", "qoffset_y", "qoffset_z"),
    "sform": ("srow_x", "srow_y", "srow_z"),
}
_UNIT_OF_LENGTH = 0b111  # Bits of xyzt_units; the others are of time.
_COPY_AGAIN = "copy or download it again"
_LOG = logging.getLogger(__name__)


def warn_of_conflicts(paths: Iterable[pathlib.Path]) -> None:
    """Logs how many NIfTI files contradict themselves, and how; one line for all."""
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
            "In %d of %d files the header contradicts itself about the image's place: "
            "%s. The voxel size is taken from pixdim, as SimpleITK does; look at the "
            "first overlays with care.",
            sum(map(len, found.values())),
            len(paths),
            kinds,
        )


def conflict(path: pathlib.Path) -> Optional[str]:
    """How the sform of a NIfTI file contradicts pixdim or the qform, or None.

    Files that cannot be read, or are of another format, have no conflict here; who
    reads their voxels says what is wrong.
    """
    header = _read(path)
    if not isinstance(header, nibabel.Nifti1Header) or header["sform_code"] <= 0:
        return None
    sform, sizes_mm = header.get_sform(), header["pixdim"][1:4]
    with np.errstate(all="ignore"):
        scales = nibabel.affines.voxel_sizes(sform)
        # Written so that NaN is a conflict.
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
    """What makes the header of a NIfTI file no header of an image, and the cure.

    ITK refuses some of these, but prints of them past every handler; voxel sizes of 0
    it takes for 1 mm, and negative ones it reads as another place than it writes.
    None: there is nothing of the kind.
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
    return _fault_of_place(header)


def _fault_of_place(header: nibabel.Nifti1Header) -> Optional[tuple[str, str]]:
    axes = min(int(header["dim"][0]), 3)
    sizes_mm = header["pixdim"][1 : 1 + axes]
    # Written so that NaN is a fault.
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
    """Gives a NIfTI file the qform and the sform of another one; else does nothing.

    ITK reads one of the two, and writes it as both. A viewer that reads the other one
    would lay a mask beside its scan. Voxel sizes and the unit of length go with them,
    since ITK writes everything in mm.

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
    # A flat image need not have a size of its third axis.
    sizes = place["pixdim"][1:4]
    own["pixdim"][1:4] = np.where(sizes > 0, sizes, own["pixdim"][1:4])
    # As Python's integers: NumPy 2 refuses ~7, which is -8, beside a uint8.
    units, own_units = int(place["xyzt_units"]), int(own["xyzt_units"])
    own["xyzt_units"] = (own_units & ~_UNIT_OF_LENGTH) | (units & _UNIT_OF_LENGTH)
    is_packed = formats.kind_of(target).is_packed
    with formats.unpacked(target) as content:
        whole = content.read()
    whole = own.binaryblock + whole[len(own.binaryblock) :]
    # As ITK packs it: at zlib's own level, and without the time of day.
    packed = gzip.compress(whole, 6, mtime=0) if is_packed else whole
    target.write_bytes(packed)


def _read(path: pathlib.Path) -> Union[nibabel.Nifti1Header, int, None]:
    """The header, of NIfTI-2 too; field sizeof_hdr of what is called NIfTI; or None.

    None is also what an unreadable file has: ITK says what there is to say of it.
    """
    if not os.path.isfile(path):  # A pipe would be waited for.
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
    # Not nibabel's guess, which believes the field dim, that may be wrong itself.
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
    """Float [4, 4]; NaN where the header's three numbers are no rotation."""
    try:
        return header.get_qform()
    except (spatialimages.HeaderDataError, ValueError):
        return np.full([4, 4], np.nan)
