"""Masks of DICOM series as DICOM segmentation objects, by highdicom."""

import logging
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import SimpleITK as sitk

import dscl_tf
from dscl_tf import errors, files
from dscl_tf.cohort import dicom_frames, dicom_series
from dscl_tf.inference import structure_codes
from dscl_tf.inference.structures import Structure

SUFFIX = ".seg.dcm"
_NAME = "dscl_tf"  # Name of the algorithm and of its manufacturer.
_MAX_SERIES = 2**31 - 1
_SERIES_FROM = 1000  # Added to the number of the series that was segmented.
# sRGB to CIE XYZ, adapted from white D65 to D50, which DICOM's colours refer to.
_TO_XYZ = np.array(
    [
        [0.4360747, 0.3850649, 0.1430804],
        [0.2225045, 0.7168786, 0.0606169],
        [0.0139322, 0.0971045, 0.7141733],
    ]
)
_WHITE = _TO_XYZ.sum(axis=1)
# Above the rounding of NIfTI's float32; directions lose half the digits more, as they
# are stored as a quaternion.
_SAME_MM = 1e-2
_SAME_AXES = 2e-3
_UTF8 = "ISO_IR 192"


def require() -> tuple[Any, Any]:
    """Imports highdicom and pydicom, which are optional and used in this module only.

    Raises:
      UserError: one of them is not installed.
    """
    try:
        import highdicom
        import pydicom
    except ImportError as error:
        raise errors.extra_needed(
            f"--write_dicom_seg needs highdicom and pydicom ({error.name} is missing)",
            "dicom",
        ) from None
    # It logs the UIDs of the objects that it copies from; no log is to have them.
    logging.getLogger("highdicom").setLevel(logging.WARNING)
    dicom_frames.silence()
    return highdicom, pydicom


def target_of(mask: pathlib.Path, series: pathlib.Path) -> pathlib.Path:
    """The file of the segmentation object that lies beside a mask.

    Args:
      mask: the mask's file.
      series: a file of the series.
    """
    return mask.with_name(dicom_series.of(series).name + SUFFIX)


def write(
    mask: sitk.Image,
    series: pathlib.Path,
    target: pathlib.Path,
    structures: Sequence[Structure],
) -> None:
    """Writes a mask as a segmentation object of its series, whole or not at all.

    The object belongs to the series' patient and study and refers to its files.

    Args:
      mask: integer image with the geometry of the series.
      series: a file of the series.
      target: the file to write.
      structures: those that the mask may have, the segments 1, 2, ... in this order.

    Raises:
      UserError: the mask does not fit the series, the series lacks attributes that
        such an object needs, or the file cannot be written.
    """
    _, pydicom = require()
    found = dicom_series.checked(series)
    _check_place(mask, found, target)
    values = _numbered(mask, structures, target)
    sources: list = []
    try:
        # GDCM reads files without the preamble of part 10, too.
        sources += [
            pydicom.dcmread(path, stop_before_pixels=True, force=True)
            for path in found.files
        ]
        pixels = _as_stored(values, found.slices, sources)
        made = _segmentation(sources, pixels, structures)
    # highdicom raises errors of many kinds for headers that it cannot use.
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise errors.UserError(
            f"{series}: the series lacks or contradicts what a DICOM segmentation must "
            f"state about it ({_reason(error, sources)}): leave --write_dicom_seg out, "
            "or repair the series."
        ) from None
    with files.atomic_path(target) as partial:
        made.save_as(str(partial))


def _reason(error: Exception, sources: Sequence) -> str:
    """What is wrong with a series, without quoting it: messages may have its data."""
    if isinstance(error, AttributeError):
        return str(error)  # The name of what is missing.
    invalid = ", ".join(_invalid(sources[0])) if sources else ""
    return type(error).__name__ + (f"; not valid: {invalid}" if invalid else "")


def _invalid(source: Any) -> list[str]:
    """Names of a file's unreadable attributes, and invalid dates, times and UIDs."""
    _, pydicom = require()
    found = []
    for tag in tuple(source.keys()):
        try:
            element = source[tag]
            if element.VR in ("DA", "TM", "UI") and element.VM == 1:
                value = str(element.value)
                pydicom.valuerep.validate_value(element.VR, value, pydicom.config.RAISE)
        except Exception:  # Reading an element raises errors of many kinds.
            found.append(pydicom.datadict.keyword_for_tag(tag) or str(tag))
    return found


