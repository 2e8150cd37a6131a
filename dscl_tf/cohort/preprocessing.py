"""Turns one volume into normalised slices, alike for training and for prediction."""

import math
from collections.abc import Sequence
from typing import Any, Optional

import numpy as np
import SimpleITK as sitk

from dscl_tf import errors
from dscl_tf.cohort import geometry, grids
from dscl_tf.config import PreprocessingConfig

_USUAL = (1, 99)  # Intensities between these percentiles are not outliers.
# Outliers lie further from these percentiles than this many times their difference. A
# few hundred outliers at 100 times it would be all that Otsu's threshold selects; at 10
# times they are not.
_OUTLIER_RANGES = 10
_LARGE_PX = 512  # Columns or rows of the largest usual matrix.
_LEAST_MASK = 0.02  # Share of the voxels in the mask; scans have about 0.1 to 0.6.
_SCALAR_TYPES = (
    sitk.sitkUInt8,
    sitk.sitkInt8,
    sitk.sitkUInt16,
    sitk.sitkInt16,
    sitk.sitkUInt32,
    sitk.sitkInt32,
    sitk.sitkUInt64,
    sitk.sitkInt64,
    sitk.sitkFloat32,
    sitk.sitkFloat64,
)


def prepare_image(
    image: sitk.Image, settings: PreprocessingConfig
) -> tuple[np.ndarray, sitk.Image]:
    """Orients, corrects, normalises and resamples an image.

    Args:
      image: 3-D, of any real scalar type.
      settings: how to prepare it.

    Returns:
      float32 [Q, rows, columns] and the grid of these slices (`in_plane_grid`).

    Raises:
      UserError: it is not such an image, has NaN or infinite values, or no contrast.
    """
    _require_volume(image)
    image = sitk.Cast(image, sitk.sitkFloat32)
    fault = intensity_fault(image, settings)
    if fault:
        found, expected, cure = fault
        raise errors.UserError(f"voxels: found {found}, expected {expected}; {cure}.")
    oriented = geometry.orient(image, settings.orientation)
    if settings.bias_correction:
        oriented = correct_bias(oriented, settings)
    values = sitk.GetArrayFromImage(oriented)
    result = sitk.GetImageFromArray(_normalised(values, settings))
    result.CopyInformation(oriented)
    grid = geometry.in_plane_grid(oriented, settings)
    return sitk.GetArrayFromImage(geometry.to_grid(result, grid)), grid


def _require_volume(image: Any) -> None:
    """Refuses other objects than volumes, with cures for those common in notebooks."""
    if not isinstance(image, sitk.Image):
        raise errors.UserError(
            f"found an object of type {type(image).__name__}, expected a SimpleITK "
            "image: sitk.ReadImage reads a file, sitk.GetImageFromArray takes an array "
            "(give it spacing and direction)."
        )
    if image.GetDimension() != 3:
        raise errors.UserError(
            f"found a {image.GetDimension()}-dimensional image, expected 3-D: "
            "sitk.JoinSeries(image) makes one of a 2-D slice, image[..., 0] takes the "
            "first of a 4-D series."
        )
    if image.GetPixelID() not in _SCALAR_TYPES:
        raise errors.UserError(
            f"found voxels of type {image.GetPixelIDTypeAsString()}, expected one real "
            "number each: sitk.VectorIndexSelectionCast(image, 0) takes the first of "
            "several, sitk.ComplexToModulus(image) the magnitude."
        )
    if image.GetNumberOfPixels() == 0:
        raise errors.UserError(
            f"found an image of size {image.GetSize()}, expected voxels: look at it."
        )


def prepare_images(
    images: Sequence[sitk.Image], settings: PreprocessingConfig
) -> tuple[np.ndarray, sitk.Image]:
    """Prepares the channels of a volume independently.

    Args:
      images: 3-D, of any real scalar type, all of one geometry.
      settings: how to prepare them.

    Returns:
      float32 [Q, rows, columns, C] and the grid of these slices (`in_plane_grid`).

    Raises:
      UserError: as `prepare_image`; or the number of images is not that of the
        channels, or the grid of an image differs from that of the first.
    """
    if len(images) != settings.num_channels:
        raise errors.UserError(
            f"found {len(images)} images of a subject, expected "
            f"{settings.num_channels}, one of each channel."
        )
    found = []
    for number, image in enumerate(images):
        try:
            found.append(prepare_image(image, settings))
        except errors.UserError as error:
            if len(images) == 1:
                raise
            name = settings.channels[number].name
            raise errors.UserError(f"channel {name}: {error}") from None
        for field, is_, wanted in grids.differences(image, images[0]):
            raise errors.UserError(
                f"channel {settings.channels[number].name}: {field}: found {is_}, "
                f"expected {wanted}; resample it to the first channel."
            )
    slices = [each for each, _ in found]
    return np.stack(slices, axis=-1), found[0][1]


def intensity_fault(
    image: sitk.Image, settings: PreprocessingConfig
) -> Optional[tuple[str, str, str]]:
    """Why an image's values cannot be normalised.

    Args:
      image: 3-D.
      settings: how the image would be prepared.

    Returns:
      What was found, what was expected, and the cure; None for a good image.
    """
    values = sitk.GetArrayViewFromImage(image)
    bad = int(np.count_nonzero(~np.isfinite(values)))
    if bad:
        return f"{bad} NaN or infinite", "numbers", "repair it or leave it out"
    if values.min() == values.max():
        return f"all {values.min():g}", "contrast", "leave it out"
    try:
        _normalised(values, settings)
    except errors.UserError as error:
        return str(error).rstrip("."), "contrast", "look at it"
    return None


