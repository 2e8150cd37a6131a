"""Groups the DICOM files of a folder into the slices of each series, by their headers.

GDCM, through SimpleITK, reads headers and pixels. It does not give the position of each
frame of a multi-frame file; pydicom does, and is needed for such files only.
"""

import collections
import dataclasses
import functools
import math
import pathlib
from collections.abc import Sequence
from typing import NamedTuple, Optional

import numpy as np
import SimpleITK as sitk

from dscl_tf import errors, files
from dscl_tf.cohort import dicom_frames, formats

READER = "GDCMImageIO"
_ROOT = "1.2.840.10008.5.1.4.1.1."
# SOP classes of CT, MR and PET with one frame and with many, of secondary captures, and
# of X-ray volumes.
_IMAGES = ("2", "2.1", "2.2", "4", "4.1", "4.4", "7", "13.1.1", "13.1.2", "13.1.3")
_IMAGES += ("128", "128.1", "130")
_START = 2**14  # Bytes at the start of a file that are searched for the next two tags.
_CLASS, _UID_OF_SERIES = b"\x02\x00\x02\x00UI", b"\x20\x00\x0e\x00UI"
_PATIENT, _PATIENT_NAME, _STUDY = "0010|0020", "0010|0010", "0020|000d"
_SERIES, _INSTANCE, _TYPE = "0020|000e", "0008|0018", "0008|0008"
_PHOTOMETRIC = "0028|0004"
_NUMBER, _THICKNESS = "0020|0011", ("0018|0088", "0018|0050")
_FRAMES = "0028|0008"
# UIDs of study, series, object and frame of reference; dates of birth, study, series,
# acquisition and content; accession number and study ID. Folders are named by them.
_IDENTIFYING = (_STUDY, _SERIES, _INSTANCE, "0020|0052", "0010|0030", "0008|0020")
_IDENTIFYING += ("0008|0021", "0008|0022", "0008|0023", "0008|0050", "0020|0010")
_POSITION, _AXES, _PIXEL_MM = "0020|0032", "0020|0037", "0028|0030"
# Fields that may distinguish slices at the same position. None identifies the patient.
_MARKS = {
    "0018|0081": "echo time",
    "0018|9087": "b-value",
    "0018|1060": "trigger time",
    "0020|0100": "temporal position",
    "0020|0012": "acquisition",
    _TYPE: "image type",
}


class Slice(NamedTuple):
    """A slice of a volume: a file, or one frame of it."""

    path: pathlib.Path
    frame: Optional[int]  # From 0; None: the file has one image.
    position_mm: tuple[float, ...]  # Centre of the first pixel: x, y, z.
    axes: tuple[float, ...]  # Direction cosines along a row, then down a column.
    spacing_mm: tuple[float, ...]  # Between columns, rows, slices (from the header).
    size: tuple[int, int]  # Columns, rows.
    # Names and values of the fields that may distinguish slices at the same position.
    marks: tuple[tuple[str, str], ...] = ()
    scale: tuple[float, float] = (1.0, 0.0)  # Slope, intercept; used for frames only.


@dataclasses.dataclass(frozen=True)
class Origin:
    """The series and patient of a file.

    To protect the patient, only hashes of the UIDs and `number` may be written to files
    or logs.
    """

    uid: str  # Series UID; for a multi-frame file, the UID of the object.
    series_uid: str
    patient: str  # Identifies the patient: ID, else the UID of the study or series.
    names: tuple[str, ...]  # ID and name of the patient, as far as the file has them.
    number: str = ""  # Number of the series in its study.
    others: tuple[str, ...] = ()  # UIDs, dates and numbers that tell who it is, too.


@dataclasses.dataclass
class Found:
    """The slices of a series in a folder."""

    origin: Origin
    slices: list[Slice]
    placeless: int = 0  # Images that have no position in space or are in colour.
    inverted: int = 0  # Files that GDCM inverts (MONOCHROME1: low values are bright).
    unread: Optional[pathlib.Path] = None  # A file of the series that cannot be read.
    fault: str = ""  # Why it cannot be read.


