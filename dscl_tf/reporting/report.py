"""Writes a report as one HTML file."""

import dataclasses
import pathlib
from typing import Optional

from dscl_tf import errors, files
from dscl_tf.reporting import experiment, page, results, run

NAME = "report.html"


@dataclasses.dataclass(frozen=True)
class ReportConfig:
    """What to report on, and where to."""

    input: str  # Folder of an experiment, of a run with its stages, or of a stage.
    output: Optional[str] = None  # HTML file; None: report.html in the folder.


def write(settings: ReportConfig) -> pathlib.Path:
    """Writes the report; it needs no other file and no network.

    Args:
      settings: what to report on.

    Returns:
      The file.

    Raises:
      UserError: there is nothing to report on, a file of it is damaged, or the report
        cannot be written.
    """
    folder = pathlib.Path(settings.input)
    if not folder.is_dir():
        raise errors.UserError(
            f"--input={folder}: there is no such folder; expected that of an "
            "experiment (with results.json) or of a run."
        )
    output = pathlib.Path(settings.output) if settings.output else folder / NAME
    if output.is_dir():
        raise errors.UserError(
            f"--output={output} is a folder; expected the name of an HTML file."
        )
    kind = experiment if (folder / results.FILE).exists() else run
    title, head, sections = kind.sections(folder)
    files.write_text(output, page.whole(title, head, sections))
    return output
