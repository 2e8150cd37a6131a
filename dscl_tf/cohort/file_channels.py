"""Channels that are told by the names of their files: CASE_0001, CASE_adc, CASE-t2."""

import pathlib
from collections.abc import Mapping, Sequence
from typing import Optional

from dscl_tf import errors
from dscl_tf.cohort import formats
from dscl_tf.cohort.problems import ERROR, WARNING, Problem
from dscl_tf.config import ChannelConfig


def parse(texts: Sequence[str]) -> tuple[ChannelConfig, ...]:
    """Channels from numbers (of _0000, _0001, ...) or names (of _t2, -adc, ...).

    Raises:
      UserError: a text is empty or there twice.
    """
    lowered = [text.strip().lower() for text in texts]
    if not all(lowered) or len(set(lowered)) < len(lowered):
        raise errors.UserError(
            f"--channels={','.join(texts)}: expected different numbers or names with "
            "commas between, as the files' names end."
        )
    return tuple(
        ChannelConfig(text, int(text) if text.isascii() and text.isdigit() else None)
        for text in lowered
    )


def split(stem: str, channels: Sequence[ChannelConfig]) -> Optional[tuple[str, int]]:
    """Name of the case and place of the channel in `channels`, or None.

    Args:
      stem: of a file, without its suffix.
      channels: those looked for; a number is written with four digits.
    """
    found = []
    for place, channel in enumerate(channels):
        ends = [f"_{channel.number:04d}"] if channel.number is not None else []
        ends += [f"_{channel.name}", f"-{channel.name}"]
        found += [
            (stem[: -len(end)], place)
            for end in ends
            if stem.lower().endswith(end.lower()) and len(stem) > len(end)
        ]
    # The longest end: CASE_ce-t2 is of ce-t2, not of t2.
    return min(found, key=lambda parts: len(parts[0]), default=None)


def group(
    found: Mapping[str, pathlib.Path], channels: Sequence[ChannelConfig]
) -> tuple[dict[str, list[Optional[pathlib.Path]]], list[Problem]]:
    """The files of each case, one a channel.

    Args:
      found: files by name without suffix.
      channels: those looked for.

    Returns:
      By name of the case a file for each channel, None where it is missing; and what
      is wrong: files of no channel, and channels that are missing.
    """
    cases: dict[str, list[Optional[pathlib.Path]]] = {}
    problems = []
    for stem, path in sorted(found.items()):
        parts = split(stem, channels)
        ends = " or ".join(map(end_of, channels))
        if parts is None:
            cure = "it is left out: rename it, or take it away"
            where = stem, str(path), "name"
            problems.append(Problem(WARNING, *where, "no channel", ends, cure))
            continue
        name, place = parts
        files = cases.setdefault(name, [None] * len(channels))
        if files[place]:
            where = name, str(path), "name", f"the same channel as {files[place].name}"
            problems.append(Problem(ERROR, *where, "one file", "keep one of them"))
        files[place] = path
    for name, files in cases.items():
        there = next(path for path in files if path)
        problems += [
            missing(name, there.parent / _file_name(name, channel, there))
            for channel, path in zip(channels, files)
            if path is None
        ]
    return cases, problems


def missing(name: str, path: pathlib.Path) -> Problem:
    """The fault of a case of which one channel is not there.

    Args:
      name: of the case.
      path: the file that was looked for.
    """
    where = name, str(path), "file"
    return Problem(ERROR, *where, "other channels of it", "this one", "copy it again")


def end_of(channel: ChannelConfig) -> str:
    """How the name of a channel's file ends, for messages."""
    if channel.number is not None:
        return f"_{channel.number:04d}"
    return f"_{channel.name}"


def _file_name(name: str, channel: ChannelConfig, like: pathlib.Path) -> str:
    return f"{name}{end_of(channel)}{formats.suffix_of(like.name)}"
