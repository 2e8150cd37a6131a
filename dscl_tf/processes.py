"""Processes that others start."""

import ctypes
import signal
import sys


def stop_with_parent() -> None:
    """Has the kernel ask this process to stop when its parent is killed.

    It would go on alone otherwise, and hold its run folder against the next start.
    """
    set_parent_death_signal = 1  # PR_SET_PDEATHSIG of prctl(2).
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGTERM)
