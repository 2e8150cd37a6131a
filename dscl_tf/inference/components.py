"""Connected components of masks: of some structures only the largest one is kept.

A structure that is one piece in the body is one in its mask; what lies apart from the
largest piece is a mistake then. Which structures are is learned from validation
volumes, as nnU-Net does (Isensee et al., Nature Methods 2021).
"""

from collections.abc import Sequence

import numpy as np
import SimpleITK as sitk

from dscl_tf.inference import metrics


def keep_largest(mask: sitk.Image, labels: Sequence[int]) -> sitk.Image:
    """Makes background of all but the largest piece of each structure.

    Voxels that touch at a corner are of one piece, across slices, too. Of pieces as
    large as each other the one that is met first is kept.

    Args:
      mask: integer label volume.
      labels: the structures.

    Returns:
      The same geometry and type.
    """
    if not labels:
        return mask
    values = sitk.GetArrayFromImage(mask)
    for label in labels:
        is_label = values == label
        values[is_label & ~_largest(is_label)] = 0
    kept = sitk.GetImageFromArray(values)
    kept.CopyInformation(mask)
    return kept


def chosen(
    truths: Sequence[np.ndarray], predictions: Sequence[np.ndarray], num_classes: int
) -> tuple[int, ...]:
    """The structures whose mean Dice rises when only the largest piece is kept.

    Pieces go on where the truth is unknown; Dice is of the known voxels.

    Args:
      truths: labels of volumes, integers [Q, H, W]; `num_classes` is unknown.
      predictions: what was predicted of them, integers [Q, H, W].
      num_classes: background included.

    Returns:
      Their labels, rising.
    """
    found, known = [], [np.asarray(each) != num_classes for each in truths]
    for label in range(1, num_classes):
        masks = [np.asarray(each) == label for each in predictions]
        pieces = [_largest(mask) for mask in masks]
        true = [np.asarray(each) == label for each in truths]
        seen = [
            [each & is_known for each, is_known in zip(several, known)]
            for several in (pieces, masks)
        ]
        if _mean_dice(true, seen[0]) > _mean_dice(true, seen[1]):
            found.append(label)
    return tuple(found)


def _largest(mask: np.ndarray) -> np.ndarray:
    """The largest piece of a mask, both bool of one shape."""
    image = sitk.GetImageFromArray(mask.astype(np.uint8))
    by_size = sitk.RelabelComponent(sitk.ConnectedComponent(image, True))
    return sitk.GetArrayFromImage(by_size) == 1


def _mean_dice(truths: list[np.ndarray], masks: list[np.ndarray]) -> float:
    """Of the volumes that have the structure or a prediction of it; else 0."""
    found = [metrics.dice_of(*pair) for pair in zip(truths, masks)]
    found = [each for each in found if each is not None]
    return float(np.mean(found)) if found else 0.0
