"""Converts label volumes to integers; values may be off by rounding errors only."""

import numpy as np
import SimpleITK as sitk

from dscl_tf import errors, files
from dscl_tf.cohort.problems import first_of

_OFF = 1e-3  # Absolute tolerance: distance from a whole number.
_OFF_BY_SLOPE = 2e-5  # Relative tolerance, added to the absolute one.
_SHOWN = 8  # A message lists at most this many values.


class LabelValuesError(errors.UserError):
    """A label volume with values that are not whole numbers.

    Attributes:
      found: the values, for a table.
    """

    found = ""
    expected = f"whole numbers, within {_OFF:g}"
    cure = (
        "is it an image, or was it interpolated? Save it with nearest-neighbour "
        "interpolation, as whole numbers without a slope"
    )


def as_whole(image: sitk.Image, path: files.PathLike) -> sitk.Image:
    """Rounds a label volume to integers.

    Args:
      image: of any scalar type.
      path: its file, for the error message.

    Returns:
      int32 image.

    Raises:
      LabelValuesError: values differ from whole numbers by more than 0.001 plus 2e-5 of
        the number, or are not finite.
    """
    values = sitk.GetArrayViewFromImage(image)
    if np.issubdtype(values.dtype, np.integer):
        return sitk.Cast(image, sitk.sitkInt32)
    # A slope in a header, such as 1.0000153, shifts whole numbers slightly, large ones
    # more.
    is_whole = np.isclose(values, np.round(values), rtol=_OFF_BY_SLOPE, atol=_OFF)
    is_whole &= np.isfinite(values)
    if not is_whole.all():
        raise _error(path, values[~is_whole])
    return sitk.Cast(sitk.Round(image), sitk.sitkInt32)


def _error(path: files.PathLike, odd: np.ndarray) -> LabelValuesError:
    values = np.unique(odd)
    shown = first_of([f"{value:.7g}" for value in values], _SHOWN, " and ")
    found = f"{shown} ({odd.size} voxels)"
    kind = LabelValuesError
    error = kind(
        f"{path}: values: found {found}, expected {kind.expected}; {kind.cure}."
    )
    error.found = found
    return error
