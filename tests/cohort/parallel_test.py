import multiprocessing
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from dscl_tf import errors
from dscl_tf.cohort import parallel


def act(item, offset):
    """Adds, fails or dies, as the item says."""
    if item == "die":
        os._exit(9)
    if item == "crash":
        os.abort()
    if item == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
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


@pytest.mark.parametrize(
    ("end", "message"),
    [
        ("die", r"with exit code 9 at second \(die\): it may be damaged"),
        (
            "crash",
            r"with SIGABRT at second \(crash\): it may be damaged; remove or",
        ),
        ("killed", r"with SIGKILL at second .* lack of memory.*--num_workers=1"),
    ],
)
def test_a_process_that_ends_is_said_with_what_it_had(end, message):
    items = {"first": 1, "second": end, **{f"p{k}": k for k in range(20)}}
    with pytest.raises(errors.UserError, match=message + ".* 21 volumes .*: second, "):
        parallel.run_all(act, items, (10,), num_workers=1)
    assert not multiprocessing.active_children()


def test_what_cannot_be_sent_back_stops_nobody():
    found = parallel.run_all(lock_of, {"a": 0, "b": 1}, (), num_workers=2)
    assert [type(each) for each in found.values()] == 2 * [RuntimeError]


def lock_of(item):
    return threading.Lock()


def test_no_items():
    assert parallel.run_all(act, {}, (), num_workers=0) == {}


def leave_number_and_wait(path):
    """Writes the worker's process number, whole, and is busy for long."""
    path.with_suffix(".partial").write_text(str(os.getpid()))
    path.with_suffix(".partial").rename(path)
    time.sleep(120)


_RUN = """
import pathlib, sys
from dscl_tf.cohort import parallel
from tests.cohort import parallel_test
if __name__ == "__main__":
    item = pathlib.Path(sys.argv[1])
    parallel.run_all(parallel_test.leave_number_and_wait, {"a": item}, (), 1)
"""


def wait_until(condition):
    """Whether a condition holds before patience ends."""
    for _ in range(600):
        if condition():
            return True
        time.sleep(0.1)
    return False


def is_running(number):
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    return not _is_zombie(number)


def _is_zombie(number):
    status = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(number)], capture_output=True, text=True
    )
    return status.stdout.strip()[:1] in ("Z", "")


def test_workers_end_with_a_killed_run(tmp_path):
    (tmp_path / "run.py").write_text(_RUN)
    command = [sys.executable, str(tmp_path / "run.py"), str(tmp_path / "number")]
    root = str(pathlib.Path(__file__).parents[2])
    with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": root}) as run:
        started = wait_until((tmp_path / "number").exists)
        run.kill()
    assert started
    worker = int((tmp_path / "number").read_text())
    assert wait_until(lambda: not is_running(worker))
