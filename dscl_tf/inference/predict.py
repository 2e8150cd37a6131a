"""Masks for files: one per input, of the same name and geometry."""

import logging
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, Optional, Union

import numpy as np
import SimpleITK as sitk
import tensorflow as tf

from dscl_tf import errors, files
from dscl_tf.cohort import formats, grids, label_values, volumes
from dscl_tf.cohort.layouts import listing
from dscl_tf.config import PreprocessingConfig, masks
from dscl_tf.inference import (
    channel_inputs,
    dicom_inputs,
    dicom_seg,
    doubts,
    image_names,
    mask_files,
    mask_origins,
    one_channel,
)
from dscl_tf.inference import predictor as predictors
from dscl_tf.inference.channel_inputs import CaseInput
from dscl_tf.inference.structures import Structure, structures

# Errors of one input after which the next may succeed. SimpleITK raises RuntimeError.
_OF_ONE_INPUT = (
    errors.UserError,
    OSError,  # Such as a network folder that is gone for a moment.
    RuntimeError,
    MemoryError,
    tf.errors.OpError,
)
_LOG = logging.getLogger(__name__)


def check_places(source: files.PathLike, output: files.PathLike) -> None:
    """Refuses an input that does not exist, and masks that would replace images.

    Raises:
      UserError: naming the flag.
    """
    source, output = pathlib.Path(source), pathlib.Path(output)
    if not os.path.lexists(source):
        raise errors.UserError(f"No --input at {source}: check the path.")
    folder = source if source.is_dir() else source.parent
    if output.resolve() == folder.resolve():
        raise errors.UserError(
            f"--output {output} is the folder of the input, whose images the masks of "
            "the same name would replace: choose another folder."
        )
    files.require_writable(output)


def find_inputs(
    source: files.PathLike,
    output: files.PathLike,
    channel: Optional[int] = None,
    files_are_cases: bool = False,
    settings: Optional[PreprocessingConfig] = None,
) -> list[pathlib.Path]:
    """The image at `source`, or those in the folder `source`, sorted by name.

    Four digits at the ends of names are read as nnU-Net's channels (case_0000.nii.gz,
    case_0001.nii.gz) only if one is _0000, or if a channel is given and the files
    are not 4-D, since case ids may end in four digits, too.

    Args:
      source: a file, or a folder. If it has no other images, it and its subfolders are
        searched for DICOM series, each returned as one of its files.
      output: where the masks will go; it must not be the folder of the images.
      channel: which one to take, if the folder has several files of a case.
      files_are_cases: whether each file is a case, whatever it is called.
      settings: the model's preprocessing, whose channel is taken if none is given; for
        a model of several channels all files are returned (`channel_inputs.group`).

    Raises:
      UserError: if there is no image, the masks would replace the images, a channel
        must be given, or no file can have the one that is given.
    """
    source, output = pathlib.Path(source), pathlib.Path(output)
    check_places(source, output)
    found = sorted(source.iterdir()) if source.is_dir() else [source]
    inputs = [path for path in found if formats.has_image_suffix(path.name)]
    files.require_utf8([output, *inputs])
    names_tell = source.is_dir() and not files_are_cases
    if names_tell:
        inputs = image_names.without_labels(inputs)
    if not inputs:
        inputs = dicom_inputs.find(source, channel)
    if not inputs:
        raise image_names.none_among(source, found)
    if formats.is_dicom(inputs[0]):
        return inputs
    dicom_inputs.warn_of_left_out(source)
    listing.warn_of_unreadable(source)
    by_name = channel is None and channel_inputs.are_wanted(settings)
    if by_name:
        return inputs
    remembered = one_channel.remembered(settings)
    if names_tell:
        inputs = one_channel.choose(inputs, channel, remembered)
    one_channel.check(source, inputs, channel, remembered, files_are_cases)
    return inputs


def predict_files(
    predictor: predictors.Predictor,
    inputs: Sequence[pathlib.Path],
    output: files.PathLike,
    overwrite: bool = False,
    channel: Optional[int] = None,
    mask_format: str = masks.INPUT,
    mask_values: str = masks.DATASET,
    write_dicom_seg: bool = False,
    of_channels: Optional[Mapping[pathlib.Path, CaseInput]] = None,
) -> int:
    """Writes a mask for each input into `output`, each whole or not at all.

    Writes labels.txt, for ITK-SNAP, beside them. A file that fails is reported, and
    the others are still segmented.

    Args:
      predictor: the segmenter.
      inputs: 2-D or 3-D images.
      output: folder of the masks, with the names of their inputs.
      overwrite: makes masks again that exist.
      channel: index along the fourth axis of 4-D files, from 0.
      mask_format: see `mask_files.targets`.
      mask_values: one of `masks.MASK_VALUES`: the voxel values of the classes.
      write_dicom_seg: adds a DICOM segmentation to each mask, for DICOM series.
      of_channels: the case of each input that stands for several channels.

    Returns:
      The number of inputs for which something was written.

    Raises:
      UserError: at the end, if inputs failed, naming the first of them; at the start,
        if two inputs would have the same mask file, or a mask would replace an input.
    """
    values = label_values.of_masks(mask_values, predictor.label_values)
    named = structures(predictor.label_names, values)
    written, failures, cases = 0, [], of_channels or {}
    targets = _targets(inputs, output, mask_format, cases)
    if channel is None:
        channel = one_channel.remembered(predictor.settings)
    for number, (path, target) in enumerate(zip(inputs, targets), 1):
        try:
            missing = _missing(path, target, overwrite, write_dicom_seg)
            if not missing:
                continue
            which = cases.get(path, channel)
            mask = _make(predictor, path, target, missing, which, values)
        except _OF_ONE_INPUT as error:
            failures.append(_reason(path, error))
            _LOG.error("No mask: %s", failures[-1])
            continue
        written += 1
        said = _describe(mask, named)
        _LOG.info("%d/%d %s: %s", number, len(inputs), target, said)
    try:
        if any(target.is_file() for target in targets):
            mask_files.write_label_descriptions(named, output, overwrite)
    finally:  # Inputs without a mask are said in any case.
        _refuse_failures(failures, len(inputs))
    return written


