"""The Medical Segmentation Decathlon: dataset.json lists the files of each case.

nnU-Net v1 has the same dataset.json, but its image files end in _0000, _0001, ...
"""

import pathlib
import re
from collections.abc import Mapping, Sequence
from typing import Optional

from dscl_tf import errors
from dscl_tf.cohort import formats
from dscl_tf.cohort.cases import Case, Dataset, Request
from dscl_tf.cohort.layouts import dataset_json, listing
from dscl_tf.cohort.problems import ERROR, Problem

EXPECTED = (
    "decathlon: dataset.json with modality, labels and training, beside imagesTr/ and "
    "labelsTr/ (Task05_Prostate)"
)
is_part = dataset_json.is_part  # `recognise` then decides for the folder above.
OTHERS = re.compile(r".+_\d{4}\.nii(\.gz)?")  # Channels of nnU-Net v1.


def recognise(folder: pathlib.Path) -> str:
    """Why a folder is a Decathlon task, or "".

    Raises:
      UserError: its dataset.json is unreadable, or of no known kind.
    """
    if dataset_json.kind(folder) != "decathlon":
        return ""
    return f"{dataset_json.NAME} lists its files under training"


def read(root: pathlib.Path, request: Request, why: str) -> Dataset:
    """The cases that dataset.json lists; those under test have no labels.

    Raises:
      UserError: dataset.json lacks a field, or has no such channel.
    """
    path, content = root / dataset_json.NAME, dataset_json.read(root)
    channels = dataset_json.channel_names(path, content, "modality")
    chosen = dataset_json.chosen_channels(path, channels, request)
    named = _named_values(path, content)
    ignored = next(
        (v for v, name in named.items() if name == dataset_json.IGNORE), None
    )
    named = {value: name for value, name in named.items() if value != ignored}
    names, values = dataset_json.vocabulary(path, named)
    numbers = [it.number if len(channels) > 1 else None for it in chosen]
    cases, faults = [], []
    for field, entry in _entries(path, content):
        try:
            case = _case(root, entry, numbers, field.startswith("training"))
        except ValueError as error:
            faults.append(_fault(path, field, entry, error))
        else:
            cases += [case] if case else []
    if not cases and not faults:
        raise errors.UserError(
            f"{path}: training and test list no files: download the dataset again."
        )
    return Dataset(
        "decathlon",
        root,
        tuple(cases),
        names,
        values,
        why=why,
        faults=tuple(faults),
        channels=chosen if len(channels) > 1 else None,
        ignore_label=ignored,
    )


def _named_values(path: pathlib.Path, content: Mapping) -> dict[int, str]:
    """The name of each voxel value, from {"0": "background", "1": "PZ"}."""
    labels = dataset_json.field(path, content, "labels", dict)
    if not all(
        key.isascii() and key.isdigit() and len(key) <= 9 and isinstance(name, str)
        for key, name in labels.items()
    ):
        raise errors.UserError(
            f"{path}: field labels: found {labels!r:.200}, expected names by voxel "
            'value such as {"0": "background", "1": "PZ"}.'
        )
    return {int(key): name for key, name in labels.items()}


def _entries(path: pathlib.Path, content: Mapping) -> list[tuple[str, object]]:
    """Each listed case with the name of its field."""
    training = dataset_json.field(path, content, "training", list)
    test = dataset_json.field(path, {"test": [], **content}, "test", list)
    return [
        *((f"training[{k}]", entry) for k, entry in enumerate(training)),
        *((f"test[{k}]", entry) for k, entry in enumerate(test)),
    ]


def _case(
    root: pathlib.Path, entry: object, channels: Sequence[Optional[int]], labelled: bool
) -> Optional[Case]:
    """A case, or None for a hidden file (such as the ._ files of macOS)."""
    if labelled and not (isinstance(entry, dict) and {"image", "label"} <= set(entry)):
        raise ValueError(f"found {entry!r:.120}, expected an image and a label")
    image = entry.get("image") if isinstance(entry, dict) else entry
    # A Windows path has both separators.
    file_name = pathlib.PureWindowsPath(image).name if isinstance(image, str) else ""
    if file_name.startswith(".") and file_name != "..":
        return None
    first, *more = (_image(root, image, channel) for channel in channels)
    label = listing.inside(root, entry["label"]) if labelled else None
    name = formats.strip_suffix(file_name)
    return Case(name, name, first[0], label, fourth=first[1], more=tuple(more))


def _fault(path: pathlib.Path, field: str, entry: object, error: ValueError) -> Problem:
    """The problem that keeps an entry of dataset.json from being a case."""
    image = entry.get("image") if isinstance(entry, dict) else entry
    name = pathlib.PurePath(image).name if isinstance(image, str) else ""
    cure = "download the dataset again, or correct the entry"
    name = formats.strip_suffix(name) or field
    found, _, expected = str(error).removeprefix("found ").partition(", expected ")
    return Problem(ERROR, name, str(path), field, found, expected, cure)


def _image(
    root: pathlib.Path, text: object, channel: Optional[int]
) -> tuple[pathlib.Path, Optional[int]]:
    """The file of an image's channel, and the index within it if it is 4-D."""
    try:
        return listing.inside(root, text), channel
    except ValueError:
        if not isinstance(text, str) or not _has_channels(root, text):
            raise
    stem = formats.strip_suffix(text)
    return listing.inside(root, f"{stem}_{channel or 0:04d}.nii.gz"), None


def _has_channels(root: pathlib.Path, text: str) -> bool:
    """Whether an image has one file per channel, as in nnU-Net v1."""
    stem = formats.strip_suffix(text)
    try:
        folder = listing.inside(root, pathlib.PurePosixPath(stem).parent.as_posix())
    except ValueError:
        return False
    start = f"{pathlib.PurePosixPath(stem).name}_"
    return any(
        path.name.startswith(start)
        and OTHERS.fullmatch(formats.lower_suffix(path.name))
        for path in listing.visible(folder)
    )
