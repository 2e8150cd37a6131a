"""Loads what a stage takes over from an earlier one, and logs it part by part."""

import logging
import pathlib
from collections.abc import Mapping

import tensorflow as tf

from dscl_tf import errors
from dscl_tf.training import checkpoints

_LOG = logging.getLogger(__name__)


def take_over(source: pathlib.Path, parts: Mapping[str, tf.keras.Model]) -> str:
    """Loads those parts that `source` has, with their BatchNorm statistics.

    Args:
      source: checkpoint of an earlier stage.
      parts: networks of this stage, by name.

    Returns:
      The table that was logged: each part taken over, fresh or dropped.

    Raises:
      UserError: no part matches, or one that matches by name has other shapes.
    """
    there = checkpoints.variables_by_part(source)
    taken = {name: model for name, model in parts.items() if name in there}
    if not taken:
        raise errors.UserError(
            f"Nothing to take over from {source}: it has the parts "
            f"{sorted(there)}, this stage the parts {sorted(parts)}."
        )
    checkpoints.read_parts(source, taken)
    table = _table(there, parts)
    _LOG.info("Taken over from %s:\n%s", source, table)
    return table


def _table(there: Mapping[str, int], parts: Mapping[str, tf.keras.Model]) -> str:
    rows = [("part", "variables", "parameters", "")]
    for name, model in parts.items():
        fate = "taken over" if name in there else "fresh"
        size = sum(variable.shape.num_elements() for variable in model.variables)
        rows.append((name, str(len(model.variables)), f"{size:,}", fate))
    rows += [
        (name, str(count), "", "dropped")
        for name, count in sorted(there.items())
        if name not in parts
    ]
    return "\n".join(f"  {a:<18}{b:>10}{c:>13}  {d}" for a, b, c, d in rows)