class Folder(NamedTuple):
    """The DICOM files of a folder, without its subfolders."""

    series: Sequence[Found]
    damaged: Sequence[pathlib.Path]  # Images that cannot be read.
    others: int  # Number of objects other than images: reports, segmentations.


def scan(folder: pathlib.Path) -> Folder:
    """Lists the DICOM files of a folder; cached until the folder changes.

    Raises:
      UserError: the folder cannot be read.
    """
    try:
        changed_ns = folder.stat().st_mtime_ns
    except OSError as error:
        raise errors.UserError(f"Cannot list {folder}: {error.strerror}.") from None
    return _scan(folder, changed_ns)


@functools.lru_cache(maxsize=256)
def _scan(folder: pathlib.Path, _: int) -> Folder:
    series: dict[str, Found] = {}
    # For each damaged file: the UID of its series, if known, and what is wrong.
    damaged: dict[pathlib.Path, tuple[Optional[str], str]] = {}
    others = 0
    for path in sorted(folder.iterdir()):
        if path.name[0] == "." or not formats.is_dicom(path):
            continue
        files.require_utf8([path])  # For other names ITK aborts the process.
        try:
            is_image = _is_image(path)
        except OSError:
            damaged[path] = None, "cannot be opened: check its permissions"
            continue
        reader = _header(path) if is_image else None
        if reader is not None:
            _add(series, path, reader)
        elif is_image and formats.has_dicom_sign(path):
            damaged[path] = _uid(path, _UID_OF_SERIES), "is damaged: copy it again"
        else:
            others += 1
    lost = [path for path, told in damaged.items() if not _blame(series, path, *told)]
    return Folder(tuple(series.values()), tuple(lost), others)


def _blame(
    series: dict[str, Found], path: pathlib.Path, uid: Optional[str], fault: str
) -> bool:
    """Records a damaged file as the fault of its series.

    A file whose series is unknown may belong to any series, so all of them get it.

    Returns:
      Whether there is such a series with readable files.
    """
    for found in series.values():
        if uid is None or found.origin.series_uid == uid:
            found.unread = path
            found.fault = f"{path}: DICOM that {fault}."
    return any(found.unread == path for found in series.values())


def _is_image(path: pathlib.Path) -> bool:
    """Whether the object is of an image class, or does not state its class."""
    uid = _uid(path, _CLASS)
    return uid is None or (uid.startswith(_ROOT) and uid[len(_ROOT) :] in _IMAGES)


def _uid(path: pathlib.Path, tag: bytes) -> Optional[str]:
    """The UID after a tag near the start of a file, or None.

    The bytes are searched, so it works for files that GDCM cannot read, too.
    """
    with path.open("rb") as file:
        _, found, after = file.read(_START).partition(tag)
    if not found:
        return None
    length = int.from_bytes(after[:2], "little")
    return after[2 : 2 + length].rstrip(b"\0 ").decode("ascii", "replace")


def _header(path: pathlib.Path) -> Optional[sitk.ImageFileReader]:
    """A reader that has read the header, or None if it cannot be read."""
    reader = sitk.ImageFileReader()
    reader.SetImageIO(READER)
    reader.SetFileName(str(path))
    reader.SetOutputPixelType(sitk.sitkFloat32)
    try:
        reader.ReadImageInformation()
    except RuntimeError:
        return None
    return reader


def _add(series: dict[str, Found], path: pathlib.Path, reader) -> None:
    """Adds the slices of a file to those of its series."""
    has_frames = reader.HasMetaDataKey(_FRAMES) and not _text(reader, _POSITION)
    origin = _origin(reader, has_frames)
    found = series.setdefault(origin.uid, Found(origin, []))
    found.inverted += _text(reader, _PHOTOMETRIC) == "MONOCHROME1"
    if reader.GetNumberOfComponents() != 1:
        found.placeless += 1
        return
    slices = []
    try:
        if has_frames:
            slices = [Slice(path, *frame) for frame in dicom_frames.read(path)]
        elif (count := _numbers(reader, _FRAMES, 1)) and count[0] > 1:
            raise errors.UserError(
                f"{path}: {count[0]:.0f} frames with one position for all: export them "
                "as single slices, or as an enhanced object."
            )
        elif (only := _only_slice(path, reader)) is not None:
            slices = [only]
        slices = [each for each in slices if _has_place(each)]
    except errors.UserError as error:
        found.unread, found.fault = path, str(error)
    found.slices += slices
    found.placeless += not slices


