"""What the campaigns share; tests/conftest.py prints what they counted."""

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
def tally(request):
    """A function from a campaign's name to its tally in this test."""
    found = {}
    yield lambda name: found.setdefault(name, Tally())
    # Properties reach the process that prints, whichever ran the test.
    for name, counted in found.items():
        counts = (name, counted.trials, counted.failures)
        request.node.user_properties.append(("campaign", counts))
