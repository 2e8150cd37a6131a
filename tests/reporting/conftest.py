"""An evaluation with masks, on the tiny cohort of the inference tests."""

import pytest

from dscl_tf.cohort import prepared
from dscl_tf.inference import evaluate, predictor
from tests.inference.conftest import cohort_folder, dataset, segmenter  # noqa: F401


@pytest.fixture(scope="session")
def evaluated_cohort(cohort_folder):  # noqa: F811
    return prepared.PreparedCohort.open(cohort_folder)


@pytest.fixture(scope="session")
def evaluation(segmenter, cohort_folder, tmp_path_factory):  # noqa: F811
    """The folder of an evaluation of p1, which is right, and p2, which is not."""
    folder = tmp_path_factory.mktemp("evaluation") / "test"
    settings = evaluate.EvaluationConfig(
        str(cohort_folder), str(folder), "all", pictures=False
    )
    evaluate.evaluate(predictor.from_segmenter(segmenter), settings)
    return folder
