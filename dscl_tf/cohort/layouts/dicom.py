"""Folders of DICOM series, and optionally a folder of labels named like the cases."""

import collections
import logging
import pathlib
from collections.abc import Iterable, Iterator

from dscl_tf.cohort import dicom_series, formats
from dscl_tf.cohort.cases import Case, Dataset, Request
from dscl_tf.cohort.dicom_series import Listing, Series
from dscl_tf.cohort.layouts import folder as folders
from dscl_tf.cohort.layouts import listing
from dscl_tf.cohort.problems import ERROR, WARNING, Problem

EXPECTED = (
    "dicom: series of DICOM files, in the folder itself or in folders below it; "
    "--labels=DIR names one of label volumes of the cases' names"
)
OTHERS = None
_LOG = logging.getLogger(__name__)


def recognise(folder: pathlib.Path) -> str:
    """Why a folder is a DICOM dataset, or ""."""
    for each in _tree(folder):
        for path in listing.visible(each):
            if formats.is_dicom(path):
                return f"it has DICOM files such as {path.relative_to(folder)}"
    return ""


def is_part(folder: pathlib.Path) -> bool:
    """Always False: any folder with DICOM files is a dataset by itself."""
    return False


def read(root: pathlib.Path, request: Request, why: str) -> Dataset:
    """The series of a folder and all below it; the series of a patient are one subject.

    Raises:
      UserError: labels are given, but none fits a case.
    """
    labels = request.labels or listing.default_labels(root)
    series, faults = find(root)
    names = {each.name for each in series}
    labelled = folders.labels_by_name(root, labels, names)
    faults += [
        listing.label_without_image(name, path, f"a DICOM series called {name}")
        for name, path in sorted(labelled.items())
        if name not in names
    ]
    subjects = _subjects(series)
    cases = tuple(
        Case(each.name, subjects[each.patient], each.path, labelled.get(each.name))
        for each in series
        if not each.fault
    )
    told = {"why": why, "faults": tuple(faults), "labels": labels}
    return Dataset("dicom", root, cases, None, **told)


def find(root: pathlib.Path) -> tuple[list[Series], list[Problem]]:
    """The series of a folder and all below it, and what is wrong with them.

    Args:
      root: the folder.

    Returns:
      Series sorted by name, also those that form no volume; and rows of the check.

    Raises:
      UserError: a folder cannot be read.
    """
    listed = [dicom_series.list_folder(each) for each in _tree(root)]
    series = [each for found in listed for each in found.series]
    series.sort(key=lambda each: (each.name, str(each.path)))
    _log_left_out(root, listed)
    faults = [fault for each in series for fault in _faults(each)]
    faults += _damaged(listed)
    faults += _divided(series)
    for each in series:
        if not each.fault:
            text = "%s is series %s, %d slices, of %s."
            _LOG.info(text, each.name, each.number or "?", each.size[2], each.path)
    return series, faults


def left_out(root: pathlib.Path) -> list[Problem]:
    """A warning if there are DICOM files in or below a folder of other volumes."""
    why = recognise(root)
    if not why:
        return []
    found = why.removeprefix("it has ")
    cure = "they are left out: --format=dicom uses them instead of the volumes, "
    cure += "--format=folder uses only the volumes"
    where = "", str(root), "folder"
    return [Problem(WARNING, *where, found, "only volumes", cure)]


def _tree(root: pathlib.Path) -> Iterator[pathlib.Path]:
    """A folder and all below it, following links, each once."""
    seen, waiting = set(), [root]
    while waiting:
        folder = waiting.pop(0)
        real = folder.resolve()
        if real in seen:
            continue
        seen.add(real)
        yield folder
        waiting += listing.folders(folder)


def _log_left_out(root: pathlib.Path, listed: Iterable[Listing]) -> None:
    others = sum(found.others for found in listed)
    placeless = sum(found.placeless for found in listed)
    if others:
        _LOG.info(
            "%s: %d DICOM objects that are not images of slices, such as reports and "
            "segmentations, are left out.",
            root,
            others,
        )
    if placeless:
        _LOG.warning(
            "%s: %d DICOM images in colour or without a position in space are left "
            "out.",
            root,
            placeless,
        )


def _faults(series: Series) -> Iterator[Problem]:
    where = series.name, str(series.path)
    if series.fault:
        yield Problem(ERROR, *where, *series.fault)
    for warning in series.warnings:
        yield Problem(WARNING, *where, *warning)


def _damaged(listed: Iterable[Listing]) -> list[Problem]:
    """An error for each folder with damaged files that belong to no readable series."""
    cure = "copy them again, or move them elsewhere if they are not needed"
    rows = []
    for found in listed:
        if found.damaged:
            path = found.damaged[0]
            what = f"{len(found.damaged)} DICOM images that cannot be read"
            where = path.name, str(path), "file"
            found = f"this one, of {what}"
            rows.append(Problem(ERROR, *where, found, "slices", cure))
    return rows


def _divided(series: Iterable[Series]) -> Iterator[Problem]:
    """Errors for series whose slices are spread over several folders."""
    same: dict[str, list[Series]] = collections.defaultdict(list)
    for each in series:
        # A multi-frame file is a volume by itself.
        if each.slices and each.slices[0].frame is None:
            same[each.series_uid].append(each)
    for several in same.values():
        for each, other in zip(several, several[1:] + several[:1]):
            if each is not other:
                found = f"slices of the series in {other.path.parent}, too"
                cure = "put all files of a series into one folder, each once"
                where = each.name, str(each.path), "folder"
                yield Problem(ERROR, *where, found, "all slices in one folder", cure)


def _subjects(series: Iterable[Series]) -> dict[str, str]:
    """Names each patient after a series, so that the name does not identify them."""
    named: dict[str, list[str]] = collections.defaultdict(list)
    for each in series:
        named[each.patient].append(each.name)
    if len(named) == 1 and len(next(iter(named.values()))) > 1:
        _LOG.warning(
            "All series have the same Patient ID, so they count as one subject, "
            "which cannot be divided into training and test. If they are of several "
            "people, give each person an ID, or leave all IDs empty: then each study "
            "is a subject."
        )
    return {patient: min(names) for patient, names in named.items()}
