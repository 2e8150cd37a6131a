"""Selects the files of one channel by the channel numbers in their names."""

import logging
import pathlib
import re
from collections.abc import Sequence
from typing import Optional

from dscl_tf import errors
from dscl_tf.cohort import volumes
from dscl_tf.config import PreprocessingConfig

# nnU-Net's name for the file of one channel of a case.
_CHANNEL = re.compile(r"(?P<case>.+)_(?P<channel>[0-9]{4})\.[^0-9].*")
_SHOWN = 8  # Channels that a message lists.
_LOG = logging.getLogger(__name__)


def remembered(settings: Optional[PreprocessingConfig]) -> Optional[int]:
    """The number of a model's only channel, if that was chosen from several."""
    chosen = (settings.channels or ()) if settings else ()
    return chosen[0].number if len(chosen) == 1 else None


def choose(
    inputs: list[pathlib.Path], channel: Optional[int], remembered: Optional[int]
) -> list[pathlib.Path]:
    """Leaves out the other channels of cases that have a file for each channel.

    Args:
      inputs: the images of a folder.
      channel: the channel asked for, if any.
      remembered: the model's channel, used if `channel` is None.

    Raises:
      UserError: the channel is not given or not there, or a case lacks it.
    """
    matches = {path: _CHANNEL.fullmatch(path.name) for path in inputs}
    channels = {int(found["channel"]) for found in matches.values() if found}
    if len(channels) < 2 or not _are_channels(matches, channel):
        return inputs
    channel = remembered if channel is None else channel
    folder = inputs[0].parent
    if channel not in channels:
        known = ", ".join(map(str, sorted(channels)[:_SHOWN]))
        more = ", ..." if len(channels) > _SHOWN else ""
        raise errors.UserError(
            f"--input {folder} has names of the channels {known}{more} of each case, "
            f"found --channel={'' if channel is None else channel}: say which of them "
            "the model was trained on, or --files_are_cases if each file is a case."
        )
    cases: dict[str, list[pathlib.Path]] = {}
    for path, found in matches.items():
        cases.setdefault(found["case"] if found else path.name, []).append(path)
    chosen = [
        path
        for path, found in matches.items()
        if not found or int(found["channel"]) == channel
    ]
    taken = set(chosen)
    others = [path for path in inputs if path not in taken]
    lacking = [paths[0] for paths in cases.values() if taken.isdisjoint(paths)]
    if lacking:
        raise errors.UserError(
            f"--input {folder}: channel {channel} of {len(lacking)} cases is missing, "
            f"such as that of {lacking[0].name}: copy it there, or move these files "
            "elsewhere (--files_are_cases if each file is a case)."
        )
    if others:
        _LOG.warning(
            "%d files of other channels than %d are left out, such as %s; with "
            "--files_are_cases each file is a case.",
            len(others),
            channel,
            others[0].name,
        )
    return chosen


def _are_channels(matches: dict, channel: Optional[int]) -> bool:
    """Whether numbers at the ends of names are channels, not part of the cases' ids."""
    numbered = [path for path, found in matches.items() if found]
    has_first = any(int(matches[path]["channel"]) == 0 for path in numbered)
    if not has_first and (channel is None or len(numbered) < len(matches)):
        return False
    try:
        return volumes.read_header(numbered[0]).GetDimension() < 4
    except errors.UserError:
        return has_first  # The file is reported when it is segmented.


def check(
    source: pathlib.Path,
    inputs: Sequence[pathlib.Path],
    channel: Optional[int],
    remembered: Optional[int],
    files_are_cases: bool,
) -> None:
    """Refuses a channel that no input can have; for the model's own it only warns.

    Args:
      source: where the inputs are, for messages.
      inputs: the images that `choose` left.
      channel: the channel asked for, if any.
      remembered: the model's channel, used if `channel` is None.
      files_are_cases: whether each file is a case, so that names tell no channel.

    Raises:
      UserError: naming the flag.
    """
    wanted = remembered if channel is None else channel
    names = [] if files_are_cases else [path.name for path in inputs]
    matches = map(_CHANNEL.fullmatch, names)
    named = {int(found["channel"]) for found in matches if found}
    if wanted is None or named == {wanted} or not _are_without_channels(inputs):
        return
    ends = ", ".join(f"_{number:04d}" for number in sorted(named)[:_SHOWN])
    said = f"names that end in {ends}" if named else "no name of a channel"
    found = f"found no 4-D image in --input {source}, and {said}"
    if channel is not None:
        raise errors.UserError(
            f"--channel={channel}: {found}, expected one that ends in _{channel:04d}: "
            "leave the flag out if these are the images to segment, else give those "
            "of that channel."
        )
    _LOG.warning(
        "The model was trained on channel %d of its dataset; %s: the images are "
        "assumed to be of that channel.",
        wanted,
        found,
    )


def _are_without_channels(inputs: Sequence[pathlib.Path]) -> bool:
    """Whether there are readable images, and none of them is 4-D."""
    found = False
    for path in inputs:
        try:
            if volumes.read_header(path).GetDimension() == 4:
                return False
            found = True
        except errors.UserError:
            continue  # It is reported when it is segmented.
    return found
