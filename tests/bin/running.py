"""Runs a binary in a process of its own, as a user does."""

import pathlib
import re
import subprocess
import sys

_NOTICE = re.compile(
    r"[IW]\d{4} [\d:. ]+ \w+\.cc:|WARNING: All log messages before absl::"
)
ROOT = pathlib.Path(__file__).parents[2]
BIN = ROOT / "bin"


def run(name, *flags, cwd=None, timeout=300):
    """The finished process of bin/NAME.py, with its output as text."""
    return subprocess.run(
        [sys.executable, str(BIN / f"{name}.py"), *flags],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=timeout,
    )


def benchmark(name, *words):
    """The finished process of benchmarks/NAME.py, with its output as text."""
    command = [sys.executable, str(ROOT / "benchmarks" / f"{name}.py")]
    command += [str(word) for word in words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def is_one_sentence(result):
    """Whether it ended as a user's mistake: exit code 1 and one line that says so.

    Beside notices of TensorFlow 2.21's start, which no setting turns off.
    """
    lines = result.stderr.strip().splitlines()
    lines = [line for line in lines if not _NOTICE.match(line)]
    return (
        result.returncode == 1
        and lines[-1].startswith("Error: ")
        and "Traceback" not in result.stderr
        and len(lines) == 1
    )
