"""Prepares one volume of a cohort: writes its arrays and its part of the index."""

import pathlib
from typing import Any

import SimpleITK as sitk

from dscl_tf import config_json, errors, files
from dscl_tf.cohort import (
    cases,
    geometry,
    orientation,
    prepared,
    preprocessing,
    requests,
    sparse,
)
from dscl_tf.cohort.cases import Case, Dataset
from dscl_tf.cohort.prepared import PreparedVolume
from dscl_tf.config import PreprocessingConfig

_UNKNOWN = "unknown"


def prepare_case(
    case: Case,
    settings: PreprocessingConfig,
    output: pathlib.Path,
    dataset: Dataset,
) -> dict:
    """Prepares one case, unless that is done already.

    Returns:
      The case's part of the index, as JSON values.

    Raises:
      UserError: the case was damaged after its check; the message names the file.
    """
    part = output / "parts" / f"{case.name}.json"
    before = _prepared_before(part, case, settings, output, dataset)
    if before:
        return before
    images = cases.read_images(case)
    image = images[0]
    label = cases.read_label(case, dataset) if case.label else None
    try:
        slices, grid = preprocessing.prepare_images(images, settings)
    except errors.UserError as error:
        raise errors.UserError(f"{case.image}: {error}") from None
    # A single channel has no channel axis, as in cohorts of earlier versions.
    arrays = {"image": slices if len(images) > 1 else slices[..., 0]}
    if label is not None:
        label.CopyInformation(image)
        label = sparse.hide_slices(label, dataset, settings.orientation)
        unknown = cases.unknown_value(dataset)
        arrays["label"] = geometry.labels_on_grid(label, grid, unknown)
    content = {
        "originals": requests.stamps(case),
        "volume": config_json.to_json(_describe(case, dataset, image, len(slices))),
        "checksums": {
            k: prepared.write_array(output, case.name, k, a) for k, a in arrays.items()
        },
        "axes": _axes(
            image.GetDirection(), image.GetSpacing(), image.GetSize(), settings
        ),
        **_unknown(case, dataset),
    }
    files.write_json(part, content)
    return content


def _prepared_before(
    part: pathlib.Path, case: Case, settings, output, dataset: Dataset
) -> dict:
    """The existing part of a case if it is complete and up to date; else empty."""
    if not part.exists():
        return {}
    content = files.read_json_object(part, "part of the index")
    if content.get("originals") != requests.stamps(case):
        return {}
    volume: Any = config_json.from_json(PreparedVolume, content["volume"], str(part))
    # New values in other labels may have changed the mapping to classes.
    if case.label and volume.label_map != cases.label_map(dataset):
        return {}
    # It depends on the number of classes, which `label_map` lacks if it is None.
    if content.get(_UNKNOWN) != _unknown(case, dataset).get(_UNKNOWN):
        return {}
    # The cohort's orientation may have changed since bad cases were repaired or left
    # out.
    axes = _axes(volume.direction, volume.spacing_mm, volume.size, settings)
    if content.get("axes") != axes or not has_arrays(output, volume, settings):
        return {}
    return content


def _unknown(case: Case, dataset: Dataset) -> dict:
    """The value of unannotated voxels as a JSON field; empty if there are none."""
    if not case.label or not dataset.has_unknown:
        return {}
    return {_UNKNOWN: cases.unknown_value(dataset)}


def _axes(direction, spacing_mm, size, settings: PreprocessingConfig) -> list:
    """How a volume's axes are permuted and flipped, as JSON values."""
    spacing_mm = orientation.slice_spacing(spacing_mm, size)
    found = orientation.axes_of(direction, spacing_mm, settings.orientation)
    return [list(each) for each in found]


def has_arrays(output, volume: PreparedVolume, settings) -> bool:
    """Whether the arrays of a volume exist, complete and with the right shape."""
    try:
        for kind in ("image", "label")[: 1 + volume.has_label]:
            prepared.map_array(output, volume, kind, settings)
    except errors.UserError:
        return False
    return True


def _describe(
    case: Case, dataset: Dataset, image: sitk.Image, num_slices: int
) -> PreparedVolume:
    return PreparedVolume(
        name=case.name,
        subject=case.subject,
        frame=case.frame,
        num_slices=num_slices,
        # Links are not resolved: their targets may lack the suffix that readers need.
        image_file=str(case.image.absolute()),
        label_file=str(case.label.absolute()) if case.label else None,
        size=image.GetSize(),
        spacing_mm=image.GetSpacing(),
        origin=image.GetOrigin(),
        direction=image.GetDirection(),
        fourth=case.fourth,
        label_map=cases.label_map(dataset) if case.label else None,
        more_images=tuple((str(path.absolute()), k) for path, k in case.more),
    )
