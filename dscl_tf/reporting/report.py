"""Writes a report as one HTML file."""

import dataclasses
import pathlib
from typing import Optional

from dscl_tf import errors, files, results_json

NAME = "report.html"
_SUFFIXES = (".html", ".htm")
_HEAD = b"<!DOCTYPE html>"
_EXTRA = ("jinja2", "markupsafe", "plotly")


@dataclasses.dataclass(frozen=True)
class ReportConfig:
    """What to report on, and where to."""

    input: str  # Folder of an experiment, of a run with its stages, or of a stage.
    output: Optional[str] = None  # HTML file; None: report.html in the folder.


def write(settings: ReportConfig) -> pathlib.Path:
    """Writes the report, which needs no other file and no network; returns its path.

    Raises:
      UserError: there is nothing to report on, a file of it is damaged, the report
        cannot be written, or a library that it needs is not installed.
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
    _require_replaceable(output)
    files.require_writable(output.parent)
    files.write_text(output, _document(folder))
    return output


def _require_replaceable(output: pathlib.Path) -> None:
    """Refuses, before any work, to replace a file that is not an HTML page."""
    if output.suffix.lower() not in _SUFFIXES:
        raise errors.UserError(
            f"--output={output}: found the suffix {output.suffix!r}, expected "
            f"{' or '.join(_SUFFIXES)}: name it {output.stem}.html."
        )
    if not output.exists():
        return
    try:
        with output.open("rb") as file:
            head = file.read(len(_HEAD))
    except OSError as error:
        raise files.cannot_write(output, error) from error
    if head.upper() != _HEAD.upper():
        raise errors.UserError(
            f"--output={output} exists and does not begin with {_HEAD.decode()}, as a "
            "report does: choose another name, or remove the file."
        )


def _document(folder: pathlib.Path) -> str:
    try:
        # Imported here, since only reports need the optional libraries.
        from dscl_tf.reporting import experiment, page, run
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in _EXTRA:
            raise
        raise errors.extra_needed(f"The report needs {error.name}", "report") from None
    kind = experiment if (folder / results_json.FILE).exists() else run
    text = page.whole(*kind.sections(folder))
    # JSON can hold lone surrogates, which cannot be encoded as UTF-8.
    return text.encode("utf-8", "replace").decode("utf-8")
