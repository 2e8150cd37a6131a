"""SIGINT and SIGTERM: exit code 75 within seconds, whenever and however often."""

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
    """Ends the process at once; a handler for where nothing has begun yet."""
    os.write(2, b"Interrupted. Start the same command again to go on.\n")
    os._exit(EXIT_INTERRUPTED)


class Interruptions:
    """A handler: the first signal raises KeyboardInterrupt, later ones do not.

    They would cut short what cleans up, and end Python's own end with another code.
    Some seconds later one ends the process at once, if something swallowed the first.
    """

    def __init__(self):
        self._since = None  # When the first came, or the work was over.

    def __call__(self, number: int, frame: object) -> None:
        """What Python calls in the main thread."""
        if self._since is None:
            self._since = time.monotonic()
            raise KeyboardInterrupt
        if time.monotonic() - self._since > _PATIENCE_S:
            leave()

    def __bool__(self) -> bool:
        """Whether there was one."""
        return self._since is not None

    def end(self) -> None:
        """The work is over: signals change nothing from here on."""
        self._since = self._since or time.monotonic()
        # Python's own end would put the default in the place of any other handler.
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)

    def watch(self) -> None:
        """Ends the process when the main thread hears nothing, in a library for long.

        Where another handler is set when a signal comes, as training does to save
        first, that one ends the process.
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
    """Stops this process as SIGTERM does, that long from now; None: never.

    Args:
      hours: above 0.
    """
    if hours is None:
        return

    def stop() -> None:
        _LOG.warning("--max_hours=%g are over: saving and stopping.", hours)
        os.kill(os.getpid(), signal.SIGTERM)

    timer = threading.Timer(hours * 3600, stop)
    timer.daemon = True  # It does not keep what has finished from ending.
    timer.start()


def said(interruption: BaseException) -> str:
    """What is said of it."""
    if isinstance(interruption, errors.Interrupted):
        return f"Interrupted: {interruption}\n"
    return "Interrupted. Start the same command again to go on.\n"
