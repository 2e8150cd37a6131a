"""What to evaluate on."""

import pathlib
from typing import Optional

from absl import flags
from dscl_flags import command_line, inference

from dscl_tf import config, errors

# Training has these three flags too; a process runs one of the binaries.
_PREPARED = flags.DEFINE_string(
    "prepared",
    None,
    "Folder of the prepared cohort, written by dscl-prepare with the settings that "
    "the model was trained with.",
    allow_override=True,
)
_SPLIT = flags.DEFINE_string(
    "split",
    None,
    "JSON file with the lists train, validation and test of patients, or paper:acdc, "
    "paper:prostate, paper:mmwhs; else the split that the run recorded.",
    allow_override=True,
)
_SPLIT_NAME = flags.DEFINE_string(
    "split_name",
    None,
    "Which of a --split file's fine-tuning draws to use, such as tr1_c1.",
    allow_override=True,
)
_SUBSET = flags.DEFINE_enum(
    "subset",
    "test",
    ["test", "validation", "train", "all"],
    "Volumes to evaluate on; all: every labelled volume of the cohort.",
)
_PICTURES = flags.DEFINE_bool(
    "pictures", True, "Write an overlay PNG of each case and a contact sheet."
)
_BESIDE = flags.DEFINE_string(
    "beside",
    None,
    "Folder of a finished evaluation of another model on the same volumes: both are "
    "drawn side by side in beside.png.",
)
_NSD_TOLERANCE_MM = flags.DEFINE_float(
    "nsd_tolerance_mm",
    None,
    "Also measure the normalised surface Dice (NSD) at this tolerance in mm: the "
    "share of both surfaces that lies no further than this from the other. Off by "
    "default, since the acceptable deviation depends on structure and use; that "
    "between two readers is a usual choice.",
    lower_bound=0.0,
)


def nsd_tolerance_mm() -> Optional[float]:
    """The tolerance of the normalised surface Dice; None: without it."""
    return _NSD_TOLERANCE_MM.value


def pictures() -> bool:
    """Whether to draw pictures."""
    return _PICTURES.value


def beside() -> Optional[pathlib.Path]:
    """The folder of the evaluation to draw side by side with this one.

    Raises:
      UserError: it is --output, or holds no finished evaluation.
    """
    if not _BESIDE.value:
        return None
    folder = pathlib.Path(_BESIDE.value)
    if folder.resolve() == pathlib.Path(inference.output()).resolve():
        raise errors.UserError(
            f"--beside and --output are both {folder}: name the evaluation of another "
            "model."
        )
    if not (folder / "summary.json").is_file():
        raise errors.UserError(
            f"--beside: {folder} has no summary.json: give the --output of a finished "
            "dscl-evaluate on the same volumes."
        )
    return folder


def prepared() -> str:
    """The folder of the prepared cohort."""
    return inference.required("prepared", _PREPARED.value)


def subset() -> str:
    """The volumes to evaluate on."""
    return _SUBSET.value


def split() -> Optional[config.SplitConfig]:
    """The split that was asked for; None: the one that the run recorded.

    A preset's is for training: it is taken only with a typed --split_name of it.

    Raises:
      UserError: flags that contradict each other.
    """
    typed = (command_line.is_given(each.name) for each in (_SPLIT, _SPLIT_NAME))
    if not any(typed):
        return None
    if not _SPLIT.value:
        if _SPLIT_NAME.value:
            raise errors.UserError("--split_name goes with --split=FILE.")
        return None
    if _SUBSET.value == "all":
        raise errors.UserError(
            "--subset=all takes every labelled volume: leave --split out, or choose "
            "the --subset of it."
        )
    return config.SplitConfig(file=_SPLIT.value, name=_SPLIT_NAME.value)
