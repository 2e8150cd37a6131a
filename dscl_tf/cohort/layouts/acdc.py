"""ACDC: patientNNN folders with Info.cfg, at the root or below it."""

import pathlib
import re
from collections.abc import Iterator

from dscl_tf import errors
from dscl_tf.cohort import volumes
from dscl_tf.cohort.cases import Case, Dataset, Request
from dscl_tf.cohort.layouts import listing
from dscl_tf.cohort.problems import ERROR, Problem

EXPECTED = (
    "acdc: folders patientNNN with an Info.cfg, in the folder itself or in training/, "
    "testing/ or database/ (ACDC)"
)
LABELS = ("background", "RV", "MYO", "LV")
FRAMES = ("ED", "ES", "both", "all")
_INFO = "Info.cfg"
_PATIENT = re.compile(r"patient\d+", re.ASCII)
OTHERS = re.compile(r"patient\d+_(4d|frame\d+(_gt)?)\.nii(\.gz)?")  # Other frames.
_MAX_FRAME = 9999
_MAX_INFO = 2**16  # At most this many characters of Info.cfg are read; usual are 80.
_LEVELS = ("", "training", "testing")


def recognise(folder: pathlib.Path) -> str:
    """Why a folder is ACDC, or ""."""
    first = next(_patients(folder), None)
    return f"it has folders of patients such as {first.name}/{_INFO}" if first else ""


def is_part(folder: pathlib.Path) -> bool:
    """Whether a folder is that of a single patient."""
    return (folder / _INFO).is_file()


def read(root: pathlib.Path, request: Request, why: str) -> Dataset:
    """The requested frames of all patients.

    Raises:
      UserError: a patient occurs twice.
    """
    patients = sorted(_patients(root), key=lambda folder: folder.name)
    for first, second in zip(patients, patients[1:]):
        if first.name == second.name:
            raise errors.UserError(
                f"{first} and {second} both exist: give the folder of one of them as "
                "--source."
            )
    cases, faults = [], []
    for patient in patients:
        try:
            cases += _cases(patient, request.acdc_frames)
        except errors.UserError as error:
            faults.append(_fault(patient, str(error)))
    faults += [
        _fault(folder, f"{folder / _INFO}: there is none") for folder in _nameless(root)
    ]
    return Dataset("acdc", root, tuple(cases), LABELS, why=why, faults=tuple(faults))


def _fault(patient: pathlib.Path, error: str) -> Problem:
    """The problem that keeps a patient from having cases."""
    found = error.rstrip(".").replace(f"{patient}/", "")
    expected, cure = "Info.cfg and its frames", "download the patient again"
    where = patient.name, str(patient), "files"
    return Problem(ERROR, *where, found, expected, cure)


def _patients(root: pathlib.Path) -> Iterator[pathlib.Path]:
    for folder in _folders(root):
        if (folder / _INFO).is_file():
            yield folder


def _nameless(root: pathlib.Path) -> Iterator[pathlib.Path]:
    """Folders named like patients, but without Info.cfg."""
    for folder in _folders(root):
        if _PATIENT.fullmatch(folder.name) and not (folder / _INFO).is_file():
            yield folder


def _folders(root: pathlib.Path) -> Iterator[pathlib.Path]:
    for base in (root, root / "database"):
        for level in _LEVELS:
            yield from listing.folders(base / level)


def _cases(patient: pathlib.Path, frames: str) -> list[Case]:
    wanted = (frames,) if frames in ("ED", "ES") else ("ED", "ES")
    numbers = {key: _frame_number(patient / _INFO, key) for key in wanted}
    if len(set(numbers.values())) < len(numbers):
        raise errors.UserError(
            f"{patient / _INFO}: ED and ES are both frame {numbers['ED']}; correct "
            "them, or take one (--acdc_frames=ED)."
        )
    cases = [_frame(patient, key, number) for key, number in numbers.items()]
    if frames == "all":
        cases += _other_frames(patient, set(numbers.values()))
    return cases


def _frame(patient: pathlib.Path, key: str, number: int) -> Case:
    name = f"{patient.name}_frame{number:02d}"
    image = listing.with_suffix(patient, name)
    if image is None:
        raise errors.UserError(
            f"{patient / _INFO}: {key} is frame {number}, but there is no "
            f"{name}.nii.gz beside it."
        )
    label = listing.with_suffix(patient, f"{name}_gt")
    return Case(name, patient.name, image, label, key)


def _other_frames(patient: pathlib.Path, taken: set[int]) -> list[Case]:
    """The frames of the 4-D file except those in `taken`; they are unlabelled."""
    path = listing.with_suffix(patient, f"{patient.name}_4d")
    if path is None:
        raise errors.UserError(
            f"{patient}: --acdc_frames=all uses the frames of "
            f"{patient.name}_4d.nii.gz, which does not exist; use fewer "
            "(--acdc_frames=both)."
        )
    size = volumes.read_header(path).GetSize()
    if len(size) != 4 or not max(taken) <= size[3] <= _MAX_FRAME:
        raise errors.UserError(
            f"{path}: found the size {'x'.join(map(str, size))}, expected four axes "
            f"with {max(taken)} (see {_INFO}) to {_MAX_FRAME} frames."
        )
    return [
        Case(
            f"{patient.name}_frame{number:02d}",
            patient.name,
            path,
            None,
            fourth=number - 1,
        )
        for number in range(1, size[3] + 1)
        if number not in taken
    ]


def _frame_number(path: pathlib.Path, key: str) -> int:
    """A frame number from Info.cfg, since file names do not tell ED from ES."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            lines = file.read(_MAX_INFO).splitlines()
    except OSError as error:
        raise errors.UserError(f"Cannot read {path}: {error.strerror}.") from None
    pairs = (line.split(":", 1) for line in lines if ":" in line)
    value = {name.strip(): text.strip() for name, text in pairs}.get(key, "")
    if not (
        value.isdecimal() and value.isascii() and 1 <= int(value[:5]) <= _MAX_FRAME
    ):
        raise errors.UserError(
            f"{path}: field {key} must be a frame number from 1, found {value!r:.80}."
        )
    return int(value)
