"""Partitions: groups of consecutive slices at about the same anatomical height."""

import numpy as np


def partition_of_slices(num_slices: int, num_partitions: int) -> np.ndarray:
    """The partition of each slice of a volume (paper, section 3.2).

    The groups are consecutive and of nearly equal size; larger groups come first.

    Args:
      num_slices: Q.
      num_partitions: S, at least 1.

    Returns:
      int32 [Q], non-decreasing, values in [0, S).

    Raises:
      ValueError: S is less than 1, or more than Q, so that a partition would be empty.
    """
    if not 1 <= num_partitions <= num_slices:
        raise ValueError(
            f"num_partitions must be 1 to the number of slices ({num_slices}), "
            f"got {num_partitions}."
        )
    groups = np.array_split(np.arange(num_slices), num_partitions)
    sizes = [len(group) for group in groups]
    return np.repeat(np.arange(num_partitions, dtype=np.int32), sizes)
