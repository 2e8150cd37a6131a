"""Applies a network to a volume, some slices at a time."""

from collections.abc import Iterator
from typing import Callable, Union

import numpy as np
import tensorflow as tf

_SLICES_AT_ONCE = 16  # Bounds the memory; a stack of few slices is still one call.


def answers(
    network: Callable[[np.ndarray], Union[np.ndarray, tf.Tensor]], slices: np.ndarray
) -> Iterator[np.ndarray]:
    """Yields a network's outputs for the slices of a volume, some slices at a time.

    Args:
      network: maps float32 [N, H, W, channels], for any N, to [N, ...]; it must treat
        each slice independently of the others.
      slices: [Q, H, W, channels]; may be a memory map.

    Yields:
      The outputs for the next slices, in order.
    """
    for first in range(0, len(slices), _SLICES_AT_ONCE):
        part = slices[first : first + _SLICES_AT_ONCE]
        yield np.asarray(network(np.asarray(part, np.float32)))
