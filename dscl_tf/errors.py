"""Exceptions that the binaries turn into one sentence and an exit code."""


class UserError(Exception):
    """A mistake that the user can mend; the message names it and its cure.

    Binaries print the message without a traceback and end with exit code 1.
    """


class Interrupted(Exception):
    """A signal asked the run to stop; its state has been saved."""
