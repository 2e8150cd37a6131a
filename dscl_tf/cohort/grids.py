"""Compares the grids of a subject's images, and reads images that share a grid."""

import pathlib
from collections.abc import Iterator, Sequence
from typing import Any, Optional

import numpy as np
import SimpleITK as sitk

from dscl_tf import errors
from dscl_tf.cohort import placing, volumes

SPACING_TOLERANCE_MM = 1e-3
ORIGIN_TOLERANCE_MM = 0.5
# Tolerance of direction cosines: far above rounding in headers, far below the change by
# a turned axis.
DIRECTION_TOLERANCE = 0.02


def differences(image: Any, first: Any) -> Iterator[tuple[str, str, str]]:
    """In which fields the grid of an image differs from that of a first image.

    Args:
      image: an image, or a reader with a header (`volumes.read_header`).
      first: likewise. Of 4-D images, the first three axes are compared.

    Yields:
      Field, what was found, and what was expected.
    """
    if image.GetSize()[:3] != first.GetSize()[:3]:
        yield "size", *(numbers(each.GetSize()[:3]) for each in (image, first))
        return  # If the sizes differ, other differences are not worth a row.
    names = ("direction", "spacing (mm)", "origin (mm)")
    tolerances = (DIRECTION_TOLERANCE, SPACING_TOLERANCE_MM, ORIGIN_TOLERANCE_MM)
    frames = placing.frame(image), placing.frame(first)
    for name, tolerance, found, expected in zip(names, tolerances, *frames):
        if not np.allclose(found, expected, rtol=0, atol=tolerance):
            yield name, numbers(np.ravel(found)), numbers(np.ravel(expected))


def cure(first: pathlib.Path) -> str:
    """What to do with a channel whose grid differs from that of the first."""
    return f"register and resample it to channel 0 ({first}) first"


def read_together(
    images: Sequence[tuple[pathlib.Path, Optional[int]]],
) -> list[sitk.Image]:
    """Reads the channels of a subject.

    Args:
      images: for each channel the file, and the index within it if it is 4-D.

    Returns:
      3-D float32 images, all with the geometry of the first.

    Raises:
      UserError: as `volumes.read_image`, or the grid of a channel differs from that of
        the first.
    """
    found = [volumes.read_image(path, fourth) for path, fourth in images]
    for (path, _), image in zip(images[1:], found[1:]):
        for field, is_, wanted in differences(image, found[0]):
            raise errors.UserError(
                f"{path}: {field}: found {is_}, expected {wanted}; "
                f"{cure(images[0][0])}."
            )
        image.CopyInformation(found[0])
    return found


def numbers(values: Sequence[float]) -> str:
    """Formats sizes, spacings and the like for messages."""
    separator = "x" if len(values) in (2, 3) else " "  # A direction has nine.
    return separator.join(f"{round(value, 4) + 0:g}" for value in values)
