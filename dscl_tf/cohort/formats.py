"""Recognises the format of an image file by its suffix and by its first bytes.

Names may mislead: a .nii may be compressed, and a suffix in capitals is accepted by
some of ITK's readers and refused by others. The first bytes are reliable.
"""

import contextlib
import gzip
import os
import pathlib
import re
import shutil
import tempfile
import zlib
from collections.abc import Collection, Iterator
from typing import BinaryIO, NamedTuple, Union

import nibabel
import numpy as np

from dscl_tf import errors

SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd")
SEGMENTATION = ".seg"  # Precedes the suffix of 3D Slicer's segmentations.
NIFTI = "NiftiImageIO"  # ITK's names of its readers.
NRRD, META = "NrrdImageIO", "MetaImageIO"
NIFTI_SUFFIXES = (".nii.gz", ".nii")
# Suffixes of volumes that cannot be read: of other formats or compression, or files
# downloaded in part.
_UNREADABLE = (
    *(".hdr", ".img", ".img.gz", ".mgz", ".mgh", ".mnc", ".vtk", ".vti", ".gipl"),
    *(".gipl.gz", ".nrrd.gz", ".mha.gz", ".npy", ".npz", ".mat", ".tif", ".tiff"),
    *(".zip", ".tar", ".tgz", ".7z", ".bz2", ".xz", ".zst", ".part", ".crdownload"),
)
_DICOM, _DICOM_AT = b"DICM", 128
# With these suffixes, files count as DICOM even without the signature. Other DICOM
# files have no suffix, and only their signature tells.
_DICOM_SUFFIXES = (".dcm", ".ima", ".dicom")
_GZIP = b"\x1f\x8b"
LENGTH, LENGTH_2 = 348, 540  # Bytes of the headers of NIfTI-1 and NIfTI-2.
_HEAD = 4096  # Bytes at the start of a file that are read to recognise its format.
# The header fields of the voxel size, with at least one digit.
_SPACING = {
    NRRD: re.compile(rb"^(spacings|space directions):[^\n]*\d", re.MULTILINE),
    META: re.compile(rb"^\s*Element(Spacing|Size)\s*=[^\n]*\d", re.MULTILINE),
}
# Names (without suffix) of label maps that lie beside their images.
_LABEL_END = re.compile(
    r"(?P<image>.+)[-_. ](seg|segmentation|labels?|labelmap|masks?|gt)", re.IGNORECASE
)
_META_START = re.compile(rb"\s*[A-Za-z]+\s*=")
# First bytes of other contents found in files with an image's name: what it is, and
# the cure.
_FOREIGN = (
    (b"PK\x03\x04", "a zip archive", "unpack it first"),
    (b"BZh", "compressed with bzip2", "unpack it first"),
    (b"\xfd7zXZ", "compressed with xz", "unpack it first"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd", "unpack it first"),
    (b"\x89HDF", "HDF5, such as MINC", "convert it to NIfTI first"),
    (b"CDF", "NetCDF, such as MINC", "convert it to NIfTI first"),
    (b"version https://git-lfs", "a pointer of Git LFS", "fetch it with git lfs pull"),
    (b"/annex/objects/", "a pointer of git-annex", "fetch it with git annex get"),
    (b"<!doctype", "a web page, not the file", "download it again"),
    (b"<html", "a web page, not the file", "download it again"),
)


class Kind(NamedTuple):
    """The format of a file, by its first bytes."""

    reader: str = ""  # ITK's name of the reader; empty if the format is unknown.
    is_packed: bool = False  # Compressed by gzip.
    is_nifti_2: bool = False


def has_image_suffix(name: str) -> bool:
    """Whether a file name is that of a visible image file."""
    return bool(suffix_of(name)) and not name.startswith(".")


def suffix_of(name: str) -> str:
    """The image suffix of a file name in lower case; "" for other names."""
    return next((s for s in SUFFIXES if name.lower().endswith(s)), "")


def is_unreadable(name: str) -> bool:
    """Whether a name suggests a volume that must be converted before it can be read."""
    return name.lower().endswith(_UNREADABLE)


def is_dicom(path: pathlib.Path) -> bool:
    """Whether a file is DICOM, by its first bytes or its name.

    Files with the suffix of another format do not count: its reader reports them.
    """
    if suffix_of(path.name) or not path.is_file():
        return False
    if has_dicom_sign(path):
        return True
    is_called_so = path.name.lower().endswith(_DICOM_SUFFIXES)
    return is_called_so and path.stat().st_size > 0


def has_dicom_sign(path: pathlib.Path) -> bool:
    """Whether a file has DICOM's signature."""
    try:
        with path.open("rb") as file:
            return file.read(_DICOM_AT + len(_DICOM))[_DICOM_AT:] == _DICOM
    except OSError:
        return False


def strip_suffix(name: str) -> str:
    """A file name without its image suffix: patient001.nii.gz is patient001."""
    return name[: len(name) - len(suffix_of(name))]


def is_segmentation(name: str) -> bool:
    """Whether a name is that of a 3D Slicer segmentation: NAME.seg.nrrd."""
    return strip_suffix(name).lower().endswith(SEGMENTATION)


def labels_among(names: Collection[str]) -> dict[str, str]:
    """Maps the names that look like labels of other names to these others.

    Args:
      names: file names without suffix.
    """
    matches = {name: _LABEL_END.fullmatch(name) for name in sorted(names)}
    return {n: m["image"] for n, m in matches.items() if m and m["image"] in names}


def lower_suffix(name: str) -> str:
    """A file name with its image suffix in lower case, as ITK's writers require."""
    return strip_suffix(name) + suffix_of(name)


@contextlib.contextmanager
def unpacked(path: pathlib.Path) -> Iterator[Union[BinaryIO, gzip.GzipFile]]:
    """Opens a file for reading, decompressing gzip whatever the file's name is.

    Reading raises OSError, EOFError or zlib.error if the file is damaged.
    """
    with path.open("rb") as file:
        packed = file.read(2) == _GZIP
        file.seek(0)
        with gzip.open(file, "rb") if packed else file as content:
            yield content


def head_of(path: pathlib.Path) -> bytes:
    """The first bytes of a file, uncompressed; as many as can be read."""
    head = b""
    try:
        with unpacked(path) as content:
            for chunk in iter(lambda: content.read(_HEAD // 8), b""):
                head += chunk
                if len(head) >= _HEAD:
                    break
    except (OSError, EOFError, zlib.error):
        pass  # Reported when the whole file is read.
    return head


def kind_of(path: pathlib.Path) -> Kind:
    """Recognises the format of a file by its first bytes.

    Raises:
      UserError: they are of an unsupported format; the message names it and the cure.
    """
    head = head_of(path)
    with path.open("rb") as file:
        is_packed = file.read(2) == _GZIP
    start = head.lstrip().lower()
    for sign, what, cure in _FOREIGN:
        if head.startswith(sign) or (sign[:1] == b"<" and start.startswith(sign)):
            raise errors.UserError(f"Cannot read {path} (it is {what}): {cure}.")
    if head[_DICOM_AT : _DICOM_AT + 4] == _DICOM:
        raise errors.UserError(
            f"Cannot read {path} (it is DICOM): convert it first, for example with "
            "dcm2niix."
        )
    if os.path.getsize(path) == 0:
        raise errors.UserError(
            f"Cannot read {path} (it is empty): copy or download it again."
        )
    lengths = {int.from_bytes(head[:4], order) for order in ("little", "big")}
    if lengths & {LENGTH, LENGTH_2}:
        if head[344:348] == b"ni1\0":
            raise errors.UserError(
                f"Cannot read {path} (its voxels are in a separate .img file): "
                "convert both to one .nii.gz first."
            )
        return Kind(NIFTI, is_packed, LENGTH_2 in lengths)
    reader = ""
    if head.startswith(b"NRRD000"):
        reader = NRRD
    elif _META_START.match(head) and b"NDims" in head:
        reader = META
    if reader and is_packed:
        raise errors.UserError(
            f"Cannot read {path} (compressed with gzip, but not NIfTI): unpack it "
            "first."
        )
    return Kind(reader, is_packed)


def lacks_spacing(path: pathlib.Path) -> bool:
    """Whether a NRRD or MetaImage header has no voxel size; ITK then assumes 1 mm.

    Raises:
      UserError: as `kind_of`.
    """
    if is_dicom(path):
        return False  # DICOM images without a pixel size never become slices.
    said = _SPACING.get(kind_of(path).reader)
    return said is not None and not said.search(head_of(path))


@contextlib.contextmanager
def readable(path: pathlib.Path) -> Iterator[tuple[pathlib.Path, str]]:
    """Yields a path with the same content that ITK can read, and the reader's name.

    The path is nearly always `path` itself. Only ITK's NIfTI reader depends on the file
    name, and it reads NIfTI-1 only.

    Raises:
      UserError: as `kind_of`, or a NIfTI-2 file that NIfTI-1 cannot hold.
    """
    kind = kind_of(path)
    suffix = ".nii.gz" if kind.is_packed else ".nii"
    fits = path.name.endswith(NIFTI_SUFFIXES if suffix == ".nii" else suffix)
    if kind.reader != NIFTI or (fits and not kind.is_nifti_2):
        yield path, kind.reader
        return
    with tempfile.TemporaryDirectory(prefix="dscl-") as folder:
        named = pathlib.Path(folder) / f"image{suffix}"
        if kind.is_nifti_2:
            named = named.with_name("image.nii")
            _write_as_nifti_1(path, named)
        else:
            named.symlink_to(path.absolute())
        yield named, kind.reader


def _write_as_nifti_1(path: pathlib.Path, target: pathlib.Path) -> None:
    """Writes a NIfTI-2 file with the header of NIfTI-1; the voxels are the same."""
    try:
        with unpacked(path) as content, target.open("wb") as file:
            head = content.read(LENGTH_2)
            order = "<" if int.from_bytes(head[:4], "little") == LENGTH_2 else ">"
            before = nibabel.Nifti2Header(head, order, check=False)
            content.read(int(before["vox_offset"]) - LENGTH_2)
            file.write(_nifti_1_header(before).ljust(LENGTH + 4, b"\0"))
            shutil.copyfileobj(content, file)
    except (OSError, EOFError, zlib.error, ValueError, OverflowError) as error:
        raise errors.UserError(
            f"Cannot read {path} (NIfTI-2, {error}): convert it to NIfTI-1 first."
        ) from None


def _nifti_1_header(before: nibabel.Nifti2Header) -> bytes:
    after = nibabel.Nifti1Header(endianness=before.endianness, check=False)
    if int(np.max(before["dim"])) > np.iinfo(np.int16).max:
        raise ValueError(f"field dim: found {before['dim'].tolist()}")
    for name in set(after.keys()) & set(before.keys()):
        after[name] = before[name]
    after["sizeof_hdr"], after["magic"] = LENGTH, b"n+1"
    after["vox_offset"] = LENGTH + 4
    return after.binaryblock
