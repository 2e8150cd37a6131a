"""Datasets as people download them: where the cases of each layout are.

One function a layout; each returns the cases it finds and reads no voxels.
"""

import pathlib
from collections.abc import Iterator
from typing import Callable, Optional

from dscl_tf import errors
from dscl_tf.cohort import volumes
from dscl_tf.cohort.cases import Case, Dataset, Request

__all__ = ["FORMATS", "Case", "Dataset", "Request", "find"]

FORMATS = ("acdc", "folder")
ACDC_LABELS = ("background", "RV", "MYO", "LV")


def find(request: Request, layout: str = "auto") -> Dataset:
    """Finds the cases of a dataset.

    Args:
      request: where to look.
      layout: one of FORMATS, or "auto".

    Raises:
      UserError: no such folder, no layout that fits, or no cases.
    """
    source = request.source
    if not source.is_dir():
        what = "is a file" if source.exists() else "does not exist"
        raise errors.UserError(
            f"--source={source} {what}; expected the folder of a dataset."
        )
    readers: dict[str, Callable[[Request], Dataset]] = {
        "acdc": _acdc,
        "folder": _folder,
    }
    if layout == "auto":
        layout = "acdc" if _acdc_patients(source) else "folder"
    return readers[layout](request)


def _acdc(request: Request) -> Dataset:
    """ACDC: patientNNN folders with Info.cfg, at the root or below it."""
    patients = _acdc_patients(request.source)
    if not patients:
        raise errors.UserError(
            f"--source={request.source} is not in the ACDC layout: expected folders "
            "patientNNN with an Info.cfg, here or in training/, testing/ or database/."
        )
    if request.labels:
        raise errors.UserError(
            f"--labels={request.labels}: ACDC labels are read from beside the images; "
            "leave --labels out, or say --format=folder."
        )
    wanted = ("ED", "ES") if request.acdc_frames == "both" else (request.acdc_frames,)
    cases = tuple(
        _acdc_case(patient, frame) for patient in patients for frame in wanted
    )
    return Dataset("acdc", request.source, cases, ACDC_LABELS)


def _acdc_patients(source: pathlib.Path) -> list[pathlib.Path]:
    """Patient folders at the usual depths, by name."""
    levels = (
        "",
        "training",
        "testing",
        "database",
        "database/training",
        "database/testing",
    )
    found = [
        folder
        for level in levels
        for folder in _visible(source / level)
        if folder.is_dir() and (folder / "Info.cfg").is_file()
    ]
    found.sort(key=lambda folder: folder.name)
    for first, second in zip(found, found[1:]):
        if first.name == second.name:
            raise errors.UserError(
                f"{first} and {second} are both there: name the folder of one of them "
                "as --source."
            )
    return found


def _acdc_case(patient: pathlib.Path, frame: str) -> Case:
    number = _acdc_frame_number(patient / "Info.cfg", frame)
    name = f"{patient.name}_frame{number:02d}"
    image = _with_suffix(patient, name)
    if image is None:
        raise errors.UserError(
            f"{patient / 'Info.cfg'}: {frame} is frame {number}, but there is no "
            f"{name}.nii.gz beside it."
        )
    return Case(name, patient.name, image, _with_suffix(patient, f"{name}_gt"), frame)


def _acdc_frame_number(path: pathlib.Path, key: str) -> int:
    """A frame number of Info.cfg; file names do not tell which is ED or ES."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise errors.UserError(f"Cannot read {path}: {error.strerror}.") from None
    pairs = (line.split(":", 1) for line in lines if ":" in line)
    value = {name.strip(): text.strip() for name, text in pairs}.get(key, "")
    if not value.isdecimal() or not 1 <= int(value) <= 9999:
        raise errors.UserError(
            f"{path}: field {key} must be a frame number from 1, found {value!r}."
        )
    return int(value)


def _folder(request: Request) -> Dataset:
    """A plain folder of volumes, and optionally one of labels of the same names."""
    images = _images_by_name(request.source)
    if not images:
        here = sorted(path.name for path in _visible(request.source))[:8]
        raise errors.UserError(
            f"--source={request.source}: no images ({', '.join(volumes.IMAGE_SUFFIXES)}"
            f") and no ACDC patients there; found {', '.join(here) or 'nothing'}. Name "
            "the folder that holds them."
        )
    labels = _labels_by_name(request, images) if request.labels else {}
    cases = tuple(
        Case(name, name, image, labels.get(name))
        for name, image in sorted(images.items())
    )
    return Dataset("folder", request.source, cases, None)


def _labels_by_name(request: Request, images: dict) -> dict:
    if not request.labels.is_dir():
        raise errors.UserError(f"--labels={request.labels} is not a folder.")
    labels = _images_by_name(request.labels)
    strangers = sorted(set(labels) - set(images))
    if strangers or not labels:
        raise errors.UserError(
            f"--labels={request.labels}: each label needs an image of the same name in "
            f"{request.source}; found without one: {', '.join(strangers[:5]) or '-'} "
            f"({len(labels)} labels in all)."
        )
    return labels


def _images_by_name(folder: pathlib.Path) -> dict[str, pathlib.Path]:
    found: dict[str, pathlib.Path] = {}
    for path in _visible(folder):
        if not volumes.has_image_suffix(path.name) or not path.is_file():
            continue
        name = volumes.strip_suffix(path.name)
        if name in found:
            raise errors.UserError(
                f"{folder} has two volumes called {name!r}: {found[name].name} and "
                f"{path.name}; keep one."
            )
        found[name] = path
    return found


def _visible(folder: pathlib.Path) -> Iterator[pathlib.Path]:
    """What is in a folder, hidden names left out; nothing if it is not one."""
    if not folder.is_dir():
        return
    try:
        yield from (path for path in folder.iterdir() if path.name[0] != ".")
    except OSError as error:
        raise errors.UserError(f"Cannot list {folder}: {error.strerror}.") from None


def _with_suffix(folder: pathlib.Path, name: str) -> Optional[pathlib.Path]:
    for suffix in (".nii.gz", ".nii"):
        if (folder / (name + suffix)).is_file():
            return folder / (name + suffix)
    return None
