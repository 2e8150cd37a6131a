"""Reads structures' names from the headers of 3D Slicer's segmentations.

Such a file is called NAME.seg.nrrd unless it was renamed. Its header has the fields
Segment0_Name, Segment0_LabelValue, Segment1_Name, ...
"""

import itertools
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Optional

from dscl_tf.cohort import formats, volumes
from dscl_tf.cohort.problems import WARNING, Problem

_OF_NRRD = (".nrrd", ".nhdr")
# Maps each voxel value to its names, and each name to the first file that has it.
Said = Mapping[int, Mapping[str, pathlib.Path]]


def read(labels: Sequence[pathlib.Path]) -> tuple[Said, bool]:
    """The names that label files give their values, and whether all files have names.

    Args:
      labels: readable files.
    """
    said: dict[int, dict[str, pathlib.Path]] = {}
    all_have = True
    for path in labels:
        segments = list(_segments(path))
        all_have = all_have and bool(segments)
        for value, name in segments:
            names = said.setdefault(value, {})
            if name.lower() not in map(str.lower, names):
                names[name] = path
    return said, all_have


def _segments(path: pathlib.Path) -> Iterable[tuple[int, str]]:
    if formats.suffix_of(path.name) not in _OF_NRRD:
        return
    header = volumes.read_header(path)
    for number in itertools.count():
        fields = [f"Segment{number}_{key}" for key in ("LabelValue", "Name")]
        if not all(map(header.HasMetaDataKey, fields)):
            return
        value, name = (header.GetMetaData(field).strip() for field in fields)
        if value.isascii() and value.isdigit() and len(value) <= 9 and name:
            yield int(value), name


def of_values(said: Said, values: Sequence[int]) -> Optional[tuple[str, ...]]:
    """A name for each value; None unless each has exactly one, and all are different.

    "background" does not count as the name of a structure.
    """
    names = [list(said.get(value, ())) for value in values]
    found = [each[0] for each in names if len(each) == 1]
    lowered = {name.lower() for name in found} - {"background"}
    return tuple(found) if len(lowered) == len(values) > 0 else None


def conflicts(said: Said) -> list[Problem]:
    """A warning for each value that has different names in different files."""
    cure = "3D Slicer numbers segments in the order they were made: give each structure"
    cure += " one label value in all files"
    return [
        Problem(
            WARNING,
            "",
            "all labels",
            "segments",
            f"{value} is "
            + ", ".join(f"{name} in {path.name}" for name, path in names.items()),
            "one name a value",
            cure,
        )
        for value, names in sorted(said.items())
        if len(names) > 1
    ]
