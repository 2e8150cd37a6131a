"""Connected components of masks: structures, or all of them together, in one piece.

What lies apart from a structure that is one piece in the body is a mistake, and so is
what lies apart from structures that touch each other, as a heart's do. Which are one
piece is learned from validation volumes, as nnU-Net does (Isensee et al., Nature
Methods 2021).
"""

from collections.abc import Iterable, Sequence

import numpy as np
import SimpleITK as sitk

from dscl_tf.inference import metrics

ALL_STRUCTURES = 0  # Stands for all of them together, where labels are listed.


def keep_largest(mask: sitk.Image, labels: Sequence[int]) -> sitk.Image:
    """Makes background of all but one piece of each structure, or of all together.

    Voxels that touch at a corner are of one piece, across slices, too. Of a structure
    the largest piece is kept; of pieces as large as each other the one that is met
    first. Of all structures together the piece is kept that has most of them, where
    each counts as much as the others: a heart, not the larger piece of chest wall that
    was taken for one of its chambers. That is done first.

    Args:
      mask: integer label volume.
      labels: the structures; ALL_STRUCTURES among them: all together, too.

    Returns:
      The same geometry and type.
    """
    if not labels:
        return mask
    kept = sitk.GetImageFromArray(_kept(sitk.GetArrayViewFromImage(mask), labels))
    kept.CopyInformation(mask)
    return kept


def chosen(
    truths: Sequence[np.ndarray], predictions: Sequence[np.ndarray], num_classes: int
) -> tuple[int, ...]:
    """The structures whose mean Dice rises when only one piece is kept.

    All together, of two or more, are among them if the mean over structures rises and
    no structure's falls. Each is tried by itself. Pieces go on where the truth is
    unknown; Dice is of the known voxels.

    Args:
      truths: labels of volumes, integers [Q, H, W]; `num_classes` is unknown.
      predictions: what was predicted of them, integers [Q, H, W].
      num_classes: background included.

    Returns:
      Their labels, rising; ALL_STRUCTURES stands for all together.
    """
    truths = [np.asarray(each) for each in truths]
    predictions = [np.asarray(each) for each in predictions]
    before = _mean_dice(truths, predictions, num_classes)
    found = []
    for label in range(1 if num_classes == 2 else ALL_STRUCTURES, num_classes):
        # One volume at a time: all of them once more might not fit into memory.
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
    """The piece with the largest sum of shares of the structures, bool."""
    pieces = _pieces(values != 0)
    shares = np.zeros(pieces.max() + 1)
    for label in np.unique(values[values != 0]):
        voxels = np.bincount(pieces[values == label], minlength=len(shares))
        shares += voxels / voxels.sum()
    # The background, piece 0, has a share of none.
    return (pieces == shares.argmax()) & (values != 0)


def _pieces(mask: np.ndarray) -> np.ndarray:
    """The number of each voxel's piece of a bool mask, 1 for the largest; 0 outside."""
    image = sitk.GetImageFromArray(mask.astype(np.uint8))
    by_size = sitk.RelabelComponent(sitk.ConnectedComponent(image, True))
    return sitk.GetArrayFromImage(by_size)


def _mean_dice(
    truths: Sequence[np.ndarray], masks: Iterable[np.ndarray], num_classes: int
) -> np.ndarray:
    """Of each structure, over the volumes with it or a prediction of it; else 0."""
    found: list[list[float]] = [[] for _ in range(1, num_classes)]
    for truth, mask in zip(truths, masks):
        for label, of_label in enumerate(found, start=1):
            known = (mask == label) & (truth != num_classes)
            dice = metrics.dice_of(truth == label, known)
            if dice is not None:
                of_label.append(dice)
    return np.array([np.mean(each) if each else 0.0 for each in found])
