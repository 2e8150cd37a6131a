"""What to segment."""

from absl import flags
from dscl_flags import inference

_INPUT = flags.DEFINE_string(
    "input",
    None,
    "An image file (.nii.gz, .nii, .nrrd, .mha), 2-D or 3-D, or a folder of them, "
    "without its subfolders. Its spacing is read in mm.",
)


def source() -> str:
    """The file or folder to segment."""
    return inference.required("input", _INPUT.value)
