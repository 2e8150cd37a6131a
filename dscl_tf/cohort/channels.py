"""Checks that a model and a cohort have the same channels."""

from typing import Optional

from dscl_tf import errors
from dscl_tf.config import PreprocessingConfig


def names(settings: PreprocessingConfig) -> str:
    """The channels in the order of the network's input, for messages."""
    found = settings.channels or ()
    return ", ".join(channel.name for channel in found) or "one image per subject"


def difference(
    theirs: PreprocessingConfig, ours: PreprocessingConfig
) -> Optional[tuple[str, str]]:
    """Both lists of channels in words if they differ; else None.

    Older versions did not record the channel. Settings without channels therefore match
    any single channel.
    """
    keys = [
        [channel.name.lower() for channel in each.channels or ()]
        for each in (theirs, ours)
    ]
    fits = keys[0] == keys[1]
    if not all(keys):
        fits = theirs.num_channels == ours.num_channels
    return None if fits else (names(theirs), names(ours))


def require_same(
    model: object, theirs: PreprocessingConfig, cohort: object, ours
) -> None:
    """Refuses a cohort whose channels differ from those the model was trained on.

    Raises:
      UserError: the channels differ; the message names model, cohort and channels.
    """
    found = difference(theirs, ours)
    if found:
        raise errors.UserError(
            f"{model} was trained on other channels ({found[0]}) than the cohort "
            f"{cohort} has ({found[1]}): prepare the cohort again with the model's "
            "channels (--channels), or train a model on this cohort."
        )
