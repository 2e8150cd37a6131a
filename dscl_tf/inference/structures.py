"""Structures as they appear in masks: value, name and colour."""

from collections.abc import Sequence
from typing import NamedTuple, Optional

from dscl_tf import palette
from dscl_tf.cohort import label_values


class Structure(NamedTuple):
    """One structure of masks."""

    value: int  # Value of its voxels in a mask.
    name: str
    color: str  # "#rrggbb", as in every picture.

    @property
    def rgb(self) -> tuple[int, int, int]:
        """Red, green and blue, 0 to 255."""
        red, green, blue = bytes.fromhex(self.color.removeprefix("#"))
        return red, green, blue


def structures(
    label_names: Sequence[str], values: Optional[Sequence[int]] = None
) -> tuple[Structure, ...]:
    """The structures of a model's masks.

    Args:
      label_names: name of each class; the first is the background, no structure.
      values: the voxel value of each class in masks; None: the classes.
    """
    values = label_values.of_classes(values, len(label_names))
    return tuple(
        Structure(values[label], name, palette.structure_color(label))
        for label, name in enumerate(label_names)
        if label
    )
