"""Finds settings that nothing in a row uses: it would only train a copy again."""

import dataclasses
from collections.abc import Callable, Sequence

from dscl_tf import config, errors
from dscl_tf.experiments import comparison
from dscl_tf.experiments.comparison import Method
from dscl_tf.training import records

# From a method to the records of all its stages on some draw, in order.
Chain = Callable[[Method], Sequence[records.RunRecord]]


def refuse(method: Method, chain_of: Chain) -> None:
    """Refuses a setting without effect: its results would suggest it does not matter.

    A setting with the value that it has anyway is accepted: a sweep may include it.

    Args:
      method: a row.
      chain_of: gives the records of its stages, also with fewer of its settings.

    Raises:
      UserError: naming the row and the setting.
    """
    if not method.settings:
        return
    whole = list(map(_anywhere, chain_of(method)))
    for setting in method.settings:
        others = tuple(each for each in method.settings if each != setting)
        try:
            without = chain_of(dataclasses.replace(method, settings=others))
        except errors.UserError:
            continue  # The other settings are not valid without it.
        pairs = list(zip(whole, map(_anywhere, without)))
        asked = any(one.config != other.config for one, other in pairs)
        if asked and not any(records.differences(*pair) for pair in pairs):
            path, value = setting
            raise errors.UserError(
                f"Method {method.name!r}: {path}={comparison.text_of(value)} has no "
                "effect, since no stage of this row uses it: leave it out, or see "
                "docs/method.md for what it is for."
            )


def _anywhere(record: records.RunRecord) -> records.RunRecord:
    """The record without its and other runs' folders, whose names contain settings."""
    stage = config.with_other_runs(record.config, lambda folder: None)
    return dataclasses.replace(record, config=dataclasses.replace(stage, workdir=""))
