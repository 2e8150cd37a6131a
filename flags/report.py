"""The report: of what, and where to."""

from absl import flags

from dscl_tf import errors

_INPUT = flags.DEFINE_string(
    "input", None, "Folder (--workdir) of dscl-experiment or of dscl-train."
)
_OUTPUT = flags.DEFINE_string(
    "output", None, "HTML file; by default report.html in the folder."
)


def arguments() -> tuple[str, str]:
    """The folder to report on and the file to write, which may be None.

    Raises:
      UserError: no folder is given.
    """
    if not _INPUT.value:
        raise errors.UserError("--input=DIR is needed: what to report on.")
    return _INPUT.value, _OUTPUT.value
