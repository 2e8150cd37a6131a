"""The folder that a cohort is prepared in: whose it is, and what of it is there."""

import pathlib
import shutil

from dscl_tf import errors, files
from dscl_tf.cohort import parts, prepared, requests

REQUEST = "request.json"  # What was asked for.
CHECK = "check.json"  # What the check found of the originals.


def changes(output: pathlib.Path, request: dict) -> str:
    """How the cohort in a folder was prepared otherwise; empty if it was not.

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
        return ""
    is_finished = (output / prepared.INDEX).exists()
    try:
        before = files.read_json_object(path, "request of the prepared cohort")
        if is_finished:
            prepared.read_index(output)
    except errors.UserError as error:
        return str(error).rstrip(".")
    if not is_finished:
        before.update({key: request[key] for key in requests.ORIGINALS})
    if requests.LABELS in request:
        # Earlier versions did not say where they were.
        before.setdefault(requests.LABELS, request[requests.LABELS])
    return requests.differences(before, request)


def whole_volumes(output: pathlib.Path) -> set[str]:
    """Names of the volumes of a finished cohort; none if an array of it is lost."""
    if not (output / prepared.INDEX).exists():
        return set()
    index = prepared.read_index(output)
    whole = all(parts.has_arrays(output, v, index.settings) for v in index.volumes)
    return {volume.name for volume in index.volumes} if whole else set()


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
