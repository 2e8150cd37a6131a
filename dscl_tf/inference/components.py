"""Keeps one connected component of a structure, or of all structures together.

If a structure is in one piece in the body, voxels apart from it are a mistake; so are
voxels apart from structures that touch each other, as those of the heart do. Which
structures are in one piece is learned from validation volumes, as in nnU-Net (Isensee
et al., Nature Methods 2021).
"""

from collections.abc import Iterable, Sequence

import numpy as np
import SimpleITK as sitk

from dscl_tf.inference import metrics

ALL_STRUCTURES = 0  # Means all structures together in a list of labels.


def keep_largest(mask: sitk.Image, labels: Sequence[int]) -> sitk.Image:
    """Keeps one component of each structure, or of all together, in a mask.

    Their other voxels become background.

    Voxels that touch at a corner belong to one component, also across slices. Of a
    structure the largest component is kept, of equally large ones the first. All
    structures together are treated before that: the component is kept whose shares of
    the structures have the largest sum. Each structure thus counts the same, and the
    heart is kept rather than a larger piece of chest wall mistaken for a chamber.

    Args:
      mask: integer label volume.
      labels: the structures; ALL_STRUCTURES stands for all together.

    Returns:
      A volume of the same geometry and type.
    """
    if not labels:
        return mask
    kept = sitk.GetImageFromArray(_kept(sitk.GetArrayViewFromImage(mask), labels))
    kept.CopyInformation(mask)
    return kept


def chosen(
    truths: Sequence[np.ndarray], predictions: Sequence[np.ndarray], num_classes: int
) -> tuple[int, ...]:
    """The structures whose mean Dice rises when only one component is kept.

    Each is tried by itself. If there are several, all together are tried, too, and
    chosen if the mean over structures rises and no structure's Dice falls. Components
    include voxels of unknown truth; Dice counts known voxels only.

    Args:
      truths: labels of volumes, integers [Q, H, W]; `num_classes` means unknown.
      predictions: predicted labels of the same volumes, integers [Q, H, W].
      num_classes: number of classes, background included.

    Returns:
      Their labels in ascending order; ALL_STRUCTURES stands for all together.
    """
    truths = [np.asarray(each) for each in truths]
    predictions = [np.asarray(each) for each in predictions]
    before = _mean_dice(truths, predictions, num_classes)
    found = []
    for label in range(1 if num_classes == 2 else ALL_STRUCTURES, num_classes):
        # One volume at a time: a copy of all of them might not fit into memory.
        kept = (_kept(each, [label]) for each in predictions)
        after = _mean_dice(truths, kept, num_classes)
        if after.mean() > before.mean() and (after >= before).all():
            found.append(label)
    return tuple(found)


def _kept(values: np.ndarray, labels: Sequence[int]) -> np.ndarray:
    kept = np.array(values)
    if ALL_STRUCTURES in labels:
        kept[~_piece_of_most(kept)] = 0
    for label in labels:
        if label != ALL_STRUCTURES:
            is_label = kept == label
            kept[is_label & ~(_pieces(is_label) == 1)] = 0
    return kept


def _piece_of_most(values: np.ndarray) -> np.ndarray:
    """Mask (bool) of the component with the largest sum of the structures' shares."""
    pieces = _pieces(values != 0)
    shares = np.zeros(pieces.max() + 1)
    for label in np.unique(values[values != 0]):
        voxels = np.bincount(pieces[values == label], minlength=len(shares))
        shares += voxels / voxels.sum()
    # The background, component 0, has no share of any structure.
    return (pieces == shares.argmax()) & (values != 0)


def _pieces(mask: np.ndarray) -> np.ndarray:
    """Number of each voxel's component in a bool mask: 1 for the largest; 0 outside."""
    image = sitk.GetImageFromArray(mask.astype(np.uint8))
    by_size = sitk.RelabelComponent(sitk.ConnectedComponent(image, True))
    return sitk.GetArrayFromImage(by_size)


def _mean_dice(
    truths: Sequence[np.ndarray], masks: Iterable[np.ndarray], num_classes: int
) -> np.ndarray:
    """For each structure, over the volumes where truth or mask has it; 0 if none."""
    found: list[list[float]] = [[] for _ in range(1, num_classes)]
    for truth, mask in zip(truths, masks):
        for label, of_label in enumerate(found, start=1):
            known = (mask == label) & (truth != num_classes)
            dice = metrics.dice_of(truth == label, known)
            if dice is not None:
                of_label.append(dice)
    return np.array([np.mean(each) if each else 0.0 for each in found])
