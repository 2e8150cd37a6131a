"""Files that appear whole or not at all, and JSON that is checked when read."""

import contextlib
import errno
import json
import os
import pathlib
import tempfile
from collections.abc import Iterable, Iterator
from typing import Any, Optional, Union

from dscl_tf import errors

# Errors of the disk, which any writer may meet in the middle of its work.
_OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EFBIG)
_OF_PATTERNS = "*?[\\"
PathLike = Union[str, "os.PathLike[str]"]


@contextlib.contextmanager
def atomic_path(path: PathLike, suffix: Optional[str] = None) -> Iterator[pathlib.Path]:
    """Yields a path to write to; renames it to `path` when the block succeeds.

    The temporary name ends in the suffix of `path`, since writers choose the format
    by it, and starts with a dot, so that no reader takes it for a result. The rest of
    the name is left out: with it the temporary name could exceed the file system's
    limit.

    Args:
      path: the final path. Its folder is created.
      suffix: of the temporary name, if it is not to be that of `path`.

    Raises:
      UserError: if the folder cannot be created or written to, or the disk is full.
    """
    path = pathlib.Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(
            prefix=".partial-", suffix=suffix or path.suffix, dir=path.parent
        )
    except OSError as error:
        raise cannot_write(path, error) from error
    os.close(descriptor)
    partial = pathlib.Path(name)
    try:
        yield partial
        _put_in_place(partial, path)
    except OSError as error:
        if error.errno in _OF_THE_DISK:
            raise cannot_write(path, error) from error
        raise
    finally:
        partial.unlink(missing_ok=True)


def _put_in_place(partial: pathlib.Path, path: pathlib.Path) -> None:
    try:
        # mkstemp makes private files; results get the usual permissions instead.
        partial.chmod(0o666 & ~_umask())
        os.replace(partial, path)
    except OSError as error:
        raise cannot_write(path, error) from error


def shown(path: PathLike) -> str:
    """The path as printable text; bytes that are not UTF-8 are escaped."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def is_utf8(path: PathLike) -> bool:
    """Whether a path is UTF-8: no other one can be opened in C++ or held by JSON."""
    try:
        os.fspath(path).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def require_no_pattern(path: PathLike) -> None:
    """Refuses a path that TensorFlow's readers would take for a glob pattern.

    They would not find what its writers wrote there.

    Raises:
      UserError: the path has a pattern character, which is named, or is not UTF-8.
    """
    require_utf8([path])
    found = next((c for c in os.path.abspath(path) if c in _OF_PATTERNS), None)
    if found:
        raise errors.UserError(
            f"{shown(path)}: found {found!r} in the path, expected none of "
            f"{' '.join(_OF_PATTERNS)}: TensorFlow could not find again what it wrote "
            "there. Rename the folder; its content is kept."
        )


def require_utf8(paths: Iterable[PathLike]) -> None:
    """Refuses paths that are not UTF-8.

    Raises:
      UserError: naming the first of them, with its invalid bytes as \\xNN.
    """
    odd = [path for path in paths if not is_utf8(path)]
    if odd:
        more = f" (and {len(odd) - 1} more)" if len(odd) > 1 else ""
        raise errors.UserError(
            f"The name {shown(odd[0])}{more} is not UTF-8, so it can be neither "
            "opened nor written down: rename it, for example with convmv."
        )


def cannot_write(path: PathLike, error: Exception) -> errors.UserError:
    """The UserError that says why `path` could not be written."""
    reason = getattr(error, "strerror", None) or errors.first_line(error)
    return errors.UserError(
        f"Cannot write {path}: {reason}. Choose a folder that "
        "exists or can be created, is writable, and has free space."
    )


def require_writable(folder: PathLike) -> None:
    """Refuses, before hours of work, a folder that results cannot be written to.

    Nothing is created: if the folder does not exist, the nearest one above it is tried.

    Raises:
      UserError: the folder cannot be written to or created.
    """
    nearest = pathlib.Path(folder).absolute()
    while not os.path.lexists(nearest):
        nearest = nearest.parent
    try:
        with tempfile.TemporaryFile(dir=nearest):
            pass
    except OSError as error:
        raise cannot_write(folder, error) from None


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_json(path: PathLike, content: Any) -> None:
    """Writes `content` as indented strict JSON (no NaN), whole or not at all."""
    text = json.dumps(content, indent=2, allow_nan=False) + "\n"
    write_text(path, text)


def write_text(path: PathLike, text: str) -> None:
    """Writes UTF-8 `text`, whole or not at all."""
    with atomic_path(path) as partial:
        try:
            partial.write_text(text, encoding="utf-8")
        except OSError as error:
            raise cannot_write(path, error) from error


def read_json_object(
    path: PathLike, what: str, cure: str = "restore it from a copy"
) -> dict:
    """Reads a JSON object.

    Args:
      path: the file.
      what: what the file is, for the error messages ("split file").
      cure: what helps if it is damaged, for the error messages.

    Raises:
      UserError: if it is missing, unreadable, not JSON, or not an object.
    """
    path = pathlib.Path(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise errors.UserError(f"No {what} at {path}: check the path.") from None
    except (OSError, UnicodeDecodeError, RecursionError) as error:
        raise errors.UserError(f"Cannot read the {what} {path}: {error}.") from error
    except json.JSONDecodeError as error:
        raise errors.UserError(
            f"The {what} {path} is not valid JSON (line {error.lineno}: {error.msg}): "
            f"{cure}."
        ) from None
    except ValueError as error:  # An integer of more digits than Python converts.
        raise errors.UserError(f"Cannot read the {what} {path}: {error}.") from None
    if not isinstance(content, dict):
        raise errors.UserError(
            f"The {what} {path} must hold a JSON object, "
            f"found {type(content).__name__}."
        )
    return content
