"""Cuts a run short as a signal does, for tests that resume it."""

import contextlib
import os
import signal
from unittest import mock

import pytest

from dscl_tf import errors, stages
from dscl_tf.training import loop
from tests import weights


def assert_resumed_is_the_same(whole, cut, after):
    """Runs `whole`; and `cut`, its twin, interrupted once and resumed.

    Args:
      whole: settings of a stage.
      cut: the same ones with another workdir.
      after: steps before the signal.
    """
    stages.run([whole])
    last = whole.optimizer.num_steps
    message = f"SIGTERM at step {after} of {last}"
    with signal_after(after), pytest.raises(errors.Interrupted, match=message):
        stages.run([cut])
    stages.run([cut])
    weights.assert_same(cut.workdir, whole.workdir)


@contextlib.contextmanager
def signal_after(steps):
    """Within the block, training gets SIGTERM when so many steps are done."""
    add, calls = loop._Meter.add, []

    def add_and_signal(self, step, batches):
        add(self, step, batches)
        calls.append(1)
        if len(calls) == steps:
            os.kill(os.getpid(), signal.SIGTERM)

    with mock.patch.object(loop._Meter, "add", add_and_signal):
        yield
