"""Folders that one process at a time may write."""

import contextlib
import fcntl
import logging
import os
import pathlib
import platform
from collections.abc import Iterator
from typing import TextIO

from dscl_tf import errors, files

_LOG = logging.getLogger(__name__)


@contextlib.contextmanager
def held(folder: files.PathLike, flag: str) -> Iterator[None]:
    """Locks the folder against other processes within the block.

    The kernel releases the lock when the process ends, however it ends.

    Args:
      folder: what to lock; it is created if missing.
      flag: the flag that names the folder, for messages.

    Raises:
      UserError: another process holds it, or the folder cannot be written.
    """
    path = pathlib.Path(folder) / ".lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+", encoding="utf-8")
    except OSError as error:
        raise files.cannot_write(path, error) from error
    with file:
        _lock(file, path.parent, flag)
        yield


def is_held(folder: files.PathLike) -> bool:
    """Whether another process holds the folder; False if it cannot be locked at all."""
    path = pathlib.Path(folder) / ".lock"
    if not path.exists():
        return False
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
    return False


def _lock(file: TextIO, folder: pathlib.Path, flag: str) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        raise errors.UserError(
            f"{folder} is in use by {file.read().strip() or 'another process'}: wait "
            f"for it, stop it, or use another {flag}."
        ) from None
    except OSError as error:
        # Some network file systems have no locks; training must work there, too.
        _LOG.warning(
            "Cannot lock %s (%s); make sure to start it only once.", folder, error
        )
        return
    file.truncate(0)
    file.write(f"process {os.getpid()} on {platform.node()}\n")
    file.flush()
