"""Masks for files: one per input, of the same name and geometry."""

import logging
import pathlib
from collections.abc import Sequence

import numpy as np
import SimpleITK as sitk

from dscl_tf import errors, files
from dscl_tf.cohort import volumes
from dscl_tf.inference import predictor as predictors

_LOG = logging.getLogger(__name__)


def find_inputs(source: files.PathLike, output: files.PathLike) -> list[pathlib.Path]:
    """The image at `source`, or those in the folder `source`, sorted by name.

    Args:
      source: a file, or a folder whose subfolders are not searched.
      output: where the masks will go; it must not be the folder of the images.

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
    return inputs


def predict_files(
    predictor: predictors.Predictor,
    inputs: Sequence[pathlib.Path],
    output: files.PathLike,
    overwrite: bool = False,
) -> int:
    """Writes a mask for each input into `output`, each whole or not at all.

    A file that cannot be segmented is named and the others go on.

    Args:
      predictor: the segmenter.
      inputs: 2-D or 3-D images.
      output: folder of the masks, uint8, with the names of their inputs.
      overwrite: makes masks again that exist.

    Returns:
      The number of masks that were written.

    Raises:
      UserError: at the end, if inputs failed; it names the first of them.
    """
    written, failures = 0, []
    for number, path in enumerate(inputs, 1):
        target = pathlib.Path(output) / path.name
        if target.exists() and not overwrite:
            _LOG.info("%s exists and is kept; --overwrite makes it again.", target)
            continue
        try:
            mask = segment_file(predictor, path)
        # SimpleITK's own errors are RuntimeErrors.
        except (errors.UserError, RuntimeError) as error:
            failures.append(_reason(path, error))
            _LOG.error("No mask: %s", failures[-1])
            continue
        volumes.write_image(mask, target)
        written += 1
        found = _describe(mask, predictor.label_names)
        _LOG.info("%d/%d %s: %s", number, len(inputs), target, found)
    if failures:
        count = f"{len(failures)} of {len(inputs)} inputs have no mask. "
        raise errors.UserError((count if len(inputs) > 1 else "") + failures[0])
    return written


def segment_file(predictor: predictors.Predictor, path: files.PathLike) -> sitk.Image:
    """The mask of one file, uint8, of exactly its size, spacing, origin, direction.

    Raises:
      UserError: the file cannot be read, or not be segmented.
    """
    if str(path).lower().endswith((".mhd", ".nhdr")):
        raise errors.UserError(
            f"{path} keeps its voxels in a second file, so its mask could not appear "
            "whole: convert it to .mha, .nrrd or .nii.gz first."
        )
    header = volumes.read_header(path)
    mask = predictor.segment(volumes.read_image(path))
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