def _check_place(
    mask: sitk.Image, series: dicom_series.Series, target: pathlib.Path
) -> None:
    """Refuses a mask whose voxel grid is not that of the series."""
    for field, found, expected, tolerance in (
        ("size", mask.GetSize(), series.size, 0),
        ("spacing", mask.GetSpacing(), series.spacing_mm, _SAME_MM),
        ("origin", mask.GetOrigin(), series.origin, _SAME_MM),
        ("direction", mask.GetDirection(), series.direction, _SAME_AXES),
    ):
        same = len(found) == len(expected)
        if not same or not np.allclose(found, expected, rtol=0, atol=tolerance):
            raise errors.UserError(
                f"{target}: {field} of the mask: found {found}, expected "
                f"{tuple(expected)} as the series of {series.path} has: make it again "
                "with --overwrite."
            )


def _numbered(
    mask: sitk.Image, structures: Sequence[Structure], target: pathlib.Path
) -> np.ndarray:
    """A mask with 1, 2, ... for the structures, as DICOM numbers segments: uint8."""
    values = sitk.GetArrayViewFromImage(mask)
    numbered = np.zeros(values.shape, np.uint8)
    for number, structure in enumerate(structures, 1):
        numbered[values == structure.value] = number
    if np.any((numbered > 0) != (values != 0)):
        raise errors.UserError(
            f"{target}: the existing mask has values of other structures than the "
            "model's: make it again with --overwrite."
        )
    return numbered


def _as_stored(values: np.ndarray, slices, sources) -> np.ndarray:
    """A mask in the order of the series' files, or of the frames of its one file."""
    if slices[0].frame is None:
        return values
    stored = np.zeros((int(sources[0].NumberOfFrames), *values.shape[1:]), np.uint8)
    stored[[each.frame for each in slices]] = values
    return stored


def _segmentation(sources: Sequence, pixels: np.ndarray, structures) -> Any:
    highdicom, _ = require()
    number = int(sources[0].get("SeriesNumber") or 0) + _SERIES_FROM
    made = highdicom.seg.Segmentation(
        source_images=sources,
        pixel_array=pixels,
        segmentation_type=highdicom.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[_segment(k, it) for k, it in enumerate(structures, 1)],
        series_instance_uid=highdicom.UID(),
        series_number=min(max(number, 1), _MAX_SERIES),
        sop_instance_uid=highdicom.UID(),
        instance_number=1,
        manufacturer=_NAME,
        manufacturer_model_name=_NAME,
        software_versions=dscl_tf.__version__,
        device_serial_number="0",
        content_label="SEGMENTATION",
        content_description=f"Segmentation by {_NAME}",
        series_description=f"Segmentation by {_NAME}",
        # A mask without any structure keeps all its empty frames.
        omit_empty_frames=bool(pixels.any()),
    )
    # Names may be in any script; texts of the series are encoded anew in UTF-8. Set
    # here, since the last highdicom for Python 3.9 does not take it as an argument.
    made.SpecificCharacterSet = _UTF8
    return made


def _segment(number: int, structure: Structure) -> Any:
    highdicom, pydicom = require()
    category, kind = (
        pydicom.sr.coding.Code(*code)
        for code in structure_codes.code_of(structure.name)
    )
    family = pydicom.sr.coding.Code("123110", "DCM", "Artificial Intelligence")
    segment = highdicom.seg.SegmentDescription(
        segment_number=number,
        segment_label=structure_codes.label_of(structure.name),
        segmented_property_category=category,
        segmented_property_type=kind,
        algorithm_type=highdicom.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=highdicom.AlgorithmIdentificationSequence(
            name=_NAME, family=family, version=dscl_tf.__version__
        ),
    )
    segment.RecommendedDisplayCIELabValue = cielab(structure.rgb)
    return segment


def cielab(rgb: tuple[int, int, int]) -> list[int]:
    """A colour as DICOM writes it.

    Args:
      rgb: sRGB, 0 to 255.

    Returns:
      L*, a* and b* of CIE, each scaled to 0 to 65535.
    """
    parts = np.array(rgb) / 255
    linear = np.where(parts > 0.04045, ((parts + 0.055) / 1.055) ** 2.4, parts / 12.92)
    x, y, z = _TO_XYZ @ linear / _WHITE
    x, y, z = (
        part ** (1 / 3) if part > 216 / 24389 else (24389 / 27 * part + 16) / 116
        for part in (x, y, z)
    )
    lightness, a, b = 116 * y - 16, 500 * (x - y), 200 * (y - z)
    scaled = lightness / 100, (a + 128) / 255, (b + 128) / 255
    return [round(65535 * min(max(float(part), 0.0), 1.0)) for part in scaled]
