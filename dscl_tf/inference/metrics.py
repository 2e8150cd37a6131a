"""How well a predicted structure matches the truth: overlap and surface distances.

Rule for empty masks: when truth and prediction are both empty, Dice, IoU, surface
Dice and the distances do not apply (None, left out of every mean and counted). When
one of them is empty, Dice and surface Dice are 0 and the distances are infinite; the
structure counts as missed (truth without prediction) or spurious (prediction without
truth).
"""

import dataclasses
import math
from typing import Optional

import numpy as np
import SimpleITK as sitk

# Distances are float32: one that equals the tolerance may come out just above it.
_ROUNDING_MM = 1e-4


@dataclasses.dataclass(frozen=True)
class StructureMetrics:
    """One structure of one volume; None where a value does not apply."""

    tp: int  # Voxels of the structure in both masks.
    fp: int  # ... in the prediction alone.
    fn: int  # ... in the truth alone.
    tn: int  # ... in neither.
    voxel_mm3: float
    hd95_mm: Optional[float]  # inf when one mask is empty, None when both are.
    assd_mm: Optional[float]
    nsd: Optional[float] = None  # Also None without a tolerance.

    @property
    def n_pred(self) -> int:
        """Voxels of the prediction."""
        return self.tp + self.fp

    @property
    def n_ref(self) -> int:
        """Voxels of the truth."""
        return self.tp + self.fn

    @property
    def volume_ref_ml(self) -> Optional[float]:
        """Volume of the truth; None where both masks are empty, as all below."""
        return self._ml(self.n_ref)

    @property
    def volume_pred_ml(self) -> Optional[float]:
        """Volume of the prediction."""
        return self._ml(self.n_pred)

    @property
    def volume_difference_ml(self) -> Optional[float]:
        """Volume of the prediction minus that of the truth."""
        return self._ml(self.n_pred - self.n_ref)

    @property
    def dice(self) -> Optional[float]:
        """2 TP / (2 TP + FP + FN)."""
        return self._ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)

    @property
    def iou(self) -> Optional[float]:
        """TP / (TP + FP + FN)."""
        return self._ratio(self.tp, self.tp + self.fp + self.fn)

    @property
    def status(self) -> str:
        """One of "found", "missed", "spurious" and "not_applicable"."""
        if self.n_ref and self.n_pred:
            return "found"
        if self.n_ref:
            return "missed"
        return "spurious" if self.n_pred else "not_applicable"

    def _ml(self, num_voxels: int) -> Optional[float]:
        is_there = self.n_ref or self.n_pred
        return num_voxels * self.voxel_mm3 / 1000 if is_there else None

    @staticmethod
    def _ratio(part: int, whole: int) -> Optional[float]:
        return part / whole if whole else None


def structure_metrics(
    truth: sitk.Image,
    prediction: sitk.Image,
    label: int,
    nsd_tolerance_mm: Optional[float] = None,
    unknown: Optional[int] = None,
) -> StructureMetrics:
    """Compares one label of two label volumes.

    Voxels of unknown truth are not counted. They are neither inside nor outside a
    mask: a voxel whose neighbours are all in the mask or unknown is not part of the
    surface. If that leaves a mask without a surface, distances and NSD do not apply.

    The surface of a mask is its voxels with a face neighbour outside it; what lies
    beyond the volume counts as outside, except along an axis of one voxel, so that
    the surface of a single slice is its outline. HD95 is the larger of the two
    directed 95th percentiles (linear between ranks), ASSD the mean over the surface
    voxels of both masks. Distances are between voxel centres, by truth's spacing.

    NSD, the normalised surface Dice (Nikolov et al. 2021, "Clinically applicable
    segmentation of head and neck anatomy", equation of the surface Dice at tolerance),
    is the part of the surface voxels of both masks that lie no further than the
    tolerance from the other mask's surface. Each voxel counts once, as in MONAI.

    Args:
      truth: integer label volume; its spacing is in mm.
      prediction: integer label volume of the same size.
      label: the structure's value in both.
      nsd_tolerance_mm: tolerance of NSD, at least 0; None leaves NSD out.
      unknown: the truth's value where it is unknown; None: it is known everywhere.

    Raises:
      ValueError: if the sizes differ.
    """
    if truth.GetSize() != prediction.GetSize():
        raise ValueError(
            f"Label volumes of one size expected, found {truth.GetSize()} and "
            f"{prediction.GetSize()}."
        )
    in_truth = sitk.GetArrayViewFromImage(truth) == label
    in_prediction = sitk.GetArrayViewFromImage(prediction) == label
    is_unknown = None
    if unknown is not None:
        is_unknown = sitk.GetArrayViewFromImage(truth) == unknown
        in_prediction &= ~is_unknown
    counts = _counts(in_truth, in_prediction, is_unknown)
    voxel_mm3 = math.prod(truth.GetSpacing())
    hd95_mm, assd_mm, nsd = _surface_figures(
        in_truth, in_prediction, truth.GetSpacing(), nsd_tolerance_mm, is_unknown
    )
    return StructureMetrics(
        **counts, voxel_mm3=voxel_mm3, hd95_mm=hd95_mm, assd_mm=assd_mm, nsd=nsd
    )


