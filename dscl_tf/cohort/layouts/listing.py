"""What every layout needs: names in folders, faults together, paths kept inside."""

import logging
import os
import pathlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Optional

from dscl_tf import errors
from dscl_tf.cohort import formats
from dscl_tf.cohort.problems import ERROR, Problem, first_of

_LOG = logging.getLogger(__name__)
_SHOWN = 8  # Names or faults that a message lists.
LABELS = "labels"  # The folder in which labels are looked for unless it is named.


def visible(folder: pathlib.Path) -> Iterator[pathlib.Path]:
    """What is in a folder by name, hidden names left out; nothing if it is not one.

    Raises:
      UserError: the folder cannot be read.
    """
    if not folder.is_dir():
        return
    try:
        found = sorted(folder.iterdir())
    except OSError as error:
        raise errors.UserError(f"Cannot list {folder}: {error.strerror}.") from None
    yield from (path for path in found if path.name[0] != ".")


def folders(folder: pathlib.Path) -> Iterator[pathlib.Path]:
    """The folders in a folder, by name; those that cannot be read are named in the log.

    Raises:
      UserError: the folder itself cannot be read.
    """
    for path in visible(folder):
        if not path.is_dir():
            continue
        if os.access(path, os.R_OK | os.X_OK):
            yield path
        else:
            _LOG.warning("%s cannot be read and is left out: see its rights.", path)


def summary(folder: pathlib.Path) -> str:
    """The first names in a folder, for a message."""
    names = [f"{path.name}{'/' * path.is_dir()}" for path in visible(folder)]
    return first_of(names, _SHOWN, ", and ") or "nothing"


def images_by_name(folder: pathlib.Path) -> dict[str, pathlib.Path]:
    """The volumes in a folder by name without suffix.

    Broken links and folders with such names are among them: who reads them says what
    is wrong.

    Raises:
      UserError: two have the same name.
    """
    return by_name(it for it in visible(folder) if formats.has_image_suffix(it.name))


def by_name(paths: Iterable[pathlib.Path]) -> dict[str, pathlib.Path]:
    """The volumes of a folder by name without suffix.

    Raises:
      UserError: two have the same name.
    """
    found: dict[str, pathlib.Path] = {}
    for path in paths:
        name = formats.strip_suffix(path.name)
        if name in found:
            raise two_of_a_name(name, found[name], path)
        found[name] = path
    return found


def unreadable(folder: pathlib.Path) -> list[pathlib.Path]:
    """The files in a folder that may be volumes, but of formats that are not read."""
    found = visible(folder)
    return [it for it in found if formats.is_unreadable(it.name) and it.is_file()]


def warn_of_unreadable(folder: pathlib.Path) -> None:
    """Says which files of a folder are left out as `unreadable`."""
    found = unreadable(folder)
    if found:
        _LOG.warning(
            "%s: %d files are left out, such as %s: expected names that end in %s; "
            "convert them if they are needed.",
            *(folder, len(found), found[0].name, ", ".join(formats.SUFFIXES)),
        )


def default_labels(root: pathlib.Path) -> Optional[pathlib.Path]:
    """The folder of labels in a dataset that names none; None: there are none in it."""
    labels = root / LABELS
    return labels if any(images_by_name(labels)) else None


def two_of_a_name(
    name: str, one: pathlib.Path, other: pathlib.Path
) -> errors.UserError:
    """The error of two volumes of a folder with the same name."""
    return errors.UserError(
        f"{one.parent} has two volumes called {name!r}: {one.name} and {other.name}; "
        "keep one."
    )


def with_suffix(folder: pathlib.Path, name: str) -> Optional[pathlib.Path]:
    """What is called like the NIfTI file of a name, compressed or not, or None."""
    for suffix in formats.NIFTI_SUFFIXES:
        if os.path.lexists(folder / (name + suffix)):
            return folder / (name + suffix)
    names = [name + suffix for suffix in formats.NIFTI_SUFFIXES]
    for path in visible(folder):
        if formats.lower_suffix(path.name) in names:
            return path
    return None


def inside(root: pathlib.Path, text: object) -> pathlib.Path:
    """The file that a relative path, from a file that nobody checked, names.

    Raises:
      ValueError: no path, one that leaves `root` (links followed), or nothing there;
        the message says which, to go on a sentence about the field.
    """
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f"found {text!r:.80}, expected a path relative to {root}")
    pure = pathlib.PurePosixPath(text)
    windows = pathlib.PureWindowsPath(text)
    if pure.is_absolute() or windows.drive or ".." in (*pure.parts, *windows.parts):
        raise ValueError(f"found {text!r:.200}, expected a path that stays in {root}")
    path = root / pure
    if not os.path.lexists(path):
        # Unpacked, or packed, by a tool on the way.
        path = with_suffix(path.parent, formats.strip_suffix(path.name)) or path
    if not _stays(path, root):
        raise ValueError(
            f"found {text!r:.200}, a link that leaves {root}, expected the file itself"
        )
    if not os.path.lexists(path):
        raise ValueError(f"found nothing at {path!s:.300}, expected a file there")
    return path


def _stays(path: pathlib.Path, root: pathlib.Path) -> bool:
    """Whether a path, links followed, is below a folder."""
    real_root = os.path.realpath(root)
    try:
        return os.path.commonpath([os.path.realpath(path), real_root]) == real_root
    except (OSError, ValueError):  # No file can have such a name.
        return True


def refuse_faults(faults: Sequence[str]) -> None:
    """Raises one UserError that names the faults, if there are any."""
    if not faults:
        return
    more = len(faults) - _SHOWN
    lines = [*faults[:_SHOWN], *([f"and {more} more"] if more > 0 else [])]
    raise errors.UserError("\n  ".join(lines))


def label_without_image(name: str, label: pathlib.Path, image: str) -> Problem:
    """The fault of a label that has no image.

    Args:
      name: of the case that it would be.
      label: its file.
      image: the file that was looked for.
    """
    cure = f"bring {image} back, or take the label away"
    where = name, str(label), "image"
    return Problem(ERROR, *where, "a label without one", image, cure)


def first_twice(names: Iterable[str]) -> Optional[str]:
    """The first of the names that is there before, or None."""
    seen = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None
