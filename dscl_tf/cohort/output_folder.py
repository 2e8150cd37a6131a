"""The folder that a cohort is prepared in: whose it is, and what of it is there."""

import pathlib
import shutil
from typing import NamedTuple

from dscl_tf import errors, files
from dscl_tf.cohort import parts, prepared, requests

REQUEST = "request.json"  # What was asked for.
CHECK = "check.json"  # What the check found of the originals.


class State(NamedTuple):
    """What a folder has of the cohort that is asked for."""

    changed: str  # How it was prepared otherwise; empty if it was not.
    # Names of its volumes; none of an unfinished one, or one that lost an array.
    volumes: frozenset[str] = frozenset()


def look(output: pathlib.Path, request: dict) -> State:
    """What is there of a cohort.

    An unfinished one goes on although original files have changed, since bad ones
    have to be mended. One that cannot be read, or is of another version, is another.

    Raises:
      UserError: the folder holds something else.
    """
    path = output / REQUEST
    if not path.exists():
        if output.is_dir() and any(p.name[0] != "." for p in output.iterdir()):
            raise errors.UserError(
                f"--output={output} has other files in it: name an empty or new folder."
            )
        return State("")
    is_finished = (output / prepared.INDEX).exists()
    try:
        before = files.read_json_object(path, "request of the prepared cohort")
        index = prepared.read_index(output) if is_finished else None
    except errors.UserError as error:
        return State(str(error).rstrip("."))
    if index is None:
        before.update({key: request[key] for key in requests.ORIGINALS})
    if requests.LABELS in request:
        # Earlier versions did not say where they were.
        before.setdefault(requests.LABELS, request[requests.LABELS])
    changed = requests.differences(before, request)
    if changed or index is None:
        return State(changed)
    whole = all(parts.has_arrays(output, v, index.settings) for v in index.volumes)
    return State("", frozenset(v.name for v in index.volumes if whole))


def has_warnings(output: pathlib.Path) -> bool:
    """Whether the check of a finished cohort had warnings, as far as is known."""
    path = output / CHECK
    try:
        return not path.exists() or bool(
            files.read_json_object(path, "check of the cohort").get("warnings")
        )
    except errors.UserError:
        return True


def clear(output: pathlib.Path, everything: bool) -> None:
    """Removes the index, and the volumes too if they are of another request."""
    try:
        # The index first: killed in between, the folder is an unfinished cohort.
        (output / prepared.INDEX).unlink(missing_ok=True)
        for name in ("parts", prepared.ARRAYS) if everything else ():
            if (output / name).exists():
                shutil.rmtree(output / name)
        for leftover in output.rglob(".partial-*"):
            leftover.unlink()
    except OSError as error:
        raise files.cannot_write(output, error) from error
