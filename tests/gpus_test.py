import logging

import pytest
import tensorflow as tf

from dscl_tf import config, gpus
from dscl_tf.experiments import engines, worker
from dscl_tf.training import runtime


@pytest.fixture(autouse=True)
def _no_choice(monkeypatch):
    monkeypatch.delenv(gpus.VISIBLE, raising=False)


@pytest.fixture
def two(tmp_path, monkeypatch):
    """A driver with two GPUs."""
    for address in ("0000:01:00.0", "0000:02:00.0"):
        (tmp_path / "gpus" / address).mkdir(parents=True)
    monkeypatch.setattr(gpus.names, "__defaults__", (tmp_path / "gpus",))
    monkeypatch.setattr(gpus.unseen, "__defaults__", (tmp_path / "gpus",))
    return tmp_path / "gpus"


@pytest.mark.parametrize(
    ("chosen", "found"),
    [
        (None, ["0", "1"]),
        ("1", ["1"]),
        ("3, 2", ["3", "2"]),
        ("", []),
        ("0,-1,1", ["0"]),
    ],
)
def test_those_that_may_be_used(two, monkeypatch, chosen, found):
    if chosen is not None:
        monkeypatch.setenv(gpus.VISIBLE, chosen)
    assert gpus.names(two) == found


def test_without_a_driver_there_are_none(tmp_path):
    assert gpus.names(tmp_path / "gpus") == []
    assert gpus.unseen(0, tmp_path / "gpus") is None


def test_gpus_that_tensorflow_does_not_see_are_named_with_the_cure(
    two, caplog, monkeypatch
):
    assert not tf.config.list_physical_devices("GPU")
    with caplog.at_level(logging.WARNING):
        runtime.start(runtime.Runtime("float32", jit=False), 0)
    assert "2 NVIDIA GPU(s), but TensorFlow sees none" in caplog.text
    assert ".[cuda]" in caplog.text
    caplog.clear()
    monkeypatch.setenv(gpus.VISIBLE, "-1")
    runtime.start(runtime.Runtime("float32", jit=False), 0)
    assert "NVIDIA" not in caplog.text
    assert gpus.unseen(1, two) is None


class _Process:
    """Says what it would run, and is alive until it is told otherwise."""

    def __init__(self, target, args):
        self.gpu, self.exitcode, self.alive = args[-1], 0, True
        assert target is worker.run

    def start(self):
        pass

    def is_alive(self):
        return self.alive

    def join(self):
        pass


def test_each_job_has_a_gpu_of_its_own(two, tmp_path, monkeypatch):
    engine = engines.make(tmp_path, config.EngineConfig(jobs=3))
    monkeypatch.setattr(engine._context, "Process", _Process, raising=False)
    jobs = [engine.start(None) for _ in range(3)]
    # The third shares one.
    assert [job.gpu for job in jobs] == ["0", "1", "0"]
    engine.outcome(jobs[1])
    assert engine.start(None).gpu == "1"


def test_one_job_has_all_gpus(two, tmp_path, monkeypatch):
    engine = engines.make(tmp_path, config.EngineConfig(jobs=1))
    monkeypatch.setattr(engine._context, "Process", _Process, raising=False)
    assert engine.start(None).gpu is None
