"""Checks for NaN and infinity, which must be neither saved nor used."""

from collections.abc import Iterable, Mapping
from typing import Optional

import numpy as np
import tensorflow as tf

from dscl_tf import errors


class NotFiniteError(errors.UserError):
    """A loss, a gradient or a weight became infinite or NaN."""


def first_not_finite(variables: Mapping[str, tf.Variable]) -> Optional[str]:
    """The name of the first variable with a value that is NaN or infinite.

    Args:
      variables: by name; those of other than floating dtypes count as finite.

    Returns:
      The name, or None if all are finite. All are checked in one copy from the device.
    """
    floats = {name: v for name, v in variables.items() if v.dtype.is_floating}
    if not floats:
        return None
    checks = [tf.reduce_all(tf.math.is_finite(each)) for each in floats.values()]
    are_finite = tf.stack(checks).numpy()
    if are_finite.all():
        return None
    return list(floats)[int(np.argmin(are_finite))]


def variables_of(
    parts: Mapping[str, tf.keras.Model],
    optimizer: Optional[tf.keras.optimizers.Optimizer] = None,
) -> dict[str, tf.Variable]:
    """All variables of networks and of their optimizer, by unique names.

    Args:
      parts: networks by name; BatchNorm's statistics are among their variables.
      optimizer: a built optimizer, or None.
    """
    found = {}
    for part, model in parts.items():
        found.update(_named(part, model.variables))
    if optimizer is not None:
        found.update(_named("optimizer", optimizer.variables))
    return found


def _named(owner: str, variables: Iterable[tf.Variable]) -> dict[str, tf.Variable]:
    # Numbered, since names of layers repeat.
    return {f"{owner}/{each.name} ({k})": each for k, each in enumerate(variables)}
