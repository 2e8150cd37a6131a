"""Which results in an experiment's folder are those that are asked for."""

import dataclasses
import logging
import shutil

import pytest

from dscl_tf import config, errors, files
from dscl_tf.experiments import grids, plan, worker
from dscl_tf.training import records, run_folder


@pytest.fixture
def plan_of(make_stage):
    """A function from a root and a grid of one method to its plan."""

    def make(root, sizes=(1,), draws=1, **changes):
        bases = {
            name: make_stage(name, "", **changes)
            for name in ("encoder", "decoder", "pretext", "finetune")
        }
        grid = grids.make_grid(config.GridConfig("quick", ("gd",), sizes, draws))
        return plan.make_plan(grid, bases, root)

    return make


@pytest.fixture
def encoder_of(plan_of):
    """A function from a root and a grid to the task of its first encoder."""
    return lambda root, **changes: plan_of(root, **changes).pretraining[0]


def finish(root, task, **changes):
    """Writes what a finished task leaves, its record with changes."""
    record = dataclasses.replace(task.records[-1], **changes)
    files.write_json(root / task.name / worker.DONE, {"seconds": 2.0})
    files.write_json(root / task.name / "config.json", records.to_json(record))
    files.write_json(root / task.name / "result.json", {})


def test_an_encoder_serves_other_sizes_and_draws(encoder_of, tmp_path):
    finish(tmp_path, encoder_of(tmp_path, sizes=(1,)))
    assert worker.is_done(tmp_path, encoder_of(tmp_path, sizes=(2, 1), draws=2))


@pytest.mark.parametrize(
    "changes",
    [
        {"finetune": config.FinetuneConfig(batch_size=7)},
        {"pretext": config.PretextConfig(num_boxes=9)},
        {"runtime": config.RuntimeConfig(log_every=3)},
    ],
)
def test_what_a_stage_does_not_use_may_change(encoder_of, tmp_path, changes):
    finish(tmp_path, encoder_of(tmp_path))
    assert worker.is_done(tmp_path, encoder_of(tmp_path, **changes))


def test_a_cell_is_not_done_while_its_run_is_trained_again(plan_of, tmp_path):
    task = plan_of(tmp_path).cells[0].task
    run = run_folder.RunFolder(task.stages[-1].workdir)
    files.write_json(run.config_file, records.to_json(task.records[-1]))
    for name in (worker.DONE, f"{worker.EVALUATION}/summary.json"):
        files.write_json(tmp_path / task.name / name, {})
    assert not worker.is_done(tmp_path, task)
    files.write_json(run.result_file, {})
    assert worker.is_done(tmp_path, task)


def test_a_task_that_fails_is_not_done_by_an_older_record(
    encoder_of, tmp_path, monkeypatch
):
    task = encoder_of(tmp_path)
    finish(tmp_path, task)

    def fail(*arguments):
        raise errors.UserError("no room")

    monkeypatch.setattr(worker, "_do", fail)
    worker._run_and_record(tmp_path / task.name, task, pictures=False)
    assert worker.error_of(tmp_path, task) == "no room"
    assert not worker.is_done(tmp_path, task)


def test_a_moved_experiment_is_recognised(encoder_of, tmp_path):
    finish(tmp_path / "before", encoder_of(tmp_path / "before"))
    shutil.move(tmp_path / "before", tmp_path / "after")
    assert worker.is_done(tmp_path / "after", encoder_of(tmp_path / "after"))


def test_other_volumes_or_another_cohort_are_refused(encoder_of, tmp_path):
    task = encoder_of(tmp_path)
    finish(tmp_path, task)
    split = config.SplitConfig(num_train=1, num_validation=1, num_test=2)
    with pytest.raises(errors.UserError, match=r"other settings: split\.pretrain was"):
        worker.is_done(tmp_path, encoder_of(tmp_path, split=split))
    finish(tmp_path, task, cohort_id="another")
    with pytest.raises(errors.UserError, match="cohort_id was 'another'"):
        worker.is_done(tmp_path, task)


