"""Channels recognised by how file names end: CASE_0001, CASE_adc, CASE-t2."""

import pathlib
from collections.abc import Mapping, Sequence
from typing import Optional

from dscl_tf import errors
from dscl_tf.cohort import formats
from dscl_tf.cohort.problems import ERROR, WARNING, Problem
from dscl_tf.config import ChannelConfig


def parse(texts: Sequence[str]) -> tuple[ChannelConfig, ...]:
    """Channels from numbers (for _0000, _0001, ...) or names (for _t2, -adc, ...).

    Raises:
      UserError: a text is empty or occurs twice.
    """
    lowered = [text.strip().lower() for text in texts]
    if not all(lowered) or len(set(lowered)) < len(lowered):
        raise errors.UserError(
            f"--channels={','.join(texts)}: expected different numbers or names, "
            "separated by commas, as at the end of the files' names."
        )
    return tuple(
        ChannelConfig(text, int(text) if text.isascii() and text.isdigit() else None)
        for text in lowered
    )


def split(stem: str, channels: Sequence[ChannelConfig]) -> Optional[tuple[str, int]]:
    """Splits a file name into the case's name and the index in `channels`, or None.

    Args:
      stem: the file name without its suffix.
      channels: those looked for; numbers have four digits in file names.
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
    # The longest ending wins: CASE_ce-t2 is channel ce-t2, not t2.
    return min(found, key=lambda parts: len(parts[0]), default=None)


def group(
    found: Mapping[str, pathlib.Path], channels: Sequence[ChannelConfig]
) -> tuple[dict[str, list[Optional[pathlib.Path]]], list[Problem]]:
    """Groups files by case, one file per channel.

    Args:
      found: files by name without suffix.
      channels: those looked for.

    Returns:
      For each case's name one file per channel, None where it is missing; and the
      problems: files of no channel, two files of one channel, missing channels.
    """
    cases: dict[str, list[Optional[pathlib.Path]]] = {}
    problems = []
    for stem, path in sorted(found.items()):
        parts = split(stem, channels)
        ends = " or ".join(map(end_of, channels))
        if parts is None:
            cure = "it is left out: rename it, or move it elsewhere"
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
    """The problem that one channel of a case is missing.

    Args:
      name: the case's name.
      path: the file that was looked for.
    """
    where = name, str(path), "file"
    return Problem(ERROR, *where, "other channels of it", "this one", "copy it again")


def end_of(channel: ChannelConfig) -> str:
    """How file names of a channel end."""
    if channel.number is not None:
        return f"_{channel.number:04d}"
    return f"_{channel.name}"


def _file_name(name: str, channel: ChannelConfig, like: pathlib.Path) -> str:
    return f"{name}{end_of(channel)}{formats.suffix_of(like.name)}"
