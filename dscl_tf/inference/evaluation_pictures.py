"""Draws the masks of an evaluation over the scans, beside the truth."""

import pathlib
from collections.abc import Sequence
from typing import Optional

import SimpleITK as sitk

from dscl_tf import errors, files
from dscl_tf.cohort import cases, label_values, prepared, volumes
from dscl_tf.inference import case_views, evaluated, originals, overlays, summary

SHEET = "contact_sheet.png"
FOLDER = "overlays"


class Pictures:
    """The pictures of an evaluation, volume by volume."""

    def __init__(self, evaluation: pathlib.Path):
        """Draws nothing yet; the pictures go to the folder `evaluation`."""
        self._folder = evaluation
        self._thumbnails: list[case_views.Thumbnail] = []
        self._count = 0

    def add(self, view: case_views.CaseView, dice: Optional[float]) -> None:
        """Draws a volume, whose mean Dice is `dice`."""
        overlays.draw_case(view, self._folder / FOLDER / f"{view.name}.png")
        # Only those that fit on the sheet are kept.
        found = [*self._thumbnails, case_views.thumbnail(view, dice)]
        self._thumbnails = overlays.shown_first(found)
        self._count += 1

    def finish(self) -> None:
        """Draws the contact sheet, which marks that all pictures have been drawn."""
        overlays.draw_sheet(self._thumbnails, self._folder / SHEET, self._count)


def draw_missing(cohort: prepared.PreparedCohort, evaluation: pathlib.Path) -> None:
    """Draws the pictures of a finished evaluation, if its contact sheet is missing.

    Raises:
      UserError: as `MaskViews`.
    """
    if (evaluation / SHEET).is_file():
        return
    pictures, masks = Pictures(evaluation), MaskViews(cohort, [evaluation])
    for name, dice in evaluated.case_dice(evaluation).items():
        (view,) = masks.of(name)
        pictures.add(view, dice)
    pictures.finish()


def views_of(
    cohort: prepared.PreparedCohort,
    name: str,
    image: sitk.Image,
    truth: sitk.Image,
    masks: Sequence[sitk.Image],
) -> list[case_views.CaseView]:
    """A volume of the cohort with each of its masks (`case_views.case_views`)."""
    orientation = cohort.settings.orientation
    names = cohort.label_names
    return case_views.case_views(name, image, truth, masks, names, orientation)


class MaskViews:
    """Views of volumes with the masks that evaluations wrote for them."""

    def __init__(
        self,
        cohort: prepared.PreparedCohort,
        evaluations: Sequence[files.PathLike],
    ):
        """Reads the voxel values of the masks.

        Args:
          cohort: the one that the evaluations were made on.
          evaluations: their folders.

        Raises:
          UserError: a summary.json is missing, damaged, or of another cohort.
        """
        for folder in evaluations:
            _check_cohort(pathlib.Path(folder), cohort)
        self._cohort = cohort
        count = len(cohort.label_names)
        self._values = {
            folder: label_values.of_classes(evaluated.mask_values(folder), count)
            for folder in map(pathlib.Path, evaluations)
        }

    def of(self, name: str) -> list[case_views.CaseView]:
        """A labelled volume, with the mask of each evaluation.

        Raises:
          UserError: an original file or a mask is missing or has changed.
        """
        volume = self._cohort.volume(name)
        originals.check_there([volume])
        image, truth = originals.read(self._cohort, volume)
        masks = [self._mask(volume, *each) for each in self._values.items()]
        return views_of(self._cohort, name, image, truth, masks)

    def _mask(
        self,
        volume: prepared.PreparedVolume,
        evaluation: pathlib.Path,
        values: Sequence[int],
    ) -> sitk.Image:
        mask_file = evaluation / "masks" / f"{volume.name}.nii.gz"
        pairs = tuple((value, k) for k, value in enumerate(values))
        mask = cases.to_classes(volumes.read_label(mask_file), pairs, mask_file)
        if mask.GetSize() != tuple(volume.size):
            raise errors.UserError(
                f"{mask_file}: size: found {mask.GetSize()}, expected "
                f"{tuple(volume.size)} as the image of {volume.name}: evaluate again."
            )
        mask.CopyInformation(originals.blank(volume))
        return mask


def _check_cohort(evaluation: pathlib.Path, cohort: prepared.PreparedCohort) -> None:
    """Refuses an evaluation on other volumes, which may have the same names."""
    found = evaluated.cohort_id(evaluation)
    if found != cohort.content_id:
        raise errors.UserError(
            f"{evaluation / summary.FILE}: cohort_id: found {found}, expected "
            f"{cohort.content_id} of {cohort.folder}: its masks are of other scans; "
            "evaluate on this cohort."
        )