@pytest.mark.parametrize("has_ended", [True, False])
def test_no_task_is_lengthened(encoder_of, tmp_path, has_ended):
    task = encoder_of(tmp_path)
    finish(tmp_path, task)
    longer = encoder_of(tmp_path, optimizer=config.OptimizerConfig(num_steps=9))
    with pytest.raises(errors.UserError, match="num_steps was 3, is now 9"):
        worker.is_done(tmp_path, longer)
    # Its run has ended, but the task was stopped before it could say so.
    (tmp_path / task.name / worker.DONE).unlink()
    if not has_ended:
        (tmp_path / task.name / "result.json").unlink()
        (tmp_path / task.name / "checkpoints").mkdir()
        (tmp_path / task.name / "checkpoints" / "checkpoint").touch()
    worker._run_and_record(tmp_path / task.name, longer, pictures=False)
    assert "num_steps was 3, is now 9" in worker.error_of(tmp_path, longer)
    assert not (tmp_path / task.name / worker.DONE).exists()


def test_an_evaluation_of_a_run_that_was_deleted_is_replaced(
    plan_of, tmp_path, monkeypatch
):
    task = plan_of(tmp_path).cells[0].task
    asked = []
    monkeypatch.setattr(worker.stages, "run", lambda chain: [chain[-1].workdir])
    monkeypatch.setattr(worker.predictor, "open_predictor", lambda run: run)
    monkeypatch.setattr(
        worker.evaluate, "evaluate", lambda model, settings: asked.append(settings)
    )
    (tmp_path / task.name).mkdir(parents=True)
    worker._do(tmp_path / task.name, task, pictures=False)
    run = run_folder.RunFolder(task.stages[-1].workdir)
    files.write_json(run.config_file, records.to_json(task.records[-1]))
    files.write_json(run.result_file, {})
    worker._do(tmp_path / task.name, task, pictures=False)
    assert [each.overwrite for each in asked] == [True, False]


def test_seconds_of_a_task_that_was_interrupted_add_up(
    encoder_of, tmp_path, monkeypatch
):
    task = encoder_of(tmp_path)
    clock = iter((0.0, 5.0, 100.0, 103.0))
    monkeypatch.setattr(worker.time, "monotonic", lambda: next(clock))

    def interrupted(*arguments):
        raise KeyboardInterrupt

    for do in (interrupted, lambda *arguments: None):
        monkeypatch.setattr(worker, "_do", do)
        worker._run_and_record(tmp_path / task.name, task, pictures=False)
    assert worker.seconds_of(tmp_path, task) == 8.0
    assert not (tmp_path / task.name / worker.SPENT).exists()


def test_a_cell_is_evaluated_on_the_test_volumes_of_its_run(
    plan_of, tmp_path, monkeypatch
):
    task, asked = plan_of(tmp_path).cells[0].task, []
    monkeypatch.setattr(worker.stages, "run", lambda chain: [chain[-1].workdir])
    monkeypatch.setattr(worker.predictor, "open_predictor", lambda run: run)
    monkeypatch.setattr(worker.evaluate, "evaluate", lambda *its: asked.append(its))
    worker._do(tmp_path / "cell", task, pictures=False)
    ((run, settings),) = asked
    assert run == task.stages[-1].workdir
    assert settings.output == str(tmp_path / "cell" / worker.EVALUATION)
    assert (settings.subset, settings.split) == ("test", None)


@pytest.fixture
def own_logger():
    """The library's logger, as it was before: a task's process ends with its task."""
    logger = logging.getLogger("dscl_tf")
    before = list(logger.handlers), logger.propagate, logger.level
    yield logger
    for handler in set(logger.handlers) - set(before[0]):
        logger.removeHandler(handler)
        handler.close()
    logger.propagate, logger.level = before[1:]


def test_a_task_and_its_only_run_write_each_line_once(tmp_path, own_logger):
    # A task of pre-training has the folder of its run; a cell's run is below it.
    for folder in (tmp_path, tmp_path / "finetune"):
        for handler in list(own_logger.handlers):
            own_logger.removeHandler(handler)
        (tmp_path / "log.txt").unlink(missing_ok=True)
        worker._log_to(tmp_path / worker.LOG)
        with run_folder.RunFolder(folder).log_file():
            own_logger.info("step 1")
        own_logger.info("evaluated")
        lines = (tmp_path / "log.txt").read_text().splitlines()
        assert [line.split(" ", 2)[2] for line in lines] == ["step 1", "evaluated"]
    assert "step 1" in (tmp_path / "finetune" / "log.txt").read_text()
