"""Reads dataset.json of the Decathlon and nnU-Net: untrusted, so fields are checked."""

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, Optional

from dscl_tf import errors, files
from dscl_tf.cohort.cases import MAX_CLASSES, Request
from dscl_tf.config import ChannelConfig

NAME = "dataset.json"
IGNORE = "ignore"  # Name of the label of unannotated voxels, in nnU-Net and others.
# Subfolders of both layouts. If the source is one of them, the folder above is meant.
PARTS = ("imagesTr", "imagesTs", "labelsTr", "labelsTs")
_NNUNET = ("channel_names", "file_ending")
_DECATHLON = ("modality", "training")
_MAX_BYTES = 2**26  # The largest public dataset.json files have a few hundred kB.


def read(folder: pathlib.Path) -> dict:
    """The content of a folder's dataset.json.

    Raises:
      UserError: it is missing, too large, or not a JSON object.
    """
    path = folder / NAME
    if path.is_file() and path.stat().st_size > _MAX_BYTES:
        raise errors.UserError(
            f"{path}: found {path.stat().st_size} bytes, expected at most {_MAX_BYTES}:"
            " it is not a dataset's description."
        )
    return files.read_json_object(path, "description of the dataset")


def kind(folder: pathlib.Path) -> Optional[str]:
    """The layout of a folder's dataset.json, "decathlon" or "nnunet"; None if missing.

    Raises:
      UserError: the file is of neither layout.
    """
    if not (folder / NAME).is_file():
        return None
    content = read(folder)
    if any(key in content for key in _NNUNET):
        return "nnunet"
    if any(key in content for key in _DECATHLON):
        return "decathlon"
    found = ", ".join(map(repr, list(content)[:8])) or "none"
    raise errors.UserError(
        f"{folder / NAME}: found the fields {found}, expected modality, labels and "
        "training (Decathlon) or channel_names, labels and file_ending (nnU-Net); "
        "download it again, or use --format=folder."
    )


def is_part(folder: pathlib.Path) -> bool:
    """Whether a folder holds images or labels of the dataset in the folder above."""
    return folder.name in PARTS and (folder.resolve().parent / NAME).is_file()


def field(path: pathlib.Path, content: Mapping, name: str, expected: type) -> Any:
    """Returns a field after checking its type.

    Raises:
      UserError: it is missing or of another type.
    """
    value = content.get(name)
    if not isinstance(value, expected) or isinstance(value, bool):
        what = {dict: "an object", list: "a list", int: "a whole number", str: "a text"}
        found = f"{value!r:.80}" if name in content else "nothing"
        raise errors.UserError(
            f"{path}: field {name}: found {found}, expected {what[expected]}."
        )
    return value


def channel_names(path: pathlib.Path, content: Mapping, name: str) -> list[str]:
    """The channels in the field `modality` or `channel_names`, in order.

    Raises:
      UserError: the field is missing, or its keys are not "0", "1", ...
    """
    channels = field(path, content, name, dict)
    expected = [str(k) for k in range(len(channels))]
    if not channels or sorted(channels, key=lambda key: (len(key), key)) != expected:
        raise errors.UserError(
            f"{path}: field {name}: found the keys {list(channels)!r:.80}, "
            'expected "0", "1", ... for the channels.'
        )
    return [str(channels[key]) for key in expected]


def chosen_channels(
    path: pathlib.Path, names: Sequence[str], request: Request
) -> tuple[ChannelConfig, ...]:
    """The requested channels, in the order of the request.

    Args:
      path: the dataset.json.
      names: of all channels of the dataset.
      request: its `channel`, or its `channels`: numbers or names, in any case.

    Raises:
      UserError: there is no such channel, several have that name, or one is requested
        twice.
    """
    if request.channels is None:
        wanted, flag = (str(request.channel),), "--channel"
    else:
        wanted, flag = request.channels, "--channels"
    numbers = []
    for text in wanted:
        fitting = [k for k, name in enumerate(names) if name.lower() == text.lower()]
        if text.isascii() and text.isdigit() and int(text) < len(names):
            fitting = [int(text)]
        if len(fitting) != 1 or fitting[0] in numbers:
            known = ", ".join(f"{k} ({name})" for k, name in enumerate(names))
            cure = "give each only once" if len(fitting) == 1 else "choose one of them"
            cure = "choose it by its number" if len(fitting) > 1 else cure
            raise errors.UserError(
                f"{flag}={','.join(wanted)}: {text!r}: {path} has the channels {known};"
                f" {cure}."
            )
        numbers += fitting
    lowered = [name.lower() for name in names]
    return tuple(
        ChannelConfig(
            names[k] if lowered.count(lowered[k]) == 1 else f"{names[k]} ({k})", k
        )
        for k in numbers
    )


def vocabulary(
    path: pathlib.Path, named: Mapping[int, str]
) -> tuple[tuple[str, ...], Optional[dict[int, int]]]:
    """The names of the classes, and the class of each voxel value.

    Args:
      path: the dataset.json.
      named: the name of each voxel value; 0 may be left out.

    Returns:
      Names, the background first; and value to class, or None if they are the same.

    Raises:
      UserError: values are negative, or names are empty, not unique, none or too many.
    """
    named = {0: "background", **named}
    values = sorted(named)
    names = [named[value] for value in values]
    if (
        not 2 <= len(names) <= MAX_CLASSES
        or values[0] < 0
        or len(set(names)) < len(names)
        or not all(names)
    ):
        raise errors.UserError(
            f"{path}: field labels: found {dict(sorted(named.items()))!r:.200}, "
            f"expected 1 to {MAX_CLASSES - 1} different names of voxel values from 1."
        )
    if values == list(range(len(values))):
        return tuple(names), None
    return tuple(names), {value: k for k, value in enumerate(values)}
