"""The scheduler, with an engine that runs nothing."""

import shutil

import pytest

from dscl_tf import config, errors, files
from dscl_tf.experiments import engines, running, worker
from dscl_tf.experiments.plan import make_task
from dscl_tf.training import records


class FakeEngine:
    """Ends the newest task first; `bad` names those that die."""

    def __init__(self, root, jobs=1, bad=(), stop_at=None):
        self.jobs, self._root, self._bad = jobs, root, bad
        self._stop_at = stop_at
        self.started, self.stopped, self.most = [], [], 0

    def start(self, task):
        self.started.append(task.name)
        return task

    def wait(self, handles):
        self.most = max(self.most, len(handles))
        if len(self.started) == self._stop_at:
            raise KeyboardInterrupt
        return list(handles)[-1:]

    def outcome(self, task):
        if task.name in self._bad:
            return "killed"
        finish(self._root, task)
        return None

    def stop(self, handles):
        self.stopped = [task.name for task in handles]


def finish(root, task, seconds=1.0):
    files.write_json(root / task.name / worker.DONE, {"seconds": seconds})
    record = records.to_json(task.records[-1])
    files.write_json(root / task.name / "config.json", record)
    (root / task.name / "result.json").write_text("{}")


@pytest.fixture
def tasks(make_stage, tiny_cohort, tmp_path):
    def make(name, *needs):
        stage = make_stage("encoder", tmp_path / name)
        return make_task(tiny_cohort, name, [stage], needs)

    return [make("a"), make("b", "a"), make("c"), make("d", "b", "c"), make("e", "c")]


def run(tasks, root, engine):
    reports = []
    failed = running.run_all(tasks, root, engine, lambda: reports.append(1))
    return failed, len(reports)


@pytest.mark.parametrize("jobs", [1, 2, 9])
def test_each_task_once_after_what_it_needs(tasks, tmp_path, jobs):
    engine = FakeEngine(tmp_path, jobs)
    assert run(tasks, tmp_path, engine) == ({}, 5)
    assert sorted(engine.started) == list("abcde")
    assert engine.most <= jobs
    for task in tasks:
        position = engine.started.index(task.name)
        assert all(engine.started.index(need) < position for need in task.needs)


def test_a_failure_stops_only_what_needs_it(tasks, tmp_path):
    engine = FakeEngine(tmp_path, bad=["a"])
    failed, _ = run(tasks, tmp_path, engine)
    assert failed == {
        "a": "killed",
        "b": "It needs a, which failed.",
        "d": "It needs b, which failed.",
    }
    assert worker.error_of(tmp_path, tasks[0]) == "killed"
    # Again, mended: what is done is not run again.
    again = FakeEngine(tmp_path)
    assert run(tasks, tmp_path, again)[0] == {}
    assert again.started == ["a", "b", "d"]


def test_interruption_stops_what_runs(tasks, tmp_path):
    engine = FakeEngine(tmp_path, jobs=2, stop_at=2)
    with pytest.raises(KeyboardInterrupt):
        run(tasks, tmp_path, engine)
    assert engine.stopped == ["a", "c"]


def test_time_left_is_by_kind_and_else_by_steps(
    make_stage, tiny_cohort, tmp_path, caplog
):
    def make(name, num_steps, seed=0):
        stage = make_stage("encoder", tmp_path / name, num_steps=num_steps, seed=seed)
        return make_task(tiny_cohort, name, [stage])

    class Slow(FakeEngine):
        """A task takes 40 s a step."""

        def outcome(self, task):
            finish(self._root, task, 40.0 * task.stages[0].optimizer.num_steps)

    # "c" is of a kind that is not known; the others are alike but for their seed.
    tasks = [make("a", 3), make("b", 3, seed=1), make("c", 9), make("d", 3, seed=2)]
    caplog.set_level("INFO", "dscl_tf")
    run(tasks[:1], tmp_path, Slow(tmp_path))
    run(tasks, tmp_path, Slow(tmp_path))
    said = [text for text in caplog.messages if "left" in text]
    assert said == [
        "1/1 a; about 0 min left, 0 failed.",
        "1/3 b; about 8 min left, 0 failed.",
        "2/3 c; about 2 min left, 0 failed.",
        "3/3 d; about 0 min left, 0 failed.",
    ]
    caplog.clear()
    # Nothing has finished yet.
    run([make("e", 5), make("f", 5)], tmp_path, FakeEngine(tmp_path, bad=["e"]))
    assert "1/2 e, 1 failed." in caplog.messages


def test_what_went_on_from_a_run_of_before_is_said(tasks, tmp_path, caplog):
    run(tasks, tmp_path, FakeEngine(tmp_path))
    for name, ended in zip("abcde", (5.0, 2.0, 1.0, 3.0, 4.0)):
        record = {"seconds": 1.0, "ended": ended}
        files.write_json(tmp_path / name / worker.DONE, record)
    run(tasks, tmp_path, FakeEngine(tmp_path))
    warned = [each.message for each in caplog.records if each.levelname == "WARNING"]
    assert [text.partition(":")[0] for text in warned] == [
        "b went on from a, which has been trained again since",
        "d went on from b, which itself went on from a, which has been trained again "
        "since",
    ]


def test_nothing_goes_on_from_what_a_deleted_run_had_begun(tasks, tmp_path, caplog):
    run(tasks[:3], tmp_path, FakeEngine(tmp_path))
    shutil.rmtree(tmp_path / "a")
    engine = FakeEngine(tmp_path)
    message = "d would go on from b. But b went on from a, which is trained again: del"
    with pytest.raises(errors.UserError, match=message):
        run(tasks, tmp_path, engine)
    assert engine.started == []
    run(tasks[:3], tmp_path, engine)
    assert engine.started == ["a"] and "b went on from a, which is" in caplog.text


def test_result_of_other_settings_is_refused(tasks, make_stage, tiny_cohort, tmp_path):
    finish(tmp_path, tasks[0])
    stage = make_stage("encoder", tmp_path / "a", num_steps=9)
    other = make_task(tiny_cohort, "a", [stage])
    with pytest.raises(errors.UserError, match="num_steps was 3, is now 9"):
        run([other], tmp_path, FakeEngine(tmp_path))


def test_a_record_without_its_result_is_not_done(tasks, tmp_path):
    finish(tmp_path, tasks[0])
    (tmp_path / "a" / "result.json").unlink()
    assert not worker.is_done(tmp_path, tasks[0])


def test_reasons_of_exit_codes():
    assert engines.reason_of(0) is None
    assert "code 3" in engines.reason_of(3)
    assert "SIGKILL (usually for lack of memory" in engines.reason_of(-9)
    assert "SIGTERM" in engines.reason_of(-15)


def test_engine_settings_are_checked():
    with pytest.raises(errors.UserError, match="engine must be one of local, ray"):
        config.EngineConfig(engine="slurm")
    with pytest.raises(errors.UserError, match="jobs must be at least 1"):
        config.EngineConfig(jobs=0)


def test_no_time_is_told_before_a_task_has_told_it(tasks, tmp_path, caplog):
    caplog.set_level("INFO")
    a, c = tasks[0], tasks[2]
    # The newest, c, ends first: it fails while nothing has finished.
    run([a, c], tmp_path, FakeEngine(tmp_path, jobs=2, bad={"c"}))
    assert "1/2 c, 1 failed." in caplog.text
    assert "2/2 a; about 0 min left, 1 failed." in caplog.text
