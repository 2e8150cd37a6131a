"""Sums over many rows of a similarity matrix, some rows at a time."""

from collections.abc import Sequence
from typing import Callable, Optional

import tensorflow as tf

# The most elements of a similarity matrix that are computed at once. That is 16 MiB,
# and a loss with its gradient holds about ten such arrays. Batches of the paper's sizes
# stay far below.
MAX_ELEMENTS = 2**22

# From units, rows of each tensor and their weights, float32, to float32 [K] sums.
RowSums = Callable[..., tf.Tensor]


def rows_at_once(num_rows: Optional[int], num_columns: Optional[int]) -> Optional[int]:
    """How many rows to take at a time; None: all of them.

    Args:
      num_rows: of the matrix, or None if it is unknown while the graph is traced.
      num_columns: of the matrix, or None.
    """
    if num_rows is None or num_columns is None:
        return None
    if num_rows * num_columns <= MAX_ELEMENTS:
        return None
    return max(1, MAX_ELEMENTS // num_columns)


def sum_over_rows(
    function: RowSums,
    units: tf.Tensor,
    rows: Sequence[tf.Tensor],
    num_sums: int,
    chunk: Optional[int],
) -> tf.Tensor:
    """function(units, *rows, weights), in chunks whose results are added.

    With chunks the gradient is computed along with the sums, so that no chunk's
    matrices outlive it; only the first of the sums then has a gradient.

    Args:
      function: from `units`, the rows and a float32 weight for each row (0: the row
        does not count) to float32 [K] sums, of which the first is differentiated.
      units: float32; the gradient is with respect to these.
      rows: tensors of the same first dimension R; they get no gradient.
      num_sums: K.
      chunk: rows at a time; None: all at once.

    Returns:
      float32 [K].
    """
    if chunk is None:
        return function(units, *rows, tf.ones_like(rows[0], tf.float32))
    num_rows = tf.shape(rows[0])[0]

    @tf.custom_gradient
    def total(units: tf.Tensor):
        def add(number, sums, gradient):
            # XLA needs chunks of equal size: the last row is repeated, with weight 0.
            index = number * chunk + tf.range(chunk)
            weights = tf.cast(index < num_rows, tf.float32)
            index = tf.minimum(index, num_rows - 1)
            with tf.GradientTape() as tape:
                tape.watch(units)
                more = function(units, *(tf.gather(r, index) for r in rows), weights)
                first = more[0]
            slope = tf.convert_to_tensor(tape.gradient(first, units))
            return number + 1, sums + more, gradient + slope

        _, sums, gradient = tf.while_loop(
            lambda number, *_: number * chunk < num_rows,
            add,
            (0, tf.zeros(num_sums), tf.zeros_like(units)),
            parallel_iterations=1,
        )
        return sums, lambda upstream: upstream[0] * gradient

    return total(units)
