"""What to segment."""

from absl import flags
from dscl_flags import inference

_INPUT = flags.DEFINE_string(
    "input",
    None,
    "An image file (.nii.gz, .nii, .nrrd, .mha), 2-D or 3-D, or a folder of them, "
    "without its subfolders. Its spacing is read in mm.",
)
_PRECISION = flags.DEFINE_enum(
    "precision",
    "auto",
    ["auto", "float32", "mixed_bfloat16"],
    "Arithmetic of the network. auto: bfloat16 on a processor that multiplies it, "
    "about twice as fast; else float32. Only float32 gives the same probabilities on "
    "every machine, and as dscl-evaluate.",
    allow_override=True,
)


def precision() -> str:
    """The arithmetic of the network."""
    return _PRECISION.value


def source() -> str:
    """The file or folder to segment."""
    return inference.required("input", _INPUT.value)
