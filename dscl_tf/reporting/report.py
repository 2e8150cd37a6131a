"""Writes a report."""

import pathlib
from typing import Optional

from dscl_tf import errors, files
from dscl_tf.reporting import experiment_report, page, run_report

NAME = "report.html"


def write(folder: str, output: Optional[str] = None) -> pathlib.Path:
    """Writes the report of an experiment or a run, one file that needs no other.

    Args:
      folder: of the experiment, of a run with its stages, or of one stage.
      output: the file; None: report.html in the folder.

    Returns:
      The file.

    Raises:
      UserError: there is nothing to report on, it is damaged, or the file cannot be
        written.
    """
    path = pathlib.Path(folder)
    if not path.is_dir():
        raise errors.UserError(f"--input={folder}: there is no such folder.")
    is_experiment = (path / "results.json").exists()
    maker = experiment_report if is_experiment else run_report
    title, sections = maker.sections(path)
    target = pathlib.Path(output) if output else path / NAME
    files.write_text(target, page.whole(title, sections))
    return target
