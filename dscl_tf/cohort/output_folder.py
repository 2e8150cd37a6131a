"""The output folder of a cohort: which request it belongs to, and what it contains."""

import pathlib
import shutil
from typing import NamedTuple

from dscl_tf import errors, files
from dscl_tf.cohort import parts, prepared, requests

REQUEST = "request.json"  # The request that the folder was prepared for.
CHECK = "check.json"  # What the check found about the original files.


class State(NamedTuple):
    """What a folder contains of the requested cohort."""

    changed: str  # How its request differs from the current one; "" if it does not.
    # Its complete volumes; empty for an unfinished cohort.
    volumes: frozenset[str] = frozenset()


def look(output: pathlib.Path, request: dict) -> State:
    """Finds out what a folder contains of the requested cohort.

    An unfinished cohort may be continued although original files have changed, since
    users repair bad ones. A cohort that cannot be read, or is of another version,
    counts as a different cohort.

    Raises:
      UserError: the folder contains other files.
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
        # Earlier versions did not record the folder of the labels.
        before.setdefault(requests.LABELS, request[requests.LABELS])
    changed = requests.differences(before, request)
    if changed or index is None:
        return State(changed)
    whole = all(parts.has_arrays(output, v, index.settings) for v in index.volumes)
    return State("", frozenset(v.name for v in index.volumes if whole))


def has_warnings(output: pathlib.Path) -> bool:
    """Whether the check of a finished cohort had warnings; True if it is not known."""
    path = output / CHECK
    try:
        return not path.exists() or bool(
            files.read_json_object(path, "check of the cohort").get("warnings")
        )
    except errors.UserError:
        return True


def clear(output: pathlib.Path, everything: bool) -> None:
    """Removes the index and temporary files; if `everything`, the volumes too."""
    try:
        # The index first: if killed in between, an unfinished cohort is left.
        (output / prepared.INDEX).unlink(missing_ok=True)
        for name in ("parts", prepared.ARRAYS) if everything else ():
            if (output / name).exists():
                shutil.rmtree(output / name)
        for leftover in output.rglob(".partial-*"):
            leftover.unlink()
    except OSError as error:
        raise files.cannot_write(output, error) from error
