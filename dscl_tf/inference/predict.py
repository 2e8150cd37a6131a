"""Masks for files: one per input, of the same name and geometry."""

import logging
import pathlib
import re
from collections.abc import Sequence
from typing import Optional

import numpy as np
import SimpleITK as sitk

from dscl_tf import errors, files
from dscl_tf.cohort import label_values, volumes
from dscl_tf.inference import predictor as predictors

# nnU-Net's file of one channel of a case.
_CHANNEL = re.compile(r".+_(?P<channel>\d{4})\.")
_LOG = logging.getLogger(__name__)


def find_inputs(
    source: files.PathLike, output: files.PathLike, channel: Optional[int] = None
) -> list[pathlib.Path]:
    """The image at `source`, or those in the folder `source`, sorted by name.

    Args:
      source: a file, or a folder whose subfolders are not searched.
      output: where the masks will go; it must not be the folder of the images.
      channel: which one, where the folder has several files of a case, as nnU-Net
        names them: case_0000.nii.gz, case_0001.nii.gz.

    Raises:
      UserError: if there is no image, or the masks would replace the images.
    """
    source, output = pathlib.Path(source), pathlib.Path(output)
    if not source.exists():
        raise errors.UserError(f"No --input at {source}: check the path.")
    folder = source if source.is_dir() else source.parent
    if output.resolve() == folder.resolve():
        raise errors.UserError(
            f"--output {output} is the folder of the input, whose images the masks of "
            "the same name would replace: choose another folder."
        )
    found = sorted(source.iterdir()) if source.is_dir() else [source]
    inputs = [path for path in found if volumes.has_image_suffix(path.name)]
    if not inputs:
        raise errors.UserError(
            f"No image in --input {source}: expected names that end in "
            f"{', '.join(volumes.IMAGE_SUFFIXES)}, found {len(found)} other files."
        )
    return _of_channel(inputs, channel) if source.is_dir() else inputs


def _of_channel(
    inputs: list[pathlib.Path], channel: Optional[int]
) -> list[pathlib.Path]:
    """Without the other channels of cases that have a file for each channel."""
    matches = [(path, _CHANNEL.match(path.name)) for path in inputs]
    channels = {int(found["channel"]) for _, found in matches if found}
    if not all(found for _, found in matches) or len(channels) < 2:
        return inputs
    if channel not in channels:
        known = ", ".join(map(str, sorted(channels)))
        raise errors.UserError(
            f"--input {inputs[0].parent} has files of the channels {known} of each "
            f"case, found --channel={'' if channel is None else channel}: say which "
            "of them the model was trained on."
        )
    return [path for path, found in matches if int(found["channel"]) == channel]


def predict_files(
    predictor: predictors.Predictor,
    inputs: Sequence[pathlib.Path],
    output: files.PathLike,
    overwrite: bool = False,
    channel: Optional[int] = None,
    mask_values: str = label_values.DATASET,
) -> int:
    """Writes a mask for each input into `output`, each whole or not at all.

    A file that cannot be segmented is named and the others go on.

    Args:
      predictor: the segmenter.
      inputs: 2-D or 3-D images.
      output: folder of the masks, with the names of their inputs.
      overwrite: makes masks again that exist.
      channel: of 4-D files, from 0.
      mask_values: one of `label_values.MASK_VALUES`: what voxels say for a class.

    Returns:
      The number of masks that were written.

    Raises:
      UserError: at the end, if inputs failed; it names the first of them.
    """
    values = label_values.of_masks(mask_values, predictor.label_values)
    written, failures = 0, []
    for number, path in enumerate(inputs, 1):
        target = pathlib.Path(output) / path.name
        if target.exists() and not overwrite:
            _LOG.info("%s exists and is kept; --overwrite makes it again.", target)
            continue
        try:
            mask = segment_file(predictor, path, channel)
            volumes.write_image(label_values.in_values(mask, values), target)
        # SimpleITK's own errors are RuntimeErrors.
        except (errors.UserError, RuntimeError) as error:
            failures.append(_reason(path, error))
            _LOG.error("No mask: %s", failures[-1])
            continue
        written += 1
        found = _describe(mask, predictor.label_names)
        _LOG.info("%d/%d %s: %s", number, len(inputs), target, found)
    if failures:
        count = f"{len(failures)} of {len(inputs)} inputs have no mask. "
        raise errors.UserError((count if len(inputs) > 1 else "") + failures[0])
    return written


def segment_file(
    predictor: predictors.Predictor,
    path: files.PathLike,
    channel: Optional[int] = None,
) -> sitk.Image:
    """The classes of one file, uint8, of its size, spacing, origin and direction.

    Args:
      predictor: the segmenter.
      path: a 2-D or 3-D image, or a 4-D one, whose mask is 3-D.
      channel: which image along the fourth axis of a 4-D file, from 0.

    Raises:
      UserError: the file cannot be read, or not be segmented.
    """
    if str(path).lower().endswith((".mhd", ".nhdr")):
        raise errors.UserError(
            f"{path} keeps its voxels in a second file, so its mask could not appear "
            "whole: convert it to .mha, .nrrd or .nii.gz first."
        )
    header = volumes.read_header(path)
    is_series = header.GetDimension() == 4
    image = volumes.read_image(path, channel if is_series else None)
    mask = predictor.segment(image)
    if header.GetDimension() != 2:
        return mask
    flat = sitk.GetImageFromArray(sitk.GetArrayViewFromImage(mask)[0])
    flat.SetSpacing(header.GetSpacing())
    flat.SetOrigin(header.GetOrigin())
    flat.SetDirection(header.GetDirection())
    return flat


def _describe(mask: sitk.Image, label_names: Sequence[str]) -> str:
    """The volume of each structure, so that an empty mask does not go unnoticed."""
    voxels = np.bincount(
        sitk.GetArrayViewFromImage(mask).ravel(), minlength=len(label_names)
    )
    unit = "ml" if mask.GetDimension() == 3 else "mm2"
    size = np.prod(mask.GetSpacing()) / (1000 if unit == "ml" else 1)
    if not voxels[1:].any():
        return "no structure found"
    return ", ".join(
        f"{name} {count * size:.1f} {unit}"
        for name, count in list(zip(label_names, voxels))[1:]
    )


def _reason(path: pathlib.Path, error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    # What SimpleITK has to say comes last; a UserError has one line.
    reason = lines[-1].strip() if lines else type(error).__name__
    return reason if str(path) in reason else f"{path}: {reason}"
