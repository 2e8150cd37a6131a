"""Treats SIGTERM and SIGINT as requests to save and stop."""

import contextlib
import signal
import threading
from collections.abc import Iterator

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopRequest:
    """Whether, and by which signal, the run was asked to stop."""

    def __init__(self):
        self.signal_name = ""

    def __bool__(self) -> bool:
        return bool(self.signal_name)

    @property
    def by(self) -> str:
        """What asked for the stop, given that a process of the run was asked to."""
        return self.signal_name or "A signal to another worker"

    def __call__(self, number: int, frame: object) -> None:
        self.signal_name = signal.Signals(number).name


@contextlib.contextmanager
def stop_request() -> Iterator[StopRequest]:
    """Catches the signals within the block; elsewhere they act as before.

    In a thread other than the main one, where handlers cannot be set, nothing is
    caught.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    # A thread that watches the wake-up descriptor might look at a signal only after
    # this block has ended, when its handler is gone, and take it for unhandled.
    told = signal.set_wakeup_fd(-1)
    before = {number: signal.signal(number, request) for number in _SIGNALS}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(told, warn_on_full_buffer=False)
