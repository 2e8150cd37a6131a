"""Flags of two numbers."""

from absl import flags

from dscl_tf import errors


def pair(flag: flags.FlagHolder, kind: type) -> tuple:
    """The two numbers of a list flag; a single number is used for both.

    Raises:
      UserError: it holds something else.
    """
    try:
        values = [kind(text) for text in flag.value]
    except ValueError:
        values = []
    if len(values) not in (1, 2):
        raise errors.UserError(
            f"--{flag.name} must be one number, or two separated by a comma, found "
            f"{','.join(flag.value)!r}."
        )
    return values[0], values[-1]
