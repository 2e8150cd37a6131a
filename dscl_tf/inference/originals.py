"""Reads the original files of an evaluation; refuses those that have changed."""

import pathlib
from collections.abc import Sequence

import numpy as np
import SimpleITK as sitk

from dscl_tf import config, errors
from dscl_tf.cohort import cases, geometry, placing, prepared, sparse, volumes
from dscl_tf.inference import predictor as predictors


def check_orientation(
    predictor: predictors.Predictor,
    cohort: prepared.PreparedCohort,
    chosen: Sequence[prepared.PreparedVolume],
) -> None:
    """Refuses a volume if the model would orient its original differently.

    Each cohort has its own reference orientation; most volumes end up oriented the
    same with either.
    """
    if cohort.settings.orientation == predictor.settings.orientation:
        return
    for volume in chosen:
        ours, theirs = (
            geometry.orient(blank(volume), settings.orientation).GetDirection()
            for settings in (cohort.settings, predictor.settings)
        )
        if not np.allclose(ours, theirs, atol=1e-6):
            raise errors.UserError(
                f"{volume.name} is stored in {cohort.folder} in another orientation "
                "than the model's cohort would give it: segment the original with "
                "dscl-predict, or evaluate on the cohort that the model was trained "
                "on."
            )


def check_there(chosen: Sequence[prepared.PreparedVolume]) -> None:
    """Refuses, before hours of work, volumes whose original files are missing."""
    for volume in chosen:
        for path in volume.original_files:
            if not pathlib.Path(path).is_file():
                raise errors.UserError(
                    f"The original file {path} of {volume.name} is missing: an "
                    "evaluation compares with it; restore it or prepare again."
                )


def read(
    cohort: prepared.PreparedCohort, volume: prepared.PreparedVolume
) -> tuple[sitk.Image, sitk.Image]:
    """Image and truth, both with the geometry of the image when it was prepared.

    Voxels that nobody labelled have the value `cohort.unknown` in the truth.
    """
    image = volumes.read_image(volume.image_file, volume.fourth)
    _check_geometry(image, volume)
    label = placing.placed(volumes.read_label(volume.label_file), blank(volume))
    if label.GetSize() != tuple(volume.size):
        raise errors.UserError(
            f"{volume.label_file} has {label.GetSize()} voxels, but {volume.name} had "
            f"{tuple(volume.size)} when it was prepared: prepare it again."
        )
    truth = cases.to_classes(label, volume.label_map, volume.label_file)
    # Voxels correspond by index; the headers of labels are sometimes a little off.
    truth.CopyInformation(blank(volume))
    if cohort.labelled_slices == cases.WITH_STRUCTURES:
        orientation = cohort.settings.orientation
        truth = sparse.without_structures(truth, cohort.unknown, orientation)
    return image, truth


def read_checked(
    cohort: prepared.PreparedCohort, volume: prepared.PreparedVolume
) -> tuple[sitk.Image, sitk.Image]:
    """Image and truth as from `read`, whose labels are still those of the cohort.

    Raises:
      UserError: a file has changed since it was prepared.
    """
    image, truth = read(cohort, volume)
    _check_truth(cohort, volume, truth)
    return image, truth


def _check_geometry(image: sitk.Image, volume: prepared.PreparedVolume) -> None:
    """Refuses an image whose geometry has changed since it was prepared."""
    for field, found, expected in (
        ("size", image.GetSize(), volume.size),
        ("spacing", image.GetSpacing(), volume.spacing_mm),
        ("origin", image.GetOrigin(), volume.origin),
        ("direction", image.GetDirection(), volume.direction),
    ):
        if not np.allclose(found, expected, rtol=1e-6, atol=1e-6):
            raise errors.UserError(
                f"{volume.image_file}: {field}: found {found}, expected "
                f"{tuple(expected)} as when {volume.name} was prepared: restore the "
                "file, or prepare again."
            )


def _check_truth(
    cohort: prepared.PreparedCohort,
    volume: prepared.PreparedVolume,
    truth: sitk.Image,
) -> None:
    """Refuses a truth that, prepared now, would differ from the cohort's label."""
    grid = grid_of(truth, cohort.settings)
    now = geometry.labels_on_grid(truth, grid, cohort.unknown)
    differing = int(np.count_nonzero(now != cohort.label(volume.name)))
    if differing:
        raise errors.UserError(
            f"{volume.label_file}: values: found a label that differs in {differing} "
            f"prepared voxels from that of {volume.name} when it was prepared: "
            "restore the file, or prepare again."
        )


def grid_of(image: sitk.Image, settings: config.PreprocessingConfig) -> sitk.Image:
    """The grid that an image's prepared slices are on."""
    oriented = geometry.orient(image, settings.orientation)
    return geometry.in_plane_grid(oriented, settings)


def blank(volume: prepared.PreparedVolume) -> sitk.Image:
    """An empty volume with the original's geometry, for uses that need no voxels."""
    image = sitk.Image(list(volume.size), sitk.sitkUInt8)
    image.SetSpacing(volume.spacing_mm)
    image.SetOrigin(volume.origin)
    image.SetDirection(volume.direction)
    return image
