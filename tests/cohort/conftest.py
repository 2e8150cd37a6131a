"""What the tests of cohorts share."""

import pytest

from dscl_tf.cohort import parallel
from tests.cohort import making


@pytest.fixture
def in_process(monkeypatch):
    """Runs all in this process, since starting one takes long."""
    monkeypatch.setattr(parallel, "run_all", making.run_all_here)
