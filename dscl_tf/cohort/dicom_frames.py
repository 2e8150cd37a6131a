"""The frames of a DICOM file that has several (enhanced MR, CT): where each lies."""

import functools
import math
import pathlib
from types import ModuleType
from typing import Any

import numpy as np

from dscl_tf import errors

# What tells apart frames at one place: sequence, field, and words for a message.
_MARKS = (
    ("FrameContentSequence", "StackID", "stack"),
    ("FrameContentSequence", "TemporalPositionIndex", "temporal position"),
    ("MREchoSequence", "EffectiveEchoTime", "echo time"),
    ("MRDiffusionSequence", "DiffusionBValue", "b-value"),
    ("CardiacSynchronizationSequence", "NominalCardiacTriggerDelayTime", "trigger"),
    ("MRImageFrameTypeSequence", "FrameType", "frame type"),
)


def pydicom_for(what: str) -> ModuleType:
    """pydicom, which is imported where it is used alone.

    Args:
      what: needs it, for the error.

    Raises:
      UserError: it is not installed.
    """
    try:
        import pydicom
    except ImportError:
        raise errors.extra_needed(f"{what} needs pydicom", "dicom") from None
    return pydicom


@functools.lru_cache(maxsize=16)
def read(path: pathlib.Path) -> tuple[tuple, ...]:
    """What `dicom_files.Slice` has after the path, of each frame; empty: no places.

    Raises:
      UserError: pydicom is not installed, or the file cannot be read.
    """
    pydicom = pydicom_for(f"{path}: a DICOM file of several frames")
    try:
        dataset = pydicom.dcmread(path, stop_before_pixels=True)
        frames = dataset.get("PerFrameFunctionalGroupsSequence", [])
        shared = dataset.get("SharedFunctionalGroupsSequence", [None])[0]
        size = int(dataset.Columns), int(dataset.Rows)
        return tuple(_frame(k, own, shared, size) for k, own in enumerate(frames))
    except (AttributeError, LookupError):  # A group that it does not have.
        return ()
    # pydicom raises many kinds of damaged files, some of them its own.
    except Exception as error:
        raise errors.UserError(
            f"Cannot read {path} ({type(error).__name__}): copy it again."
        ) from None


def _frame(number: int, own: Any, shared: Any, size: tuple[int, int]) -> tuple:
    def group(name: str) -> Any:
        items = own.get(name) or (shared.get(name) if shared is not None else None)
        return items[0] if items else None

    measures = group("PixelMeasuresSequence")
    between_rows, between_columns = map(float, measures.PixelSpacing)
    thickness = float(
        measures.get("SpacingBetweenSlices") or measures.get("SliceThickness") or 1
    )
    marks = tuple(
        (words, str(found.get(field, "") if (found := group(name)) else ""))
        for name, field, words in _MARKS
    )
    transform = group("PixelValueTransformationSequence")
    scale = (1.0, 0.0)
    if transform is not None:
        scale = float(transform.RescaleSlope), float(transform.RescaleIntercept)
    return (
        number,
        tuple(map(float, group("PlanePositionSequence").ImagePositionPatient)),
        tuple(map(float, group("PlaneOrientationSequence").ImageOrientationPatient)),
        (between_columns, between_rows, thickness),
        size,
        marks,
        scale,
    )


def first_scale(path: pathlib.Path) -> tuple[float, float]:
    """Slope and intercept of the first frame, which GDCM applies to all frames."""
    return read(path)[0][-1]


def rescale(
    values: np.ndarray, applied: tuple[float, float], own: tuple[float, float]
) -> np.ndarray:
    """Values of a frame with its own slope and intercept instead of those applied.

    Args:
      values: float32 [rows, columns].
      applied: slope and intercept.
      own: slope and intercept.

    Returns:
      float32 [rows, columns].
    """
    if applied == own or math.isclose(applied[0], 0):
        return values.copy()
    stored = (values.astype(np.float64) - applied[1]) / applied[0]
    return (stored * own[0] + own[1]).astype(np.float32)
