"""What an earlier evaluation left in the folder of a new one."""

import contextlib
import os
import pathlib
from collections.abc import Iterator

from dscl_tf import errors, files
from dscl_tf.cohort import prepared
from dscl_tf.inference import beside, evaluated, evaluation_pictures, summary

# In the folder from an evaluation's first file to its last: whose the files are that
# a killed one left without a summary.
BEGUN = ".evaluating"


def require_removable(
    output: pathlib.Path, cohort: prepared.PreparedCohort, overwrite: bool
) -> None:
    """Refuses to replace files that no evaluation has written.

    Args:
      output: the folder of the evaluation.
      cohort: whose original files are not to be touched, whatever is asked for.
      overwrite: whether others may be replaced.

    Raises:
      UserError: naming one of the files.
    """
    there = [path for path in _files(output, cohort) if os.path.lexists(path)]
    originals = _originals(cohort)
    for path in there:
        if path.resolve() in originals:
            raise errors.UserError(
                f"--output={output} would replace {path}, an original file of the "
                f"cohort {cohort.folder}: choose another folder."
            )
    is_ours = (output / summary.FILE).is_file() or (output / BEGUN).is_file()
    if there and not is_ours and not overwrite:
        raise errors.UserError(
            f"--output={output} has {len(there)} files that an evaluation would "
            f"replace, such as {there[0]}, and no {summary.FILE} that says they are of "
            "one: choose another folder, or replace them by --overwrite."
        )


def remove(output: pathlib.Path, cohort: prepared.PreparedCohort) -> None:
    """Removes what an evaluation wrote, lest it lie among the files of a new one."""
    for path in _files(output, cohort):
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def begun(output: pathlib.Path) -> Iterator[None]:
    """Marks the folder as one of an evaluation until the summary does so.

    Raises:
      UserError: the folder cannot be written.
    """
    files.write_text(output / BEGUN, "")
    yield
    (output / BEGUN).unlink(missing_ok=True)


def _files(output: pathlib.Path, cohort: prepared.PreparedCohort) -> list[pathlib.Path]:
    """All that an evaluation of the cohort, or the one that is there, writes."""
    names = {volume.name for volume in cohort.volumes}
    if (output / summary.FILE).is_file():
        # Of a damaged one nobody knows which files are its.
        with contextlib.suppress(errors.UserError):
            names.update(evaluated.case_dice(output))
    found = [summary.FILE, summary.TABLE, evaluation_pictures.SHEET, beside.FILE]
    # Names of another kind this software has not written.
    for name in (each for each in sorted(names) if pathlib.PurePath(each).name == each):
        found += [f"masks/{name}.nii.gz", f"{evaluation_pictures.FOLDER}/{name}.png"]
    return [output / name for name in found]


def _originals(cohort: prepared.PreparedCohort) -> set[pathlib.Path]:
    return {
        pathlib.Path(path).resolve()
        for volume in cohort.volumes
        for path in volume.original_files
    }