def _normalised(values: np.ndarray, settings: PreprocessingConfig) -> np.ndarray:
    if settings.window:
        return apply_window(values, settings.window)
    return normalise(values, settings.percentiles)


def normalise(values: np.ndarray, percentiles: tuple[float, float]) -> np.ndarray:
    """(x - p_low) / (p_high - p_low) of a whole volume (paper, section 4).

    Args:
      values: float [...].
      percentiles: of the values that become 0 and 1.

    Returns:
      float32 [...]; not clipped.

    Raises:
      UserError: the two percentiles are the same.
    """
    # Python floats: with NumPy's float64 scalars, NumPy 2 would convert all values to
    # float64.
    low, high = map(float, np.percentile(values, percentiles))
    if not high > low:
        raise errors.UserError(
            f"percentiles {percentiles[0]:g} and {percentiles[1]:g} are both {low:g}: "
            "the image is constant, or nearly; leave it out."
        )
    return ((values - low) / (high - low)).astype(np.float32)


def apply_window(values: np.ndarray, window: tuple[float, float]) -> np.ndarray:
    """(x - low) / (high - low), clipped to [0, 1]: for CT, whose units are absolute.

    Args:
      values: float [...].
      window: low and high, in the unit of `values` (HU).

    Returns:
      float32 [...] in [0, 1].

    Raises:
      UserError: all values are on one side of the window.
    """
    low, high = window
    if values.max() <= low or values.min() >= high:
        raise errors.UserError(
            f"its values {values.min():g} to {values.max():g} are all outside of the "
            f"window {low:g} to {high:g}: is it CT, in Hounsfield units? Choose "
            "another --window, or percentiles."
        )
    return np.clip((values - low) / (high - low), 0, 1).astype(np.float32)


def correct_bias(image: sitk.Image, settings: PreprocessingConfig) -> sitk.Image:
    """N4 bias correction, fitted on a shrunk image, applied at full size.

    Args:
      image: 3-D float32, slices along the last axis.
      settings: its `bias_*` fields are used.

    Returns:
      float32 image, divided by the bias field.
    """
    flat = _in_plane(image)
    shrunk, mask = _fitted_to(flat, settings)
    correction = sitk.N4BiasFieldCorrectionImageFilter()
    correction.SetMaximumNumberOfIterations(
        [settings.bias_iterations] * settings.bias_levels
    )
    correction.SetConvergenceThreshold(settings.bias_convergence)
    correction.Execute(shrunk, mask)
    field = correction.GetLogBiasFieldAsImage(flat)
    corrected = sitk.Cast(flat / sitk.Exp(field), sitk.sitkFloat32)
    if corrected.GetDimension() == 2:
        corrected = sitk.JoinSeries([corrected])
        corrected.CopyInformation(image)
    return corrected


def bias_doubt(
    image: sitk.Image, settings: PreprocessingConfig
) -> Optional[tuple[str, str, str]]:
    """Why N4 may spoil an image: its mask has hardly any voxels.

    Args:
      image: 3-D, of any orientation, without NaN or infinite values.
      settings: how the image would be prepared.

    Returns:
      What was found, what was expected, and the cure; None for a good image, or if
      bias correction is off.
    """
    if not settings.bias_correction:
        return None
    oriented = geometry.orient(image, settings.orientation)
    _, mask = _fitted_to(_in_plane(oriented), settings)
    part = float(sitk.GetArrayViewFromImage(mask).mean())
    if part >= _LEAST_MASK:
        return None
    return (
        f"a mask of {100 * part:.2g} % of the voxels (Otsu's threshold)",
        f"{100 * _LEAST_MASK:g} % or more",
        "N4 uses only that part: check whether some voxels are far too bright, or "
        "prepare with --nobias_correction",
    )


def _in_plane(image: sitk.Image) -> sitk.Image:
    """The image, as 2-D if it has one slice, since N4 cannot fit such a volume."""
    if image.GetSize()[2] > 1:
        return image
    flat = sitk.GetImageFromArray(sitk.GetArrayViewFromImage(image)[0])
    flat.SetSpacing(image.GetSpacing()[:2])
    return flat


def _fitted_to(
    image: sitk.Image, settings: PreprocessingConfig
) -> tuple[sitk.Image, sitk.Image]:
    """The shrunk image that N4 fits its field to, and the mask of voxels it uses."""
    # The field is smooth, so averaging in-plane loses nothing of it. It removes noise
    # and detail that would be fitted, and saves nearly all of the time.
    factor = [*_factor(image, settings), 1][: image.GetDimension()]
    shrunk = sitk.BinShrink(_without_outliers(image), factor)
    return shrunk, sitk.OtsuThreshold(shrunk, 0, 1, 200)


def _without_outliers(image: sitk.Image) -> sitk.Image:
    """Clips outliers, since Otsu's threshold could otherwise select only these."""
    low, high = np.percentile(sitk.GetArrayViewFromImage(image), _USUAL)
    reach = _OUTLIER_RANGES * (high - low)
    if reach == 0:
        return image
    return sitk.Clamp(image, sitk.sitkFloat32, low - reach, high + reach)


def _factor(image: sitk.Image, settings: PreprocessingConfig) -> list[int]:
    """Shrink factors of columns and rows; large images get larger ones to save time."""
    return [
        max(1, min(math.ceil(settings.bias_shrink * scale), extent // 8))
        for extent in image.GetSize()[:2]
        for scale in [max(1.0, extent / _LARGE_PX)]
    ]
