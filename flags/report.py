"""What to report on, and where to."""

from typing import Optional

from absl import flags
from dscl_flags import inference

# Other binaries have an --input and an --output too; a process runs one of them.
_INPUT = flags.DEFINE_string(
    "input",
    None,
    "Folder of an experiment (--workdir of dscl-experiment), of a run (--workdir of "
    "dscl-train), or of one stage of a run.",
    allow_override=True,
)
_OUTPUT = flags.DEFINE_string(
    "output",
    None,
    "HTML file to write; by default report.html in the folder.",
    allow_override=True,
)


def folder() -> str:
    """The folder to report on."""
    return inference.required("input", _INPUT.value)


def output() -> Optional[str]:
    """The file to write; None: report.html in the folder."""
    return _OUTPUT.value or None
