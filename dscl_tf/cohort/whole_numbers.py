"""Converts label volumes to integers; values may be off by rounding errors only."""

import numpy as np
import SimpleITK as sitk

from dscl_tf import errors, files
from dscl_tf.cohort.problems import first_of

_OFF = 1e-3  # Absolute tolerance: distance from a whole number.
_OFF_BY_SLOPE = 2e-5  # Relative tolerance, added to the absolute one.
_SHOWN = 8  # A message lists at most this many values.
# What is expected of values that 32 bits cannot hold, and the cure.
_FITTING = "numbers of at most 32 bits", "number the structures anew, from 1"


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
        the number, are not finite, or do not fit 32 bits.
    """
    values = sitk.GetArrayViewFromImage(image)
    fits = np.iinfo(np.int32)
    if np.issubdtype(values.dtype, np.integer):
        _require(path, values, (values >= fits.min) & (values <= fits.max), _FITTING)
        return sitk.Cast(image, sitk.sitkInt32)
    # A slope in a header, such as 1.0000153, shifts whole numbers slightly, large ones
    # more.
    is_whole = np.isclose(values, np.round(values), rtol=_OFF_BY_SLOPE, atol=_OFF)
    is_whole &= np.isfinite(values)
    wanted = LabelValuesError.expected, LabelValuesError.cure
    _require(path, values, is_whole, wanted)
    _require(path, values, np.abs(values) <= fits.max, _FITTING)
    return sitk.Cast(sitk.Round(image), sitk.sitkInt32)


def _require(
    path: files.PathLike, values: np.ndarray, is_good: np.ndarray, wanted: tuple
) -> None:
    if is_good.all():
        return
    odd = values[~is_good]
    is_float = np.issubdtype(odd.dtype, np.floating)
    shown = [f"{each:.7g}" if is_float else str(each) for each in np.unique(odd)]
    found = f"{first_of(shown, _SHOWN, ' and ')} ({odd.size} voxels)"
    expected, cure = wanted
    error = LabelValuesError(
        f"{path}: values: found {found}, expected {expected}; {cure}."
    )
    error.found, error.expected, error.cure = found, expected, cure
    raise error
