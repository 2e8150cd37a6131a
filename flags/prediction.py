"""What to segment."""

from typing import Optional

from absl import flags
from dscl_flags import inference

from dscl_tf.config import masks

_INPUT = flags.DEFINE_string(
    "input",
    None,
    "An image file (.nii.gz, .nii, .nrrd, .mha), 2-D or 3-D, or a folder of them, "
    "without its subfolders. Its spacing is read in mm. Or a folder of DICOM series, "
    "with its subfolders; or a file of one series.",
)
_CHANNEL = flags.DEFINE_integer(
    "channel",
    None,
    "Which image (from 0) of 4-D files, or of folders with a file for each channel "
    "(case_0000.nii.gz, case_0001.nii.gz). By default the one that the model remembers "
    "from its training.",
    lower_bound=0,
    allow_override=True,
)
_FILES_ARE_CASES = flags.DEFINE_bool(
    "files_are_cases",
    False,
    "Take each file of a folder for a case of its own, also where names end in _0000, "
    "_0001, ... as those of channels do.",
)
_PRECISION = flags.DEFINE_enum(
    "precision",
    None,  # dscl-train has the flag, too, with another default.
    ["float32", "auto", "mixed_bfloat16"],
    "Arithmetic of the network. float32, the default, gives the same masks on every "
    "machine, and those that dscl-evaluate measures. auto: bfloat16 on a processor "
    "that can multiply it, about twice as fast.",
    allow_override=True,
)
_MASK_FORMAT = flags.DEFINE_enum(
    "mask_format",
    masks.INPUT,
    list(masks.MASK_FORMATS),
    "input: masks with the images' names and formats. seg_nrrd: NAME.seg.nrrd, which "
    "3D Slicer opens as a segmentation, with the structures' names and colours.",
)
_WRITE_DICOM_SEG = flags.DEFINE_boolean(
    "write_dicom_seg",
    False,
    "For DICOM series: also write NAME.seg.dcm, a DICOM segmentation object, beside "
    "each mask. It belongs to the series' patient and study (needs the extra dicom).",
)


def write_dicom_seg() -> bool:
    """Whether a DICOM segmentation object is written beside each mask."""
    return _WRITE_DICOM_SEG.value


def mask_format() -> str:
    """The format of the masks."""
    return _MASK_FORMAT.value


def channel() -> Optional[int]:
    """The channel to segment, from 0; None: not given."""
    return _CHANNEL.value


def files_are_cases() -> bool:
    """Whether each file of a folder is a case, whatever it is called."""
    return _FILES_ARE_CASES.value


def precision() -> str:
    """The arithmetic of the network."""
    return _PRECISION.value or "float32"


def source() -> str:
    """The file or folder to segment."""
    return inference.required("input", _INPUT.value)
