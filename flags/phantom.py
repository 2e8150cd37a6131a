"""The synthetic cohort."""

from typing import Optional

from absl import flags

from dscl_tf import errors
from dscl_tf.cohort.phantom import PhantomConfig

_OUTPUT = flags.DEFINE_string("output", None, "Folder for the cohort (ACDC layout).")
_NUM_SUBJECTS = flags.DEFINE_integer("num_subjects", 48, "Subjects to write.", 1, 999)
_SEED = flags.DEFINE_integer(
    "seed", 0, "Seed of the cohort; subject n of a seed is always the same.", 0
)
_NUM_WORKERS = flags.DEFINE_integer(
    "num_workers", 0, "Processes; 0: one for each core.", 0
)
_PICTURE = flags.DEFINE_string(
    "picture", None, "PNG file for a picture of the first eight subjects."
)


def phantom_config() -> Optional[PhantomConfig]:
    """Which cohort to write; None if only a picture is wanted."""
    if not _OUTPUT.value:
        if not _PICTURE.value:
            raise errors.UserError("--output=DIR is needed (or --picture=FILE).")
        return None
    return PhantomConfig(
        output=_OUTPUT.value,
        num_subjects=_NUM_SUBJECTS.value,
        seed=_SEED.value,
        num_workers=_NUM_WORKERS.value,
    )


def picture() -> Optional[tuple[str, int, int]]:
    """File, seed and number of subjects of the picture; None: no picture."""
    if not _PICTURE.value:
        return None
    return _PICTURE.value, _SEED.value, min(8, _NUM_SUBJECTS.value)
