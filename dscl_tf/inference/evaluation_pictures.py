"""Draws what an evaluation wrote: its masks over the scans, beside the truth."""

import pathlib
from collections.abc import Sequence

import SimpleITK as sitk

from dscl_tf import errors, files
from dscl_tf.cohort import cases, label_values, prepared, volumes
from dscl_tf.inference import case_views, evaluated, originals, overlays

SHEET = "contact_sheet.png"
FOLDER = "overlays"


def draw(
    cohort: prepared.PreparedCohort,
    chosen: Sequence[prepared.PreparedVolume],
    evaluation: pathlib.Path,
) -> None:
    """Draws each volume, and as the last the contact sheet; not where that is there.

    Args:
      cohort: that the evaluation was on.
      chosen: its volumes.
      evaluation: its folder, finished; the pictures go there.

    Raises:
      UserError: as `views_of`.
    """
    if (evaluation / SHEET).is_file():
        return
    dice = evaluated.case_dice(evaluation)
    thumbnails = []
    for volume in chosen:
        (view,) = views_of(cohort, volume, [evaluation])
        overlays.draw_case(view, evaluation / FOLDER / f"{volume.name}.png")
        thumbnails.append(case_views.thumbnail(view, dice[volume.name]))
    overlays.draw_sheet(thumbnails, evaluation / SHEET)


def views_of(
    cohort: prepared.PreparedCohort,
    volume: prepared.PreparedVolume,
    evaluations: Sequence[files.PathLike],
) -> list[case_views.CaseView]:
    """A volume with the mask that each evaluation wrote of it, to be drawn.

    Args:
      cohort: that the evaluations were on.
      volume: one of it, with a label.
      evaluations: their folders.

    Raises:
      UserError: an original file or a mask is missing or has changed, or a
        summary.json is damaged.
    """
    originals.check_there([volume])
    image, truth = originals.read(cohort, volume)
    found = [_mask(cohort, volume, pathlib.Path(each)) for each in evaluations]
    orientation, names = cohort.settings.orientation, cohort.label_names
    return case_views.case_views(volume.name, image, truth, found, names, orientation)


def _mask(
    cohort: prepared.PreparedCohort,
    volume: prepared.PreparedVolume,
    evaluation: pathlib.Path,
) -> sitk.Image:
    mask_file = evaluation / "masks" / f"{volume.name}.nii.gz"
    mask_values = evaluated.mask_values(evaluation)
    values = label_values.of_classes(mask_values, len(cohort.label_names))
    pairs = tuple((value, k) for k, value in enumerate(values))
    mask = cases.to_classes(volumes.read_label(mask_file), pairs, mask_file)
    if mask.GetSize() != tuple(volume.size):
        raise errors.UserError(
            f"{mask_file}: size: found {mask.GetSize()}, expected "
            f"{tuple(volume.size)} as the image of {volume.name}: evaluate again."
        )
    mask.CopyInformation(originals.blank(volume))
    return mask