def dice_of(truth: np.ndarray, prediction: np.ndarray) -> Optional[float]:
    """Dice of two masks, bool of one shape; None where both are empty."""
    total = int(np.count_nonzero(truth)) + int(np.count_nonzero(prediction))
    return 2 * int(np.count_nonzero(truth & prediction)) / total if total else None


def _counts(
    truth: np.ndarray, prediction: np.ndarray, is_unknown: Optional[np.ndarray]
) -> dict[str, int]:
    tp = int(np.count_nonzero(truth & prediction))
    fp = int(np.count_nonzero(prediction)) - tp
    fn = int(np.count_nonzero(truth)) - tp
    known = truth.size - (0 if is_unknown is None else np.count_nonzero(is_unknown))
    return {"tp": tp, "fp": fp, "fn": fn, "tn": int(known) - tp - fp - fn}


def _surface_figures(
    truth: np.ndarray,
    prediction: np.ndarray,
    spacing_mm: tuple[float, ...],
    tolerance_mm: Optional[float],
    is_unknown: Optional[np.ndarray],
) -> tuple[Optional[float], Optional[float], Optional[float]]:
    """HD95, ASSD and NSD."""
    if not truth.any() and not prediction.any():
        return None, None, None
    if not truth.any() or not prediction.any():
        return math.inf, math.inf, None if tolerance_mm is None else 0.0
    # Both surfaces lie within the joint bounding box: the distances stay exact.
    box = _bounding_box(truth | prediction)
    truth_surface = _surface(truth, box, spacing_mm, is_unknown)
    prediction_surface = _surface(prediction, box, spacing_mm, is_unknown)
    if not all(map(_has_voxels, (truth_surface, prediction_surface))):
        return None, None, None
    to_prediction = _distances(truth_surface, prediction_surface)
    to_truth = _distances(prediction_surface, truth_surface)
    hd95_mm = max(np.percentile(to_prediction, 95), np.percentile(to_truth, 95))
    both = np.concatenate([to_prediction, to_truth])
    nsd = None
    if tolerance_mm is not None:
        nsd = float((both <= tolerance_mm + _ROUNDING_MM).mean())
    return float(hd95_mm), float(both.mean(dtype=np.float64)), nsd


def _bounding_box(mask: np.ndarray) -> tuple[slice, ...]:
    box = []
    for axis in range(mask.ndim):
        others = tuple(other for other in range(mask.ndim) if other != axis)
        filled = np.flatnonzero(mask.any(axis=others))
        box.append(slice(int(filled[0]), int(filled[-1]) + 1))
    return tuple(box)


def _surface(
    mask: np.ndarray,
    box: tuple[slice, ...],
    spacing_mm: tuple[float, ...],
    is_unknown: Optional[np.ndarray],
) -> sitk.Image:
    """The surface within the box and one voxel around it, 1 in a uint8 image."""
    padded = _padded(mask, box)
    if is_unknown is None:
        return sitk.LabelContour(_image_of(padded, spacing_mm), fullyConnected=False)
    # The contour of mask and unknown together leaves out where the mask borders on
    # unknown voxels.
    both = _image_of(_padded(mask | is_unknown, box), spacing_mm)
    edge = sitk.LabelContour(both, fullyConnected=False)
    return edge * _image_of(padded, spacing_mm)


def _padded(mask: np.ndarray, box: tuple[slice, ...]) -> np.ndarray:
    """uint8 of the box with one voxel around it; 0 beyond the volume."""
    margin = [int(extent > 1) for extent in mask.shape]
    wider = tuple(
        slice(max(side.start - extent, 0), side.stop + extent)
        for side, extent in zip(box, margin)
    )
    missing = [
        (extent - (side.start - wide.start), max(0, wide.stop - size))
        for extent, side, wide, size in zip(margin, box, wider, mask.shape)
    ]
    return np.pad(mask[wider].astype(np.uint8), missing)


def _image_of(values: np.ndarray, spacing_mm: tuple[float, ...]) -> sitk.Image:
    # A single slice must be 2-D for Maurer's filter and the contour filter.
    image = sitk.GetImageFromArray(values[0] if values.shape[0] == 1 else values)
    image.SetSpacing(spacing_mm[: image.GetDimension()])
    return image


def _has_voxels(surface: sitk.Image) -> bool:
    return bool(sitk.GetArrayViewFromImage(surface).any())


def _distances(start: sitk.Image, goal: sitk.Image) -> np.ndarray:
    """Distances in mm from each voxel of `start` to the nearest one of `goal`."""
    distance_mm = sitk.SignedMaurerDistanceMap(
        goal, insideIsPositive=False, squaredDistance=False, useImageSpacing=True
    )
    # Every voxel of a surface borders on its outside, so its own distance is 0.
    on_start = sitk.GetArrayViewFromImage(start) > 0
    return np.abs(sitk.GetArrayViewFromImage(distance_mm)[on_start])