def _targets(
    inputs: Sequence[pathlib.Path],
    output: files.PathLike,
    mask_format: str,
    cases: Mapping[pathlib.Path, CaseInput],
) -> list[pathlib.Path]:
    """The files of the masks; refuses them if one is an input."""
    named_by = {path: case.mask for path, case in cases.items()}
    targets = mask_files.targets(inputs, output, mask_format, named_by)
    sources = [path for case in cases.values() for path, _ in case.images]
    mask_files.require_no_input([*inputs, *sources], targets)
    return targets


def _missing(
    path: pathlib.Path, target: pathlib.Path, overwrite: bool, write_dicom_seg: bool
) -> list[pathlib.Path]:
    """The files that have to be written for one input; says if there are none."""
    wanted = [target, *([dicom_seg.target_of(target, path)] if write_dicom_seg else [])]
    for it in wanted:
        if it.is_dir():
            raise errors.UserError(
                f"{it}: found a folder, expected the file of a mask: move it "
                "elsewhere, or choose another --output."
            )
    missing = [it for it in wanted if overwrite or not it.exists()]
    if not missing:
        _LOG.info("%s exists and is kept; --overwrite makes it again.", target)
    return missing


def _refuse_failures(failures: Sequence[str], num_inputs: int) -> None:
    if failures:
        count = f"{len(failures)} of {num_inputs} inputs have no mask. "
        raise errors.UserError((count if num_inputs > 1 else "") + failures[0])


def _make(
    predictor: predictors.Predictor,
    path: pathlib.Path,
    target: pathlib.Path,
    missing: Sequence[pathlib.Path],
    which: Union[CaseInput, Optional[int]],
    values: Sequence[int],
) -> sitk.Image:
    """Writes those files of one input that are missing, and returns its mask."""
    named = structures(predictor.label_names, values)
    if target in missing:
        mask_files.check_target(target, path)
        if isinstance(which, CaseInput):
            mask, source = segment_case(predictor, which), which.images[0][0]
        else:
            mask, source = segment_file(predictor, path, which), path
        mask = label_values.in_values(mask, values)
        if formats.is_dicom(path):
            mask_origins.note(mask, predictor.model_id, values)
        mask_files.write(mask, target, named, source)
    else:
        mask_origins.require(target, predictor.model_id, values)
        mask = volumes.read_label(target)
    for each in missing:
        if each != target:
            dicom_seg.write(mask, path, each, named)
    return mask


def segment_case(predictor: predictors.Predictor, case: CaseInput) -> sitk.Image:
    """Segments a case of several files or channels, as `segment_file` does a file.

    Raises:
      UserError: a channel is missing, cannot be read, or is not on the same grid.
    """
    if case.fault:
        raise errors.UserError(case.fault)
    path = case.images[0][0]
    if len(case.images) == 1:
        return segment_file(predictor, path)
    images = grids.read_together(case.images)
    for (each, _), image in zip(case.images, images):
        doubts.warn_of_image(pathlib.Path(each), image, predictor.settings)
    header = volumes.read_header(path)
    mask = predictor.segment(*images)
    doubts.warn_of_field(path, mask, predictor.settings, predictor.label_names)
    return _as_flat_as(header, mask)


def segment_file(
    predictor: predictors.Predictor,
    path: files.PathLike,
    channel: Optional[int] = None,
) -> sitk.Image:
    """Segments one file: uint8 classes, with its size, spacing, origin and direction.

    Args:
      predictor: the segmenter.
      path: a 2-D or 3-D image, or a 4-D one, whose mask is 3-D; or a file of a DICOM
        series.
      channel: which image along the fourth axis of a 4-D file, from 0.

    Raises:
      UserError: the file cannot be read or segmented.
    """
    header = volumes.read_header(path)
    is_series = header.GetDimension() == 4
    image = volumes.read_image(path, channel if is_series else None)
    path = pathlib.Path(path)
    doubts.warn_of_image(path, image, predictor.settings)
    mask = predictor.segment(image)
    doubts.warn_of_field(path, mask, predictor.settings, predictor.label_names)
    return _as_flat_as(header, mask)


def _as_flat_as(header: Any, mask: sitk.Image) -> sitk.Image:
    """The mask, made 2-D if its image was."""
    if header.GetDimension() != 2:
        return mask
    flat = sitk.GetImageFromArray(sitk.GetArrayViewFromImage(mask)[0])
    flat.SetSpacing(header.GetSpacing())
    flat.SetOrigin(header.GetOrigin())
    flat.SetDirection(header.GetDirection())
    return flat


def _describe(mask: sitk.Image, named: Sequence[Structure]) -> str:
    """The volume of each structure, so that an empty mask does not go unnoticed."""
    values = sitk.GetArrayViewFromImage(mask)
    voxels = {it: int(np.count_nonzero(values == it.value)) for it in named}
    unit = "ml" if mask.GetDimension() == 3 else "mm2"
    size = np.prod(mask.GetSpacing()) / (1000 if unit == "ml" else 1)
    if not any(voxels.values()):
        return "no structure found"
    return ", ".join(f"{it.name} {n * size:.1f} {unit}" for it, n in voxels.items())


def _reason(path: pathlib.Path, error: Exception) -> str:
    reason = volumes.reason_of(error)
    return reason if str(path) in reason else f"{path}: {reason}"
