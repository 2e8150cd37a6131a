"""Confusion matrices: which classes are found in the voxels of each structure."""

import numpy as np


def count(truth: np.ndarray, found: np.ndarray, num_classes: int) -> np.ndarray:
    """Voxels [true class, found class]."""
    pairs = truth.astype(np.int64) * num_classes + found
    return np.bincount(pairs.ravel(), minlength=num_classes**2).reshape(num_classes, -1)


def called(matrices: np.ndarray, label: int) -> tuple[np.ndarray, float]:
    """The classes found in a structure's voxels, and its relative size.

    Each volume that has the structure counts the same, however many voxels it has.

    Args:
      matrices: voxels, int [volumes, true class, found class].
      label: the structure's class.

    Returns:
      Mean shares, float [found class], and the median of found over true size; NaN if
      no volume has the structure.
    """
    true = matrices[:, label].sum(axis=1)
    having = matrices[true > 0]
    if not len(having):
        return np.full(matrices.shape[2], np.nan), float("nan")
    true = true[true > 0]
    shares = having[:, label] / true[:, None]
    sizes = having[:, :, label].sum(axis=1) / true
    return shares.mean(axis=0), float(np.median(sizes))
