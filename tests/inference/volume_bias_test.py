import numpy as np
import pytest

from dscl_tf import statistics
from dscl_tf.inference import volume_bias
from tests.inference import making


def test_bias_by_hand():
    # Voxels of 0.5 ml. True 8, 4, 0 and found 10, 3, 2 ml: 2, -1 and 2 ml too much.
    cases = [making.found(16, 4, 0, 1, 1), making.found(6, 0, 2, 1, 1)]
    cases += [making.found(0, 4, 0, 1, 1), making.found(0, 0, 0, None, None)]
    found = volume_bias.of_structure(cases, ["a", "b", "c", "d"])
    assert found["n"] == 3  # Neither truth nor prediction of d.
    assert found["ref_ml"] == pytest.approx(4)
    assert found["pred_ml"] == pytest.approx(5)
    assert found["bias_ml"] == pytest.approx(1)
    assert found["bias_percent"] == pytest.approx(25)
    assert found["std_ml"] == pytest.approx(3**0.5)  # (1 + 4 + 1) / 2.
    assert found["bias_ml_interval"] == {"low": -1, "high": 2}


def test_the_interval_is_over_subjects():
    cases = [making.found(4, extra, 0, 1, 1) for extra in (0, 2, 4, 6, 8, 10)]
    assert volume_bias.of_structure(cases, list("aabbbb"))["bias_ml_interval"] is None
    low, high = statistics.mean_interval(
        np.array([[0, 1, 2, 3, 4, 5.0]]).T, list("aabbcc")
    )
    found = volume_bias.of_structure(cases, list("aabbcc"))["bias_ml_interval"]
    assert found == {"low": low, "high": high}


def test_a_structure_that_no_case_has():
    absent = making.found(0, 0, 0, None, None)
    found = volume_bias.of_structure([absent], ["a"])
    assert found.pop("n") == 0
    assert len(found) == 6 and set(found.values()) == {None}


def test_one_case_and_a_truth_of_nothing():
    found = volume_bias.of_structure([making.found(0, 4, 0, 1, 1)], ["a"])
    assert (found["bias_ml"], found["std_ml"], found["bias_percent"]) == (2, None, None)
