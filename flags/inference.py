"""The model, and where the results go."""

from typing import Optional

from absl import flags

from dscl_tf import errors

_MODEL = flags.DEFINE_string(
    "model",
    None,
    "Folder of a trained segmenter: a --workdir of dscl-train, the run folder "
    "finetune in it, or (for predict and evaluate) an exported SavedModel. Several "
    "runs, separated by commas, form an ensemble: their probabilities are averaged.",
)
_WEIGHTS = flags.DEFINE_enum(
    "weights",
    "chosen",
    ["chosen", "last"],
    "For runs: the weights that the validation volumes chose, or those after the "
    "last step.",
)
# Binaries of other groups have an --output too; a process runs one of them.
_OUTPUT = flags.DEFINE_string(
    "output",
    None,
    "Folder for the results; it is created.",
    allow_override=True,
)
_OVERWRITE = flags.DEFINE_boolean(
    "overwrite",
    False,
    "Make results that already exist again, and replace them.",
    allow_override=True,
)


def model() -> str:
    """The folder of the model."""
    return required("model", _MODEL.value)


def last() -> bool:
    """Whether the weights are those after the last step."""
    return _WEIGHTS.value == "last"


def output() -> str:
    """The folder for the results."""
    return required("output", _OUTPUT.value)


def overwrite() -> bool:
    """Whether results that exist are made again."""
    return _OVERWRITE.value


def required(name: str, value: Optional[str]) -> str:
    """The value of a flag that has no default.

    Raises:
      UserError: it was not given.
    """
    if not value:
        raise errors.UserError(f"--{name} is needed. See --help.")
    return value
