"""The phantom's scanner: slice geometry, contrast, coil sensitivity and noise."""

import dataclasses

import numpy as np
import SimpleITK as sitk

_Range = tuple[float, float]  # Bounds of a uniform distribution.


@dataclasses.dataclass(frozen=True)
class ScanRanges:
    """What differs between scans; uniform unless stated otherwise."""

    length_mm: _Range = (76, 104)  # Of the heart, base to apex.
    wanted_thickness_mm: _Range = (6.5, 10)  # Determines the number of slices.
    thickness_mm: _Range = (5, 10)  # The thickness is clipped to this range.
    num_slices: tuple[int, int] = (8, 12)  # The number is clipped to this range.
    first_height: _Range = (0.0, 0.07)  # Middle of the first slice; 0 base, 1 apex.
    last_height: _Range = (0.9, 0.97)
    num_rows: tuple[int, int] = (186, 250)  # The upper bound is exclusive.
    num_columns: tuple[int, int] = (196, 262)  # The upper bound is exclusive.
    pixel_mm: _Range = (1.3, 1.7)
    # Standard deviations of the coefficients of the coil's log sensitivity: for x, y,
    # xy, x^2 and y^2, where x and y are 1 at the edge.
    bias: tuple[float, ...] = (0.35, 0.45, 0.25, 0.25, 0.2)
    gamma: _Range = (0.6, 1.5)  # Exponent of the contrast curve.
    # Standard deviation in each of the real and imaginary channels, before scaling.
    noise: _Range = (0.02, 0.07)
    scale: _Range = (250, 1100)  # The stored value of an intensity of 1.


_TEXTURE = 0.05  # Standard deviation of the tissue's texture, relative to intensity.
_TEXTURE_PX = 2.0  # In-plane sigma of the Gaussian that smooths the texture.
_BREATH_HOLD = 0.06  # Standard deviation of the relative brightness of slices.


@dataclasses.dataclass(frozen=True)
class Scan:
    """How a subject is scanned."""

    shape: tuple[int, int]  # Rows, columns.
    pixel_mm: float
    thickness_mm: float
    heights: tuple[float, ...]  # Middle of each slice; 0 base, 1 apex.
    slab: float  # Slice thickness (distance of neighbours), in units of `heights`.
    bias: np.ndarray  # float [5], coefficients of the coil's log sensitivity.
    gamma: float
    noise: float
    scale: float


def draw_scan(rng: np.random.Generator) -> Scan:
    """Draws the scan parameters of a subject."""
    ranges = ScanRanges()
    length_mm = rng.uniform(*ranges.length_mm)
    wanted_mm = rng.uniform(*ranges.wanted_thickness_mm)
    count = int(np.clip(round(length_mm / wanted_mm), *ranges.num_slices))
    # The slices begin and end a little inside the heart.
    thickness_mm = float(np.clip(0.98 * length_mm / count, *ranges.thickness_mm))
    first, last = rng.uniform(*ranges.first_height), rng.uniform(*ranges.last_height)
    return Scan(
        shape=(
            int(rng.integers(*ranges.num_rows)),
            int(rng.integers(*ranges.num_columns)),
        ),
        pixel_mm=round(float(rng.uniform(*ranges.pixel_mm)), 4),
        thickness_mm=round(thickness_mm, 2),
        heights=tuple(np.linspace(first, last, count)),
        slab=(last - first) / (count - 1),
        bias=rng.normal(0, 1, 5) * np.array(ranges.bias),
        gamma=float(rng.uniform(*ranges.gamma)),
        noise=float(rng.uniform(*ranges.noise)),
        scale=float(rng.uniform(*ranges.scale)),
    )


def acquire(values: np.ndarray, scan: Scan, rng: np.random.Generator) -> np.ndarray:
    """Simulates a scan: texture, contrast curve, coil sensitivity, Rician noise.

    Args:
      values: float [Z, H, W], intensities of the tissue, about 0 to 1.
      scan: the scan parameters.
      rng: the subject's random generator.

    Returns:
      int16 [Z, H, W], at least 0.
    """
    values = values * (1 + _texture(rng, values.shape))
    values = np.clip(values, 0, None) ** scan.gamma
    drift = 1 + _BREATH_HOLD * rng.normal(size=[len(values), 1, 1])
    values = values * sensitivity(scan) * drift
    real, imaginary = scan.noise * rng.normal(size=[2, *values.shape])
    magnitude = np.hypot(values + real, imaginary)
    return np.round(scan.scale * magnitude).astype(np.int16)


def sensitivity(scan: Scan) -> np.ndarray:
    """The coil's smooth sensitivity, float64 [H, W], above 0."""
    y, x = np.meshgrid(
        *(np.linspace(-1, 1, extent) for extent in scan.shape), indexing="ij"
    )
    basis = np.stack([x, y, x * y, x**2 - 0.3, y**2 - 0.3])
    return np.exp(np.tensordot(scan.bias, basis, 1))


def _texture(rng: np.random.Generator, shape: tuple) -> np.ndarray:
    """Texture of tissue: noise that is correlated over a few pixels, float32."""
    noise = sitk.GetImageFromArray(rng.normal(size=shape).astype(np.float32))
    smooth = sitk.RecursiveGaussian(noise, _TEXTURE_PX, direction=0)
    smooth = sitk.RecursiveGaussian(smooth, _TEXTURE_PX, direction=1)
    values = sitk.GetArrayFromImage(smooth)
    return _TEXTURE * values / values.std()
