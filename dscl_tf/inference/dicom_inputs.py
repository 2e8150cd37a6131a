"""The DICOM series that are to be segmented."""

import logging
import pathlib
from collections.abc import Sequence
from typing import Optional

from dscl_tf import errors
from dscl_tf.cohort import dicom_series, formats
from dscl_tf.cohort.layouts import dicom
from dscl_tf.inference import dicom_seg

_LOG = logging.getLogger(__name__)


def find(source: pathlib.Path, channel: Optional[int]) -> list[pathlib.Path]:
    """One file of each series in a folder and its subfolders, or of one file's series.

    Series that form no volume are included: reading them tells what is wrong.

    Args:
      source: the folder or file.
      channel: value of --channel, which DICOM series do not support.

    Raises:
      UserError: the file is no slice, the folder cannot be read, or a channel is given.
    """
    if source.is_dir():
        series, faults = dicom.find(source)
    elif formats.is_dicom(source):
        series, faults = [dicom_series.of(source)], []
    else:
        return []
    if series and channel is not None:
        raise errors.UserError(
            f"--channel={channel}: a DICOM series has one image at each place; leave "
            "--channel out."
        )
    failing = {str(each.path) for each in series if each.fault}
    for fault in faults:
        if fault.file not in failing:
            _LOG.warning("%s", fault)
    return [each.path for each in series]


def warn_of_left_out(source: pathlib.Path) -> None:
    """Warns that DICOM files in or below a folder of other images are not segmented."""
    found = dicom.recognise(source) if source.is_dir() else ""
    if found:
        _LOG.warning(
            "--input %s has other images, and %s, which are left out: give their "
            "folder as --input without those.",
            source,
            found.removeprefix("it has "),
        )


def require_series(inputs: Sequence[pathlib.Path]) -> None:
    """Refuses, before any work, inputs that cannot get DICOM segmentations.

    Raises:
      UserError: the inputs are no DICOM series, or a library is missing.
    """
    if not formats.is_dicom(inputs[0]):
        raise errors.UserError(
            f"--write_dicom_seg is for DICOM series, found {inputs[0]}: leave it out, "
            "or give the folder of the series as --input."
        )
    dicom_seg.require()
