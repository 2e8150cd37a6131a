"""What layouts share: listing folders, collecting faults, keeping paths inside."""

import logging
import os
import pathlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Optional

from dscl_tf import errors
from dscl_tf.cohort import formats
from dscl_tf.cohort.problems import ERROR, Problem, first_of

_LOG = logging.getLogger(__name__)
_SHOWN = 8  # A message lists at most this many names or faults.
LABELS = "labels"  # The folder of labels unless --labels names another.


def visible(folder: pathlib.Path) -> Iterator[pathlib.Path]:
    """The visible entries of a folder, sorted by name; nothing if it is not a folder.

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
    """The visible subfolders of a folder, by name; logs those that cannot be read.

    Raises:
      UserError: the folder itself cannot be read.
    """
    for path in visible(folder):
        if not path.is_dir():
            continue
        if os.access(path, os.R_OK | os.X_OK):
            yield path
        else:
            _LOG.warning(
                "%s cannot be read and is left out: check its permissions.", path
            )


def summary(folder: pathlib.Path) -> str:
    """Lists the first names in a folder, for a message."""
    names = [f"{path.name}{'/' * path.is_dir()}" for path in visible(folder)]
    return first_of(names, _SHOWN, ", and ") or "nothing"


def images_by_name(folder: pathlib.Path) -> dict[str, pathlib.Path]:
    """The volumes in a folder by name without suffix.

    Broken links and folders with an image's name are included, so that reading them
    reports what is wrong.

    Raises:
      UserError: two have the same name.
    """
    return by_name(it for it in visible(folder) if formats.has_image_suffix(it.name))


def by_name(paths: Iterable[pathlib.Path]) -> dict[str, pathlib.Path]:
    """Maps paths in one folder by name without suffix.

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
    """The files in a folder that look like volumes in unsupported formats."""
    found = visible(folder)
    return [it for it in found if formats.is_unreadable(it.name) and it.is_file()]


def warn_of_unreadable(folder: pathlib.Path) -> None:
    """Logs a warning of the `unreadable` files of a folder."""
    found = unreadable(folder)
    if found:
        _LOG.warning(
            "%s: %d files are left out, such as %s: expected names that end in %s; "
            "convert them if they are needed.",
            *(folder, len(found), found[0].name, ", ".join(formats.SUFFIXES)),
        )


def default_labels(root: pathlib.Path) -> Optional[pathlib.Path]:
    """The default folder of labels; None if it has none."""
    labels = root / LABELS
    return labels if any(images_by_name(labels)) else None


def two_of_a_name(
    name: str, one: pathlib.Path, other: pathlib.Path
) -> errors.UserError:
    """The error that a folder has two volumes with the same name."""
    return errors.UserError(
        f"{one.parent} has two volumes called {name!r}: {one.name} and {other.name}; "
        "keep one."
    )


def with_suffix(folder: pathlib.Path, name: str) -> Optional[pathlib.Path]:
    """The entry that has a name with a NIfTI suffix, compressed or not; or None."""
    for suffix in formats.NIFTI_SUFFIXES:
        if os.path.lexists(folder / (name + suffix)):
            return folder / (name + suffix)
    names = [name + suffix for suffix in formats.NIFTI_SUFFIXES]
    for path in visible(folder):
        if formats.lower_suffix(path.name) in names:
            return path
    return None


def inside(root: pathlib.Path, text: object) -> pathlib.Path:
    """The file that an untrusted relative path names.

    Raises:
      ValueError: it is not a path, leaves `root` (links are followed), or names no
        file. The message continues a sentence about the field with the path.
    """
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f"found {text!r:.80}, expected a path relative to {root}")
    pure = pathlib.PurePosixPath(text)
    windows = pathlib.PureWindowsPath(text)
    if pure.is_absolute() or windows.drive or ".." in (*pure.parts, *windows.parts):
        raise ValueError(f"found {text!r:.200}, expected a path that stays in {root}")
    path = root / pure
    if not os.path.lexists(path):
        # A tool may have compressed or decompressed the file.
        path = with_suffix(path.parent, formats.strip_suffix(path.name)) or path
    if not _stays(path, root):
        raise ValueError(
            f"found {text!r:.200}, a link that leaves {root}, expected the file itself"
        )
    if not os.path.lexists(path):
        raise ValueError(f"found nothing at {path!s:.300}, expected a file there")
    return path


def _stays(path: pathlib.Path, root: pathlib.Path) -> bool:
    """Whether a path, after following links, is below a folder."""
    real_root = os.path.realpath(root)
    try:
        return os.path.commonpath([os.path.realpath(path), real_root]) == real_root
    except (OSError, ValueError):  # Not a valid file name: nothing will be found.
        return True


def refuse_faults(faults: Sequence[str]) -> None:
    """Raises one UserError that lists the faults, if there are any."""
    if not faults:
        return
    more = len(faults) - _SHOWN
    lines = [*faults[:_SHOWN], *([f"and {more} more"] if more > 0 else [])]
    raise errors.UserError("\n  ".join(lines))


def label_without_image(name: str, label: pathlib.Path, image: str) -> Problem:
    """The problem that a label has no image.

    Args:
      name: the name that the case would have.
      label: the label file.
      image: the image that was looked for.
    """
    cure = f"restore {image}, or remove the label"
    where = name, str(label), "image"
    return Problem(ERROR, *where, "a label without one", image, cure)


def first_twice(names: Iterable[str]) -> Optional[str]:
    """The first name that occurred before, or None."""
    seen = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None
