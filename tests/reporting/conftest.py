"""An evaluation with masks, on the tiny cohort of the inference tests."""

import pytest

from dscl_tf.cohort import prepared
from tests.inference.conftest import cohort_folder, dataset, evaluation, segmenter  # noqa: F401


@pytest.fixture(scope="session")
def evaluated_cohort(cohort_folder):  # noqa: F811
    return prepared.PreparedCohort.open(cohort_folder)
