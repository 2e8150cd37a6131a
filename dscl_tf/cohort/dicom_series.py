"""DICOM series as volumes, and why some series do not form one.

A series is identified by the path of its first slice; its other files are those of the
same series in the same folder.
"""

import dataclasses
import hashlib
import pathlib
import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple, Optional

import numpy as np
import SimpleITK as sitk

from dscl_tf import errors
from dscl_tf.cohort import dicom_files, dicom_stack
from dscl_tf.cohort.dicom_files import Found, Origin, Slice
from dscl_tf.cohort.dicom_stack import Finding

_HASH = 8  # Length of the hash of the UID in a case's name.
_SHORTEST = 3  # Shorter parts of a patient's name or ID are not searched for.
_REPLACED = "series"  # Stands for a folder name that tells who the patient is.
_UID = re.compile(r"\d+(\.\d+){3,}")


@dataclasses.dataclass(frozen=True)
class Series:
    """The volume that a series forms, or the fault that keeps it from forming one."""

    name: str  # Of its case and mask: without any part of the patient's name or ID.
    series_uid: str
    patient: str  # Identifies the patient; must not be written to files or logs.
    number: str  # Of the series in its study.
    path: pathlib.Path  # The file of the first slice.
    slices: tuple[Slice, ...] = ()  # Sorted by position.
    size: tuple[int, ...] = ()  # As SimpleITK orders it.
    spacing_mm: tuple[float, ...] = ()
    origin: tuple[float, ...] = ()
    direction: tuple[float, ...] = ()
    fault: Optional[Finding] = None  # Why it does not form a volume.
    warnings: tuple[Finding, ...] = ()

    @property
    def files(self) -> tuple[pathlib.Path, ...]:
        """The files of the slices, without duplicates."""
        return tuple(dict.fromkeys(each.path for each in self.slices))


class Listing(NamedTuple):
    """The DICOM files of a folder."""

    series: tuple[Series, ...]
    damaged: tuple[pathlib.Path, ...]  # Images that cannot be read.
    others: int  # Number of objects other than images.
    placeless: int  # Number of images in series without a single usable slice.


def list_folder(folder: pathlib.Path) -> Listing:
    """The series of a folder, without its subfolders, sorted by name.

    Raises:
      UserError: the folder cannot be read.
    """
    scanned = dicom_files.scan(folder)
    series = [_series(folder, found) for found in _with_slices(scanned)]
    series.sort(key=lambda each: each.name)
    placeless = sum(
        found.placeless
        for found in scanned.series
        if not found.slices and not found.fault
    )
    return Listing(tuple(series), tuple(scanned.damaged), scanned.others, placeless)


def _with_slices(scanned: dicom_files.Folder) -> Iterator[Found]:
    return (found for found in scanned.series if found.slices or found.fault)


def of(path: pathlib.Path) -> Series:
    """The series that a file is a slice of.

    Raises:
      UserError: it belongs to none; the message says why.
    """
    path = pathlib.Path(path)
    scanned = dicom_files.scan(path.parent)
    if path in scanned.damaged:
        raise errors.UserError(f"Cannot read {path} (DICOM, damaged): copy it again.")
    for found in _with_slices(scanned):
        if found.unread == path or any(each.path == path for each in found.slices):
            return _series(path.parent, found)
    raise errors.UserError(
        f"{path}: found DICOM that is not a slice (a report, a segmentation, or an "
        "image in colour or without a position in space), expected a slice of a CT, "
        "MR or PET series: name another file."
    )


def _series(folder: pathlib.Path, found: Found) -> Series:
    origin = found.origin
    identity = {
        "name": f"{_prefix(folder, origin)}_{_short(origin.uid)}",
        "series_uid": origin.series_uid,
        "patient": origin.patient,
        "number": origin.number,
    }
    if found.unread:
        reason = found.fault.removeprefix(f"{found.unread}: ").rstrip(".")
        fault = Finding("file", reason, "a readable volume", "see there")
        return Series(**identity, path=found.unread, fault=fault)
    stack = dicom_stack.of(found.slices)
    warnings = list(stack.warnings)
    if found.placeless:
        what = f"{found.placeless} images in colour or without a position in space"
        warnings.append(Finding("slices", what, "slices", "they are left out"))
    if found.inverted:
        what = f"MONOCHROME1 in {found.inverted} files (low values are bright)"
        cure = (
            "values are inverted, so Hounsfield units are lost: leave it out if it "
            "is CT"
        )
        warnings.append(Finding("photometric", what, "MONOCHROME2", cure))
    return Series(
        **identity,
        path=stack.slices[0].path,
        slices=stack.slices,
        size=(*stack.slices[0].size, len(stack.slices)),
        spacing_mm=stack.spacing_mm,
        origin=stack.slices[0].position_mm,
        direction=stack.direction,
        fault=stack.fault,
        warnings=tuple(warnings),
    )


def _short(uid: str) -> str:
    return hashlib.sha256(uid.encode()).hexdigest()[:_HASH]


def _prefix(folder: pathlib.Path, origin: Origin) -> str:
    """The folder's name, made safe for file names.

    _REPLACED if it contains a part of the patient's name or ID, or a UID, a date or a
    number of the series.
    """
    name = folder.absolute().name
    words = _words(name)
    joined = "".join(words)
    of_names = [_words(each) for each in origin.names]
    parts = [part for each in of_names for part in each]
    # As "LiWu" and "WuLi"; a UID or a date is searched for without its dots or dashes.
    whole = ["".join(each[::step]) for each in of_names for step in (1, -1)]
    whole += ["".join(_words(each)) for each in origin.others]
    is_within = any(len(p) >= _SHORTEST and p in joined for p in (*parts, *whole))
    is_word = any(part.isalpha() and len(part) > 1 and part in words for part in parts)
    if is_within or is_word or _UID.search(name):
        return _REPLACED
    return re.sub(r"[^A-Za-z0-9.-]+", "_", name).strip("._-") or _REPLACED


def _words(text: str) -> list[str]:
    """The words and numbers of a text in lower case, letters without accents."""
    plain = "".join(
        each
        for each in unicodedata.normalize("NFKD", text.casefold())
        if not unicodedata.combining(each)
    )
    return [word for word in re.split(r"[\W_]+", plain) if word]


def read(path: pathlib.Path) -> sitk.Image:
    """Reads the volume of the series that a file is a slice of.

    Returns:
      3-D float32 image; slices sorted by position along the normal of their planes.

    Raises:
      UserError: the series does not form a volume, or a file cannot be read.
    """
    series = checked(path)
    image = sitk.GetImageFromArray(np.stack(dicom_files.pixels(series.slices)))
    _lay(image, series)
    return image


def header(path: pathlib.Path) -> sitk.Image:
    """An empty image with the geometry that `read` would give.

    Raises:
      UserError: the series does not form a volume.
    """
    series = checked(path)
    image = sitk.Image(list(series.size), sitk.sitkUInt8)
    _lay(image, series)
    return image


def checked(path: pathlib.Path) -> Series:
    """The series that a file is a slice of; it must form a volume.

    Raises:
      UserError: it does not; the message says why, and the cure.
    """
    series = of(path)
    if series.fault:
        field, found, expected, cure = series.fault
        raise errors.UserError(
            f"{path}: {field}: found {found}, expected {expected}; {cure}."
        )
    return series


def _lay(image: sitk.Image, series: Series) -> None:
    image.SetSpacing(series.spacing_mm)
    image.SetOrigin(series.origin)
    image.SetDirection(series.direction)
