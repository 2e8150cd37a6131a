"""Settings of a row that nothing in it uses: a copy, trained again for nothing."""

import dataclasses
from collections.abc import Callable, Sequence

from dscl_tf import config, errors
from dscl_tf.experiments import comparison
from dscl_tf.experiments.comparison import Method
from dscl_tf.training import records

# The records of all stages of a method on some draw, in order.
Chain = Callable[[Method], Sequence[records.RunRecord]]


def refuse(method: Method, chain_of: Chain) -> None:
    """Refuses a setting without effect, which would look like one that does not matter.

    A setting with the value that it has anyway is none of them: a sweep may have it.

    Args:
      method: a row.
      chain_of: its stages' records, also of this row with fewer settings.

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
            continue  # The others need it.
        pairs = list(zip(whole, map(_anywhere, without)))
        asked = any(one.config != other.config for one, other in pairs)
        if asked and not any(records.differences(*pair) for pair in pairs):
            path, value = setting
            raise errors.UserError(
                f"Method {method.name!r}: {path}={comparison.text_of(value)} says "
                "nothing, since no stage of this row uses it: leave it out, or see "
                "docs/method.md for what it is for."
            )


def _anywhere(record: records.RunRecord) -> records.RunRecord:
    """Without its folder and those that it starts from, whose names have settings."""
    stage = config.with_other_runs(record.config, lambda folder: None)
    return dataclasses.replace(record, config=dataclasses.replace(stage, workdir=""))
