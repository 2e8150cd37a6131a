"""Exceptions that the binaries turn into one sentence and an exit code."""


class UserError(Exception):
    """A mistake that the user can mend; the message names it and its cure.

    Binaries print the message without a traceback and end with exit code 1.
    """


def how_to_install(extra: str) -> str:
    """The command that installs the packages of an extra of setup.py."""
    return f"pip install '.[{extra}]' in the checkout of dscl_tf"


def extra_needed(what: str, extra: str) -> UserError:
    """The error that `what` needs the packages of an extra."""
    return UserError(f"{what}: {how_to_install(extra)}.")


def first_line(error: Exception) -> str:
    """The first line of an error's message, or its type if the message is empty."""
    return (str(error).splitlines() or [type(error).__name__])[0]


class Interrupted(Exception):
    """A signal asked the run to stop; its state has been saved."""
