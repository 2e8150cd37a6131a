"""What the voxels of structures are called."""

import numpy as np


def count(truth: np.ndarray, found: np.ndarray, num_classes: int) -> np.ndarray:
    """Voxels [true class, found class]."""
    pairs = truth.astype(np.int64) * num_classes + found
    return np.bincount(pairs.ravel(), minlength=num_classes**2).reshape(num_classes, -1)


def called(matrices: np.ndarray, label: int) -> tuple[np.ndarray, float]:
    """What a structure's voxels are called, and its median size by the true one.

    Over the volumes that have the structure, which count alike, whatever their voxels.

    Args:
      matrices: voxels, int [volumes, true class, found class].
      label: of the structure.

    Returns:
      Mean shares, float [found class]; NaN where no volume has it.
    """
    true = matrices[:, label].sum(axis=1)
    having = matrices[true > 0]
    if not len(having):
        return np.full(matrices.shape[2], np.nan), float("nan")
    true = true[true > 0]
    shares = having[:, label] / true[:, None]
    sizes = having[:, :, label].sum(axis=1) / true
    return shares.mean(axis=0), float(np.median(sizes))
