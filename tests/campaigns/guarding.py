"""Runs a command as the binaries do, in this process, with limits."""

import contextlib
import io
import resource
import signal

from absl.testing import flagsaver
from dscl_flags import binary

SECONDS = 150  # Generous: the machine may be busy.
BYTES = 3 * 2**30  # More than this above what the process has is a blow-up.


class Hang(BaseException):
    """No end in time; no handler of the code under test may take it for its own."""


def run(action):
    """Calls `action` as a binary's main; (exit code, what it wrote to stderr)."""
    stderr = io.StringIO()
    with _limits(), contextlib.redirect_stderr(stderr):
        try:
            code = binary.guarded(action)
        except SystemExit as end:
            code = end.code
    return code, stderr.getvalue()


def run_binary(module, *words):
    """Runs the binary `module` with a command line, as `run`."""

    def parse_and_run():
        binary.parse([module.__name__, *words], [], module.USAGE)
        module.main()

    with flagsaver.flagsaver(), contextlib.redirect_stdout(io.StringIO()):
        return run(parse_and_run)


@contextlib.contextmanager
def _limits():
    def hang(number, frame):
        raise Hang(f"No end after {SECONDS} s.")

    with open("/proc/self/statm") as file:
        used = int(file.read().split()[0]) * resource.getpagesize()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    before = signal.signal(signal.SIGALRM, hang)
    resource.setrlimit(resource.RLIMIT_AS, (used + BYTES, hard))
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        signal.signal(signal.SIGALRM, before)


def verdict(code, stderr, complete):
    """What is wrong with an ending; empty if nothing is.

    Args:
      code: exit code.
      stderr: what was written there.
      complete: whether there is a correct result, called for exit code 0.
    """
    if code == binary.EXIT_DONE:
        return "" if complete() else "exit 0 without a result"
    if code != binary.EXIT_USER_ERROR:
        return f"exit {code}: {stderr[-300:]}"
    if "Traceback" in stderr or "Error: " not in stderr:
        return f"no clear sentence: {stderr[-300:]}"
    return ""
