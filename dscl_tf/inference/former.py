"""Files that an earlier evaluation left in the folder of a new one."""

import contextlib
import os
import pathlib
from collections.abc import Iterator

from dscl_tf import errors, files
from dscl_tf.cohort import prepared
from dscl_tf.inference import beside, evaluated, evaluation_pictures, summary

# Marker file while an evaluation is being written. It shows that files without a
# summary are left from an evaluation that was killed.
BEGUN = ".evaluating"


def require_removable(
    output: pathlib.Path, cohort: prepared.PreparedCohort, overwrite: bool
) -> None:
    """Refuses to replace files that no evaluation has written.

    Args:
      output: the folder of the evaluation.
      cohort: the cohort; its original files are never replaced, even with `overwrite`.
      overwrite: whether files of unknown origin may be replaced.

    Raises:
      UserError: naming one of the files, or what lies in the place of one.
    """
    for folder in _folders(output):
        if os.path.lexists(folder) and not folder.is_dir():
            raise errors.UserError(
                f"--output={output}: {folder}: found a file, expected a folder: move "
                "it elsewhere, or choose another --output."
            )
        files.require_writable(folder)
    there = [path for path in _files(output, cohort) if os.path.lexists(path)]
    for path in there:
        if path.is_dir() and not path.is_symlink():
            raise errors.UserError(
                f"--output={output}: {path}: found a folder, expected a file of an "
                "evaluation: move it elsewhere, or choose another --output."
            )
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
            f"replace, such as {there[0]}, and no {summary.FILE} that says they "
            "belong to one: choose another folder, or replace them with --overwrite."
        )


def remove(output: pathlib.Path, cohort: prepared.PreparedCohort) -> None:
    """Removes an evaluation's files, so that none remain among those of a new one.

    Raises:
      UserError: one of them cannot be removed.
    """
    for path in _files(output, cohort):
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise files.cannot_write(path, error) from error


@contextlib.contextmanager
def begun(output: pathlib.Path) -> Iterator[None]:
    """Marks the folder as that of an evaluation until the summary does so.

    Raises:
      UserError: the folder cannot be written.
    """
    files.write_text(output / BEGUN, "")
    yield
    (output / BEGUN).unlink(missing_ok=True)


def _folders(output: pathlib.Path) -> list[pathlib.Path]:
    return [output / "masks", output / evaluation_pictures.FOLDER]


def _files(output: pathlib.Path, cohort: prepared.PreparedCohort) -> list[pathlib.Path]:
    """All files of an evaluation of the cohort, and of the one that is there."""
    names = {volume.name for volume in cohort.volumes}
    if (output / summary.FILE).is_file():
        # A damaged summary does not tell which files belong to it.
        with contextlib.suppress(errors.UserError):
            names.update(evaluated.case_dice(output))
    found = [summary.FILE, summary.TABLE, evaluation_pictures.SHEET, beside.FILE]
    # Plain file names only: this software writes no paths as names.
    for name in (each for each in sorted(names) if pathlib.PurePath(each).name == each):
        found += [f"masks/{name}.nii.gz", f"{evaluation_pictures.FOLDER}/{name}.png"]
    return [output / name for name in found]


def _originals(cohort: prepared.PreparedCohort) -> set[pathlib.Path]:
    return {
        pathlib.Path(path).resolve()
        for volume in cohort.volumes
        for path in volume.original_files
    }
