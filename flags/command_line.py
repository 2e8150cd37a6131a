"""What was typed, apart from what presets and recipes set."""

import functools
import re
import sys
from collections.abc import Collection, Sequence
from typing import Optional

from absl import flags as absl_flags

from dscl_tf import errors


def is_given(flag: str, argv: Optional[Sequence[str]] = None) -> bool:
    """Whether a flag is typed: on the command line, or in a flagfile named there.

    What presets and recipes set is not typed.

    Args:
      flag: with or without its dashes.
      argv: the command line, by default this process's.
    """
    words = _with_flagfiles(tuple(sys.argv if argv is None else argv))
    name = flag.lstrip("-")
    return any(re.match(rf"--?({name}=|(no)?{name}$)", word) for word in words[1:])


@functools.lru_cache(maxsize=1)  # Asked for many flags of one command line.
def _with_flagfiles(words: tuple[str, ...]) -> list[str]:
    try:
        return absl_flags.FLAGS.read_flags_from_files(list(words))
    except absl_flags.Error:  # Parsing says what cannot be read.
        return list(words)


def refuse_typed(
    flag: absl_flags.FlagHolder, switch: absl_flags.FlagHolder, needed: str
) -> None:
    """Refuses a flag that has no effect, since `switch` lacks the value it needs.

    A flag that only a preset sets is not refused.

    Raises:
      UserError: the flag is on the command line.
    """
    if is_given(flag.name):
        raise errors.UserError(
            f"--{flag.name} belongs to --{switch.name}={needed} and has no effect "
            f"with --{switch.name}={switch.value}: leave one of them out."
        )


def refuse_without_row(
    flag: absl_flags.FlagHolder, needed: Sequence[str], starts: Collection[str]
) -> None:
    """Refuses a typed flag that is for rows which an experiment does not have.

    Args:
      flag: the flag.
      needed: the first terms of the rows that it is for.
      starts: the first terms of all rows.

    Raises:
      UserError: it is typed, and no row starts with one of `needed`.
    """
    if is_given(flag.name) and not set(needed) & set(starts):
        raise errors.UserError(
            f"--{flag.name} has no effect, since no row of --methods starts with "
            f"{' or '.join(needed)}: add one, or leave the flag out."
        )
