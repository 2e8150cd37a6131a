"""The Ray engine, on a cluster of this machine."""

import time

import pytest

from dscl_tf import config
from dscl_tf.experiments import engines, running, worker
from dscl_tf.experiments.plan import make_task

pytestmark = pytest.mark.slow


@pytest.fixture
def engine(tmp_path):
    ray = pytest.importorskip("ray")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield engines.make(tmp_path, config.EngineConfig(engine="ray"))
    ray.shutdown()


def test_tasks_run_and_failures_are_told(engine, make_stage, tiny_cohort, tmp_path):
    def task(name, *needs, **changes):
        stage = make_stage("encoder", tmp_path / name / "encoder", 2, **changes)
        return make_task(tiny_cohort, name, [stage], needs)

    bad = config.GlobalConfig(num_partitions=9, batch_volumes=2)
    tasks = [task("good"), task("bad", global_=bad), task("after", "bad")]
    failed = running.run_all(tasks, tmp_path, engine, lambda: None)
    assert worker.is_done(tmp_path, tasks[0])
    assert "fewer than the 9 partitions" in failed["bad"]
    assert failed["after"] == "It needs bad, which failed."


def test_a_task_that_is_stopped_saves(engine, make_stage, tiny_cohort, tmp_path):
    stage = make_stage("encoder", tmp_path / "long" / "encoder", 100_000)
    task = make_task(tiny_cohort, "long", [stage])
    handle = engine.start(task)
    checkpoints = tmp_path / "long" / "encoder" / "checkpoints"
    end = time.monotonic() + 120
    while not list(checkpoints.glob("ckpt-*")):
        assert time.monotonic() < end
        time.sleep(0.2)
    engine.stop([handle])
    log = (tmp_path / "long" / worker.LOG).read_text()
    assert "Interrupted; the same experiment goes on" in log
    assert not worker.is_done(tmp_path, task)


def test_without_ray_it_is_said(tmp_path, monkeypatch):
    import sys

    from dscl_tf import errors

    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(errors.UserError, match=r"pip install '\.\[ray\]'"):
        engines.make(tmp_path, config.EngineConfig(engine="ray"))
