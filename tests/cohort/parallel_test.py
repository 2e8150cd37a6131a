import os

import numpy as np
import pytest

from dscl_tf import errors
from dscl_tf.cohort import parallel


def act(item, offset):
    """Adds, fails or dies, as the item says."""
    if item == "die":
        os._exit(9)
    if item == "mistake":
        raise errors.UserError("file x: is bad.")
    if item == "defect":
        raise RuntimeError("a long story\n  the reason")
    if isinstance(item, float):
        return np.zeros(3)  # Neither true nor false.
    return item + offset


def test_results_are_in_order_and_failures_stop_nobody():
    items = {"b": 1, "c": "mistake", "a": -10, "e": "defect", "d": 0.5}
    found = parallel.run_all(act, items, (10,), num_workers=1)
    assert list(found) == ["b", "c", "a", "e", "d"]
    assert found["b"] == 11 and found["a"] == 0
    assert found["d"].tolist() == [0, 0, 0]
    assert isinstance(found["c"], errors.UserError)
    assert parallel.describe("c", found["c"]) == "file x: is bad."
    assert parallel.describe("e", found["e"]) == "e: RuntimeError: the reason"


def test_a_killed_process_is_said_and_nothing_hangs():
    items = {"first": 1, "second": "die", **{f"p{k}": k for k in range(20)}}
    message = r"process was killed.* not done: .*second.*--num_workers=1"
    with pytest.raises(errors.UserError, match=message):
        parallel.run_all(act, items, (10,), num_workers=1)


def test_no_items():
    assert parallel.run_all(act, {}, (), num_workers=0) == {}
