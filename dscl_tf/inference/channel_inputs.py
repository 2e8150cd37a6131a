"""Groups the input files of a model with several channels into cases."""

import dataclasses
import logging
import pathlib
from collections.abc import Collection, Sequence
from typing import Optional

from dscl_tf import errors, files
from dscl_tf.cohort import channels as of_models
from dscl_tf.cohort import file_channels, formats, volumes
from dscl_tf.cohort.layouts import listing
from dscl_tf.config import ChannelConfig, PreprocessingConfig

_LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class CaseInput:
    """The files of one case."""

    mask: str  # Name of its mask's file, such as CASE.nii.gz.
    # In the order of the network's input: a file for each channel, and the channel's
    # index along the fourth axis if the file is 4-D.
    images: tuple[tuple[pathlib.Path, Optional[int]], ...]
    fault: str = ""  # Why it cannot be segmented; empty if it can.


def are_wanted(settings: Optional[PreprocessingConfig]) -> bool:
    """Whether inputs are to be grouped by the channels in their names (`group`).

    They are if the model has several channels, or one that goes by a name.
    """
    return settings is not None and (
        settings.num_channels > 1
        or any(channel.number is None for channel in settings.channels or ())
    )


def check_flags(
    settings: PreprocessingConfig, channel: Optional[int], write_dicom_seg: bool
) -> None:
    """Refuses flags that a model of several channels does not support.

    Raises:
      UserError: naming the flag.
    """
    if settings.num_channels == 1:
        return
    names = of_models.names(settings)
    if channel is not None:
        raise errors.UserError(
            f"--channel={channel}: the model takes the channels {names} together; "
            "leave --channel out."
        )
    if write_dicom_seg:
        raise errors.UserError(
            f"--write_dicom_seg: the model takes the channels {names}, which no single "
            "DICOM series has; leave the flag out."
        )


def group(
    source: files.PathLike,
    inputs: Sequence[pathlib.Path],
    settings: PreprocessingConfig,
    files_are_cases: bool = False,
) -> dict[pathlib.Path, CaseInput]:
    """Groups files into cases of the model's channels, keyed by their first files.

    A name tells a file's channel (CASE_0000, CASE_adc). A file without such a name is
    a case by itself: 4-D, unless the model has one channel.

    Args:
      source: --input: the folder, or a file.
      inputs: the images found there.
      settings: the model's preprocessing.
      files_are_cases: takes each file for a case and ignores channels in names.

    Raises:
      UserError: `source` is a single channel of a case, or DICOM; or two files have
        the same name.
    """
    channels = settings.channels or ()
    named = {
        stem: path
        for stem, path in listing.by_name(() if files_are_cases else inputs).items()
        if file_channels.split(stem, channels)
    }
    _refuse_one_channel(source, inputs[0], settings, is_of_channel=bool(named))
    found = _of_names(named, channels)
    others = [path for path in inputs if path not in named.values()]
    cases = {file_channels.split(stem, channels)[0] for stem in named}
    more = [path for path in others if _is_of_case(path, cases)]
    if more:
        _LOG.warning(
            "%d files of channels that the model does not take are left out, such as "
            "%s.",
            len(more),
            more[0].name,
        )
    found.update(
        (path, _of_one_file(path, channels, bool(named)))
        for path in others
        if path not in more
    )
    return dict(sorted(found.items()))


def _refuse_one_channel(
    source: files.PathLike,
    first: pathlib.Path,
    settings: PreprocessingConfig,
    is_of_channel: bool,
) -> None:
    """Refuses DICOM, and one file that does not hold all channels."""
    channels = settings.channels or ()
    takes = f"but the model takes the channels {of_models.names(settings)}"
    if formats.is_dicom(first):
        raise errors.UserError(
            f"--input {source} is DICOM, which has one image at each place, {takes}: "
            f"convert the series to files that end in {_ends(channels)}."
        )
    is_file = not pathlib.Path(source).is_dir()
    if is_file and len(channels) > 1 and (is_of_channel or not _is_4d(first)):
        raise errors.UserError(
            f"--input {source} is one file, {takes}: put the files of the case, which "
            f"end in {_ends(channels)}, into a folder and give that as --input."
        )


def _is_of_case(path: pathlib.Path, cases: Collection[str]) -> bool:
    """Whether a file is a channel that the model does not take, of one of the cases."""
    stem = formats.strip_suffix(path.name)
    is_named = stem[: max(stem.rfind("_"), stem.rfind("-"), 0)] in cases
    return is_named and not _is_4d(path)


def _of_names(
    named: dict[str, pathlib.Path], channels: Sequence[ChannelConfig]
) -> dict[pathlib.Path, CaseInput]:
    cases, problems = file_channels.group(named, channels)
    faults = {problem.case: str(problem) for problem in reversed(problems)}
    found = {}
    for name, paths in cases.items():
        first = next(path for path in paths if path)
        images = tuple((path, None) for path in paths if path)
        mask = f"{name}{formats.suffix_of(first.name)}"
        found[first] = CaseInput(mask, images, faults.get(name, ""))
    return found


def _of_one_file(
    path: pathlib.Path, channels: Sequence[ChannelConfig], others_are_named: bool
) -> CaseInput:
    """A case in one file: a 4-D file, which holds all channels.

    For a model of one channel any file will do, unless others are named after it.
    """
    if len(channels) == 1 and not others_are_named:
        return CaseInput(path.name, ((path, None),))
    fault = ""
    if not _is_4d(path) or any(channel.number is None for channel in channels):
        fault = (
            f"{path}: name: found none of the channels, expected one that ends in "
            f"{_ends(channels)}, or a 4-D file of a model of such; rename it, or leave "
            "it out."
        )
    return CaseInput(path.name, tuple((path, it.number) for it in channels), fault)


def _is_4d(path: pathlib.Path) -> bool:
    try:
        return volumes.read_header(path).GetDimension() == 4
    except errors.UserError:
        return False


def _ends(channels: Sequence[ChannelConfig]) -> str:
    return " and ".join(map(file_channels.end_of, channels))
