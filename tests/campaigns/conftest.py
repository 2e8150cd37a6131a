"""Counts what the campaigns tried and what failed, and prints it at the end."""

import contextlib

import pytest

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
