"""Orients, crops and scales a volume for pictures, and chooses the slices shown."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Optional

import numpy as np
import SimpleITK as sitk

from dscl_tf import config
from dscl_tf.cohort import geometry
from dscl_tf.inference import metrics

_MARGIN = 0.3  # Shown around the structures, as a fraction of their extent.


@dataclasses.dataclass(frozen=True)
class CaseView:
    """One volume as it is drawn: oriented, and cropped around its structures."""

    name: str
    image: np.ndarray  # float32 [Q, rows, columns], shown from 0 to 1.
    truth: np.ndarray  # uint8 [Q, rows, columns].
    prediction: np.ndarray  # uint8 [Q, rows, columns].
    aspect: float  # Height of a pixel over its width.
    label_names: tuple[str, ...]
    # bool [Q, rows, columns]: voxels that nobody labelled; None: there are none.
    unknown: Optional[np.ndarray] = None

    def slice_dice(self, index: int) -> dict[int, float]:
        """Dice of each structure that truth or prediction has in a slice."""
        truth, prediction = self.truth[index], self.prediction[index]
        if self.unknown is not None:
            prediction = np.where(self.unknown[index], 0, prediction)
        dice = {
            label: metrics.dice_of(truth == label, prediction == label)
            for label in range(1, len(self.label_names))
        }
        return {label: value for label, value in dice.items() if value is not None}

    def levels(self) -> list[int]:
        """The middle slice of each third of the slices that have structures."""
        filled = np.flatnonzero(self.truth.any(axis=(1, 2)))
        if not len(filled):
            filled = np.flatnonzero(self.prediction.any(axis=(1, 2)))
        if not len(filled):
            return [len(self.image) // 2]
        return sorted({int(filled[len(filled) * k // 6]) for k in (1, 3, 5)})

    def worst(self) -> Optional[int]:
        """The slice with the lowest mean Dice, None without any structure."""
        means = {
            index: float(np.mean(list(dice.values())))
            for index in range(len(self.image))
            if (dice := self.slice_dice(index))
        }
        return min(means, key=means.get) if means else None


@dataclasses.dataclass(frozen=True)
class Thumbnail:
    """One case of a contact sheet, shown by a single slice."""

    view: CaseView  # With that slice alone.
    dice: Optional[float]  # Mean over the structures of the whole volume.


def case_views(
    name: str,
    image: sitk.Image,
    truth: sitk.Image,
    predictions: Sequence[sitk.Image],
    label_names: tuple[str, ...],
    orientation: Optional[config.OrientationConfig] = None,
) -> list[CaseView]:
    """Orients, crops and scales a case for drawing, the same for all predictions.

    Args:
      name: title of its picture.
      image: the original volume.
      truth: integer labels with the geometry of `image`; values beyond the classes of
        `label_names` mean unknown.
      predictions: integer labels with the geometry of `image`.
      label_names: name of each class; the first is the background.
      orientation: the cohort's, as for `geometry.orient`.

    Returns:
      A view for each prediction.
    """
    oriented = [geometry.orient(v, orientation) for v in (image, truth, *predictions)]
    whole, true, *found = (_upright(volume) for volume in oriented)
    unknown = true >= len(label_names)
    true = np.where(unknown, 0, true)
    rows, columns = _crop(np.any([mask > 0 for mask in (true, *found)], axis=0))
    width_mm, height_mm, _ = oriented[0].GetSpacing()
    of_all = CaseView(
        name,
        _scaled(whole[:, rows, columns], whole),
        true[:, rows, columns].astype(np.uint8),
        np.zeros_like(true[:, rows, columns], np.uint8),
        height_mm / width_mm,
        tuple(label_names),
        unknown[:, rows, columns] if unknown.any() else None,
    )
    cropped = [mask[:, rows, columns].astype(np.uint8) for mask in found]
    return [dataclasses.replace(of_all, prediction=mask) for mask in cropped]


def _upright(oriented: sitk.Image) -> np.ndarray:
    array = sitk.GetArrayFromImage(oriented)
    along_rows = oriented.GetDirection()[1::3]
    to_the_head = int(np.argmax(np.abs(along_rows))) == 2 and along_rows[2] > 0
    return array[:, ::-1] if to_the_head else array


def _crop(mask: np.ndarray) -> tuple[slice, slice]:
    """Rows and columns around the structures, at least a third of the image."""
    crop = []
    for axis in (1, 2):
        others = tuple({0, 1, 2} - {axis})
        filled = np.flatnonzero(mask.any(axis=others))
        extent = mask.shape[axis]
        low, high = (filled[0], filled[-1] + 1) if len(filled) else (0, extent)
        half = max((high - low) * (0.5 + _MARGIN), extent / 6)
        centre = min(max((low + high) / 2, half), max(extent - half, extent / 2))
        crop.append(slice(max(0, math.floor(centre - half)), math.ceil(centre + half)))
    return tuple(crop)


def _scaled(shown: np.ndarray, whole: np.ndarray) -> np.ndarray:
    low, high = np.percentile(whole, [1, 99.5])
    return np.clip((shown - low) / max(high - low, 1e-6), 0, 1).astype(np.float32)


def thumbnail(
    view: CaseView, dice: Optional[float], index: Optional[int] = None
) -> Thumbnail:
    """One slice, without the rest of the volume.

    Args:
      view: the volume.
      dice: mean Dice of the whole volume.
      index: number of the slice; None: the middle one of those with structures.
    """
    if index is None:
        levels = view.levels()
        index = levels[len(levels) // 2]
    middle = slice(index, index + 1)
    small = dataclasses.replace(
        view,
        image=view.image[middle].copy(),
        truth=view.truth[middle].copy(),
        prediction=view.prediction[middle].copy(),
        unknown=None if view.unknown is None else view.unknown[middle].copy(),
    )
    return Thumbnail(small, dice)
