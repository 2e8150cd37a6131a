"""Counts what the campaigns tried and what failed, and prints it at the end."""

import contextlib
import subprocess

import pytest

from tests.inference.conftest import (  # noqa: F401
    cohort_folder,
    dataset,
    export_folder,
    mixed_run,
    segmenter,
)

_TALLIES = {}


class Tally:
    """How many trials a campaign made, and how many of them failed."""

    def __init__(self):
        self.trials = self.failures = 0

    @contextlib.contextmanager
    def trial(self):
        """Counts one, and its failure when the block raises."""
        self.trials += 1
        try:
            yield
        except BaseException:
            self.failures += 1
            raise


@pytest.fixture
def mount(tmp_path):
    """A function that mounts a small disk of its own; it is skipped where it may not.

    It takes the size in KiB and gives the folder and a function that makes it
    read-only.
    """
    folder = tmp_path / "disk"

    def call(*words):
        return subprocess.run(words, capture_output=True, text=True, check=False)

    def make(kib):
        folder.mkdir()
        done = call("mount", "-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", str(folder))
        if done.returncode:
            pytest.skip(f"needs the right to mount: {done.stderr.strip()}")
        return folder, lambda: call("mount", "-o", "remount,ro", str(folder))

    yield make
    call("umount", "--lazy", str(folder))


@pytest.fixture
def tally():
    """A function from a campaign's name to its tally."""
    return lambda name: _TALLIES.setdefault(name, Tally())


def pytest_terminal_summary(terminalreporter):
    if not _TALLIES:
        return
    terminalreporter.section("campaigns")
    for name, tally in sorted(_TALLIES.items()):
        terminalreporter.write_line(
            f"{name}: {tally.trials}, failures {tally.failures}"
        )