def _origin(reader, has_frames: bool) -> Origin:
    series, instance = _text(reader, _SERIES), _text(reader, _INSTANCE)
    patient = _text(reader, _PATIENT)
    names = tuple(name for name in (patient, _text(reader, _PATIENT_NAME)) if name)
    patient = patient or _text(reader, _STUDY) or series
    uid, number = instance if has_frames else series, _text(reader, _NUMBER)
    others = tuple(filter(None, (_text(reader, key) for key in _IDENTIFYING)))
    return Origin(uid, series, patient, names, number, others)


def _only_slice(path: pathlib.Path, reader) -> Optional[Slice]:
    """The slice in a single-frame file; None if it does not state its position."""
    position, axes = _numbers(reader, _POSITION, 3), _numbers(reader, _AXES, 6)
    if not position or not axes or not _numbers(reader, _PIXEL_MM, 2):
        return None
    marks = tuple((words, _text(reader, key)) for key, words in _MARKS.items())
    # The stated thickness is used if the series has this slice only.
    said = (_numbers(reader, key, 1) for key in _THICKNESS)
    thickness = next((mm for mm, *_ in filter(None, said) if mm > 0), 1.0)
    spacing_mm = (*reader.GetSpacing()[:2], thickness)
    return Slice(path, None, position, axes, spacing_mm, reader.GetSize()[:2], marks)


def _has_place(each: Slice) -> bool:
    """Whether geometry and scale are complete and finite, with pixel sizes above 0."""
    numbers = (*each.position_mm, *each.axes, *each.spacing_mm, *each.scale)
    return (
        len(numbers) == 14  # Position 3, axes 6, spacing 3, scale 2.
        and all(map(math.isfinite, numbers))
        and min(each.spacing_mm[:2]) > 0
    )


def _text(reader, key: str) -> str:
    """A field as text, whatever its bytes are; "" if it is missing."""
    if not reader.HasMetaDataKey(key):
        return ""
    raw = reader.GetMetaData(key).encode("utf-8", "surrogateescape")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")  # DICOM's most common character set after UTF-8.
    return text.strip(" \0")


def _numbers(reader, key: str, count: int) -> tuple[float, ...]:
    """The numbers of a field; empty unless there are exactly `count`."""
    try:
        values = tuple(map(float, _text(reader, key).split("\\")))
    except ValueError:
        return ()
    return values if len(values) == count else ()


def pixels(slices: Sequence[Slice]) -> list[np.ndarray]:
    """Reads slices, rescaled as their headers say: each float32 [rows, columns].

    Raises:
      UserError: a file cannot be read; the message names it.
    """
    counts = collections.Counter(each.path for each in slices)
    read: dict[pathlib.Path, sitk.Image] = {}
    values = []
    for each in slices:
        image = read.get(each.path) or _image(each.path)
        if counts[each.path] > 1:
            read[each.path] = image
        array = sitk.GetArrayViewFromImage(image)
        if each.frame is None:
            values.append(array.reshape(array.shape[-2:]).copy())
        else:
            first = dicom_frames.first_scale(each.path)
            values.append(dicom_frames.rescale(array[each.frame], first, each.scale))
    return values


def _image(path: pathlib.Path) -> sitk.Image:
    reader = _header(path)
    try:
        if reader is not None:
            return reader.Execute()
    except RuntimeError:
        pass
    raise errors.UserError(
        f"Cannot read {path} (DICOM whose pixels GDCM cannot decode): copy it again, "
        "or decompress it first."
    )
