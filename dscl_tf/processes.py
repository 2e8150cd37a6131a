"""Helpers for child processes."""

import ctypes
import signal
import sys


def stop_with_parent() -> None:
    """Has the kernel send this process SIGTERM when its parent dies (Linux only).

    Otherwise it would continue as an orphan, whose lock on its run folder keeps the
    next start from using it.
    """
    set_parent_death_signal = 1  # PR_SET_PDEATHSIG of prctl(2).
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGTERM)
