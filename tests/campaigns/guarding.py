"""Runs a command as the binaries do, in this process, with limits."""

import contextlib
import io
import resource
import signal

from dscl_flags import binary

_SECONDS = 30
_BYTES = 3 * 2**30  # More than this above what the process has is a blow-up.


def run(action):
    """Calls `action` as a binary's main; (exit code, what it wrote to stderr)."""
    stderr = io.StringIO()
    with _limits(), contextlib.redirect_stderr(stderr):
        try:
            code = binary._guarded(action)
        except SystemExit as end:
            code = end.code
    return code, stderr.getvalue()


@contextlib.contextmanager
def _limits():
    def hang(number, frame):
        raise TimeoutError(f"No end after {_SECONDS} s.")

    with open("/proc/self/statm") as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    before = signal.signal(signal.SIGALRM, hang)
    resource.setrlimit(resource.RLIMIT_AS, (used + _BYTES, hard))
    signal.alarm(_SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        signal.signal(signal.SIGALRM, before)
