"""Locates the voxels of NRRD and MetaImage files by their text headers.

It serves to check compressed voxels, since ITK reads damaged ones without an error: it
does not verify checksums, and for MetaImage not even whether decompression succeeded.
"""

import gzip
import pathlib
import zlib
from typing import BinaryIO, NamedTuple, Optional

from dscl_tf import errors, files
from dscl_tf.cohort import formats

_CHUNK = 2**16  # Compressed bytes.
_ZLIB_OR_GZIP = 32 + zlib.MAX_WBITS  # MetaImage's own reader accepts both, too.
_LONGEST_LINE = 2**16
_MOST = 2**40  # Bytes or lines. A damaged header may state more than `seek` accepts.
_HERE = b"local"
_LAST = b"elementdatafile"  # The field that ends the header of a MetaImage.


class VoxelFile(NamedTuple):
    """The file of the voxels: the image file itself, or another one beside it."""

    path: pathlib.Path
    start: int  # Offset of the stored voxels, in bytes.
    skipped: int  # Bytes to skip before the voxels once they are decompressed.
    packing: str  # "zlib" or "gzip"; "" if the voxels are not compressed.


def of(path: pathlib.Path) -> Optional[VoxelFile]:
    """Where the voxels of an image file are; None: in several files, or unknown.

    Raises:
      UserError: as `formats.kind_of`.
      OSError: a file cannot be read.
    """
    reader = formats.kind_of(path).reader
    if reader not in (formats.NRRD, formats.META):
        return None
    with path.open("rb") as file:
        fields = _fields(file, b":" if reader == formats.NRRD else b"=")
        after_header = file.tell()
    name = fields.get(_LAST) or fields.get(b"data file") or fields.get(b"datafile", b"")
    if b"%" in name or b"\0" in name or name.lower().startswith(b"list"):
        return None
    is_here = name.lower() in (b"", _HERE)
    data = path if is_here else path.parent / name.decode("utf-8", "surrogateescape")
    start = after_header if is_here else 0
    if reader == formats.META:
        start += _number(fields, b"headersize")
        is_packed = fields.get(b"compresseddata", b"")[:1] in (b"T", b"t", b"1")
        return VoxelFile(data, start, 0, "zlib" if is_packed else "")
    with data.open("rb") as file:
        file.seek(start)
        for _ in range(_number(fields, b"line skip")):
            if not file.readline():
                break
        start = file.tell()
    is_packed = fields.get(b"encoding") in (b"gzip", b"gz")
    skipped = _number(fields, b"byte skip")
    return VoxelFile(data, start, skipped, "gzip" if is_packed else "")


def paths(image: pathlib.Path) -> tuple[pathlib.Path, ...]:
    """The image file, and the file of its voxels if that is a different one.

    Raises:
      OSError: a file cannot be read.
    """
    if image.name.endswith(formats.NIFTI_SUFFIXES):
        return (image,)  # It holds its voxels: thousands of files need not be opened.
    try:
        voxels = of(image)
    except errors.UserError:  # The check reports what is wrong.
        return (image,)
    return tuple(dict.fromkeys((image, voxels.path))) if voxels else (image,)


def unpacked_length(voxels: VoxelFile) -> int:
    """Number of bytes of compressed voxels once decompressed; verifies the checksum.

    Raises:
      OSError, EOFError, zlib.error: the voxels are damaged.
    """
    files.require_utf8([voxels.path])
    with voxels.path.open("rb") as file:
        file.seek(voxels.start)
        if voxels.packing == "zlib":
            return _inflated_length(file)
        with gzip.open(file, "rb") as content:
            chunks = iter(lambda: content.read(_CHUNK), b"")
            return sum(map(len, chunks)) - voxels.skipped


def _inflated_length(file: BinaryIO) -> int:
    unpack = zlib.decompressobj(_ZLIB_OR_GZIP)
    length = 0
    while not unpack.eof:
        chunk = file.read(_CHUNK)
        if not chunk:
            raise EOFError("Compressed voxels ended before their end was reached")
        length += len(unpack.decompress(chunk))
    return length


def _fields(file: BinaryIO, separator: bytes) -> dict[bytes, bytes]:
    """Reads the fields of a header, with names in lower case, up to the header's end.

    A NRRD header ends with an empty line, a MetaImage header with the field that names
    the file of the voxels.
    """
    fields: dict[bytes, bytes] = {}
    for line in iter(lambda: file.readline(_LONGEST_LINE), b""):
        name, found, value = line.partition(separator)
        name = name.strip().lower()
        if not line.strip() and separator == b":":
            break
        if found and value[:1] != b"=":  # NRRD has := for keys that users define.
            fields.setdefault(name, value.strip())
        if name == _LAST and found:
            break
    return fields


def _number(fields: dict[bytes, bytes], name: bytes) -> int:
    """A field that counts bytes or lines; 0 if missing, invalid, or negative.

    Negative is -1, which means that the voxels are the last bytes of the file.
    """
    try:
        return min(max(0, int(fields.get(name, b"0"))), _MOST)
    except ValueError:
        return 0
