"""NIfTI headers that are wrong, and those that contradict themselves.

The latter are said once for all files of a dataset. A NIfTI file gives its place in
space twice, by qform and by sform. ITK warns of each file whose sform has another scale
than the voxels, which is nearly every one of ACDC.
"""

import gzip
import logging
import pathlib
import struct
import zlib
from collections.abc import Iterable
from typing import Optional

import numpy as np

# The codes of nifti1.h that have whole bytes.
_DATATYPES = frozenset(
    (2, 4, 8, 16, 32, 64, 128, 256, 512, 768, 1024, 1280, 1536, 1792, 2048, 2304)
)
_NIFTI_2 = tuple(int.from_bytes(struct.pack(f"{o}i", 540), "little") for o in "<>")
_LENGTH = 348  # Bytes of the header.
_TOLERANCE = 0.02  # Of scales and direction cosines: far above rounding.
_TOLERANCE_MM = 0.5  # Of the first voxel's position.
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
            "Headers of %d of %d files say two things of where the image lies: %s. The "
            "voxel size is taken from pixdim, as SimpleITK does; look at the first "
            "overlays with care.",
            sum(map(len, found.values())),
            len(paths),
            kinds,
        )


def conflict(path: pathlib.Path) -> Optional[str]:
    """How the sform of a NIfTI file contradicts pixdim or the qform, or None.

    Files that cannot be read, or are of another format, have no conflict here; who
    reads their voxels says what is wrong.
    """
    head, order = _read(path)
    if not order:
        return None
    qform_code, sform_code = struct.unpack_from(f"{order}2h", head, 252)
    if sform_code <= 0:
        return None
    pixdim = np.array(struct.unpack_from(f"{order}4f", head, 76), float)
    rows = np.array(struct.unpack_from(f"{order}12f", head, 280)).reshape(3, 4)
    with np.errstate(all="ignore"):
        scales = np.linalg.norm(rows[:, :3], axis=0)
        # Written so that NaN is a conflict.
        if not np.all(np.abs(scales - pixdim[1:]) <= _TOLERANCE * pixdim[1:]):
            return "the sform's scale is not the voxel size"
        if qform_code <= 0:
            return None
        quaternion = struct.unpack_from(f"{order}6f", head, 256)
        rotation = _rotation(quaternion[:3], pixdim[0])
        if not np.all(np.abs(rows[:, :3] / scales - rotation) <= _TOLERANCE):
            return "sform and qform have other directions"
        if not np.all(np.abs(rows[:, 3] - quaternion[3:]) <= _TOLERANCE_MM):
            return "sform and qform have other origins"
    return None


def fault(path: pathlib.Path) -> Optional[str]:
    """What makes the header of a NIfTI file no header of an image, or None.

    ITK refuses these too, but prints of them past every handler.
    """
    head, order = _read(path)
    if not order:
        start = int.from_bytes(head[:4], "little")
        # Of NIfTI-2 ITK says what there is to say; an unreadable file has no header.
        if len(head) < _LENGTH or start in _NIFTI_2:
            return None
        return f"field sizeof_hdr: found {start}, expected {_LENGTH}"
    axes, *extents = struct.unpack_from(f"{order}8h", head, 40)
    if not 1 <= axes <= 7 or extents[0] < 1:
        return f"field dim: found {(axes, *extents)}, expected 1 to 7 axes and voxels"
    (datatype,) = struct.unpack_from(f"{order}h", head, 70)
    if datatype not in _DATATYPES:
        return f"field datatype: found {datatype}, expected that of a voxel"
    place = struct.unpack_from(f"{order}18f", head, 256)
    for name, code, values in zip(
        ("qform", "sform"),
        struct.unpack_from(f"{order}2h", head, 252),
        (place[:6], place[6:]),
    ):
        if code > 0 and not np.isfinite(values).all():
            return f"{name}: found numbers that are NaN or infinite, expected a place"
    return None


def _read(path: pathlib.Path) -> tuple[bytes, str]:
    """The header and its byte order; "" if it is none of NIfTI-1."""
    if not path.name.lower().endswith((".nii", ".nii.gz")):
        return b"", ""
    try:
        head = _head(path)
    except (OSError, EOFError, zlib.error):
        return b"", ""
    if len(head) == _LENGTH:
        for order in "<>":
            if head[:4] == struct.pack(f"{order}i", _LENGTH):
                return head, order
    return head, ""


def _head(path: pathlib.Path) -> bytes:
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    with gzip.open(path, "rb") if packed else path.open("rb") as file:
        return file.read(_LENGTH)


def _rotation(quaternion, handedness: float) -> np.ndarray:
    """The qform's direction matrix [3, 3] from its b, c, d (NIfTI-1, nifti1.h)."""
    b, c, d = quaternion
    a = np.sqrt(max(0.0, 1 - b * b - c * c - d * d))
    matrix = np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )
    if handedness < 0:
        matrix[:, 2] *= -1
    return matrix
