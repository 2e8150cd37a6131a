"""What a network says of a volume, some slices at a time."""

from collections.abc import Iterator
from typing import Callable, Union

import numpy as np
import tensorflow as tf

_SLICES_AT_ONCE = 16  # Bounds the memory; a stack of few slices is still one call.


def answers(
    network: Callable[[np.ndarray], Union[np.ndarray, tf.Tensor]], slices: np.ndarray
) -> Iterator[np.ndarray]:
    """The answers to the slices of a volume, part by part.

    Args:
      network: from float32 [N, H, W, channels], of any N, to [N, ...]; slices have no
        influence on each other.
      slices: [Q, H, W, channels]; may be a memory map.

    Yields:
      What it says of the next slices, in their order.
    """
    for first in range(0, len(slices), _SLICES_AT_ONCE):
        part = slices[first : first + _SLICES_AT_ONCE]
        yield np.asarray(network(np.asarray(part, np.float32)))
