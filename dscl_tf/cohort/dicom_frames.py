"""The geometry of each frame of a multi-frame DICOM file (enhanced MR or CT)."""

import functools
import logging
import math
import pathlib
import warnings
from types import ModuleType
from typing import Any

import numpy as np

from dscl_tf import errors

# Fields that may distinguish frames at the same position: sequence, field, and words
# for a message.
_MARKS = (
    ("FrameContentSequence", "StackID", "stack"),
    ("FrameContentSequence", "TemporalPositionIndex", "temporal position"),
    ("MREchoSequence", "EffectiveEchoTime", "echo time"),
    ("MRDiffusionSequence", "DiffusionBValue", "b-value"),
    ("CardiacSynchronizationSequence", "NominalCardiacTriggerDelayTime", "trigger"),
    ("MRImageFrameTypeSequence", "FrameType", "frame type"),
)


def pydicom_for(what: str) -> ModuleType:
    """Imports pydicom, an optional dependency.

    Args:
      what: what needs it, for the error message.

    Raises:
      UserError: it is not installed.
    """
    try:
        import pydicom
    except ImportError:
        raise errors.extra_needed(f"{what} needs pydicom", "dicom") from None
    silence()
    return pydicom


def silence() -> None:
    """Keeps pydicom from quoting values that it finds invalid: they may be UIDs."""
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", module=r"pydicom(\.|$)")


@functools.lru_cache(maxsize=16)
def read(path: pathlib.Path) -> tuple[tuple, ...]:
    """For each frame, the fields of `dicom_files.Slice` after `path`.

    Empty if the file does not state where its frames lie.

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
    except (AttributeError, LookupError):  # The file lacks a functional group.
        return ()
    # For damaged files pydicom raises many kinds of exceptions, some of its own.
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
    """Replaces the rescaling that was applied to a frame by the frame's own.

    Args:
      values: float32 [rows, columns].
      applied: slope and intercept that `values` were rescaled with.
      own: slope and intercept of the frame.

    Returns:
      float32 [rows, columns].
    """
    if applied == own or math.isclose(applied[0], 0):
        return values.copy()
    stored = (values.astype(np.float64) - applied[1]) / applied[0]
    return (stored * own[0] + own[1]).astype(np.float32)
