"""The guards of the campaigns can fail."""

import time

import numpy as np
import pytest

from dscl_tf import errors
from tests.campaigns import guarding


def test_a_hang_is_found(monkeypatch):
    monkeypatch.setattr(guarding, "SECONDS", 1)

    def main():
        try:
            time.sleep(60)
        except OSError:
            return

    with pytest.raises(guarding.Hang):
        guarding.run(main)


def test_a_blow_up_is_found():
    code, stderr = guarding.run(lambda: np.ones(2 * guarding.BYTES, np.uint8))
    assert guarding.verdict(code, stderr, lambda: True).startswith("exit 70")


def _says(message):
    raise errors.UserError(message)


@pytest.mark.parametrize(
    "main, complete, wrong",
    [
        (lambda: 1 / 0, True, "exit 70"),
        (lambda: None, False, "without a result"),
        (lambda: _says("Traceback (most recent call last)"), True, "no clear"),
        (lambda: None, True, ""),
        (lambda: _says("the cure"), True, ""),
    ],
)
def test_verdicts(main, complete, wrong):
    found = guarding.verdict(*guarding.run(main), lambda: complete)
    assert wrong in found and bool(found) == bool(wrong)
