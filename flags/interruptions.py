"""Exit code 75 within seconds of SIGINT or SIGTERM, at any time, however many come."""

import logging
import os
import signal
import threading
import time
from typing import Optional

from dscl_tf import errors

EXIT_INTERRUPTED = 75
SIGNALS = (signal.SIGINT, signal.SIGTERM)
_PATIENCE_S = 3.0
_LOG = logging.getLogger(__name__)


def leave(number: int = 0, frame: object = None) -> None:
    """Ends the process at once; the handler as long as no work has begun."""
    os.write(2, b"Interrupted. Start the same command again to go on.\n")
    os._exit(EXIT_INTERRUPTED)


class Interruptions:
    """A handler: the first signal raises KeyboardInterrupt, later ones do not.

    They would interrupt the clean-up, or Python's shutdown with another exit code. But
    one that comes some seconds after the first ends the process at once, in case
    something swallowed the first.
    """

    def __init__(self):
        self._since = None  # Time of the first signal, or of the end of the work.

    def __call__(self, number: int, frame: object) -> None:
        """Handles a signal; Python calls this in the main thread."""
        if self._since is None:
            self._since = time.monotonic()
            raise KeyboardInterrupt
        if time.monotonic() - self._since > _PATIENCE_S:
            leave()

    def __bool__(self) -> bool:
        """Whether a signal has come (or the work is over)."""
        return self._since is not None

    def end(self) -> None:
        """Says that the work is over: signals are ignored from here on."""
        self._since = self._since or time.monotonic()
        # SIG_IGN, as Python's shutdown resets any other handler to the default.
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)

    def watch(self) -> None:
        """Ends the process if a library keeps the main thread from handling a signal.

        If another handler is set when a signal comes, such as that of training, which
        saves first, ending the process is left to it.
        """
        ours, pythons = os.pipe()
        os.set_blocking(pythons, False)
        signal.set_wakeup_fd(pythons, warn_on_full_buffer=False)
        threading.Thread(target=self._listen, args=(ours,), daemon=True).start()

    def _listen(self, pipe: int) -> None:
        while number := os.read(pipe, 1):
            if number[0] not in SIGNALS or signal.getsignal(number[0]) is not self:
                continue
            time.sleep(_PATIENCE_S)
            if not self and signal.getsignal(number[0]) is self:
                leave()


def limit(hours: Optional[float]) -> None:
    """Sends this process SIGTERM after some hours; None: never.

    Args:
      hours: above 0.
    """
    if hours is None:
        return

    def stop() -> None:
        _LOG.warning("--max_hours=%g have passed: saving and stopping.", hours)
        os.kill(os.getpid(), signal.SIGTERM)

    timer = threading.Timer(hours * 3600, stop)
    timer.daemon = True  # It must not keep a finished process from ending.
    timer.start()


def said(interruption: BaseException) -> str:
    """The message for an interruption."""
    if isinstance(interruption, errors.Interrupted):
        return f"Interrupted: {interruption}\n"
    return "Interrupted. Start the same command again to go on.\n"
