"""An experiment as a whole: plan, run, results."""

import logging
import pathlib
from collections.abc import Sequence
from typing import Any

from dscl_tf import config_json, errors, locks, stages
from dscl_tf.cohort.prepared import PreparedCohort
from dscl_tf.config import ExperimentConfig
from dscl_tf.experiments import (
    engines,
    estimate,
    grids,
    plan,
    results,
    running,
    worker,
)
from dscl_tf.experiments.plan import Plan

_LOG = logging.getLogger(__name__)


def run(settings: ExperimentConfig) -> tuple[dict[str, Any], list[str]]:
    """Runs what is not done and gathers the results after each task.

    Returns:
      The content of results.json, and the names of the cells of this shard that failed.

    Raises:
      UserError: a mistake in the settings, or another process has locked the folder.
      KeyboardInterrupt: after what was running has saved and stopped.
    """
    root = pathlib.Path(settings.root)
    planned = _plan(settings)
    own = tasks_of_shard(planned, settings.shard)
    _check(own, root)
    number, count = settings.shard
    name = root if count == 1 else root / f"shard_{number}_of_{count}"
    with locks.held(name, "--workdir"):
        engine = engines.make(root, settings.engine)
        # Before any task, so that a report of an extended grid shows what is missing.
        _write(settings, planned)
        failed = running.run_all(own, root, engine, lambda: _write(settings, planned))
        content = _write(settings, planned)
    for task, reason in failed.items():
        _LOG.error("No result of %s: %s", task, reason)
    cells = [cell.task.name for cell in planned.cells]
    return content, [name for name in cells if name in failed]


def _plan(settings: ExperimentConfig) -> Plan:
    grid = grids.make_grid(settings.grid)
    return plan.make_plan(grid, settings.bases, pathlib.Path(settings.root))


def _check(tasks: Sequence[plan.Task], root: pathlib.Path) -> None:
    """Checks all tasks before any work, so that none fails after hours of others.

    Raises:
      UserError: naming the first task that cannot be run.
    """
    made = [stage.workdir for task in tasks for stage in task.stages]
    cohort = PreparedCohort.open(tasks[0].stages[0].prepared) if tasks else None
    for task in tasks:
        if not worker.is_done(root, task):
            try:
                stages.check(task.stages, made, cohort)
                worker.refuse_other(task)
            except errors.UserError as error:
                raise errors.UserError(
                    f"{task.name}: {error} Or leave its row out of --methods."
                ) from None


def tasks_of_shard(planned: Plan, shard: tuple[int, int]) -> list[plan.Task]:
    """The tasks of every count-th draw, with those that they need.

    Cells of a draw stay together, since some go on from others. So do all seeds of a
    draw, so that every shard needs the same pre-training, which the first one makes.

    Args:
      planned: the plan of all tasks.
      shard: number of the shard, from 0, and count of shards.
    """
    number, count = shard
    draws = sorted({cell.draw for cell in planned.cells})
    own = set(draws[number::count])
    wanted = {cell.task.name for cell in planned.cells if cell.draw in own}
    for task in reversed(planned.tasks):
        if task.name in wanted:
            wanted.update(task.needs)
    return [task for task in planned.tasks if task.name in wanted]


def _write(settings: ExperimentConfig, planned: Plan) -> dict[str, Any]:
    root = pathlib.Path(settings.root)
    base = settings.bases["finetune"]
    cohort = PreparedCohort.open(base.prepared)
    record = {name: config_json.to_json(each) for name, each in settings.bases.items()}
    content = results.gather(planned, root, cohort, record, settings.paper_dataset)
    results.write(root, content)
    return content


def outline(settings: ExperimentConfig) -> str:
    """What `run` would do: the tasks, what they share, and how long it would take.

    Raises:
      UserError: a mistake in the settings.
    """
    root = pathlib.Path(settings.root)
    planned = _plan(settings)
    tasks = tasks_of_shard(planned, settings.shard)
    _check(tasks, root)
    cells = [cell for cell in planned.cells if cell.task in tasks]
    pretraining = [task for task in planned.pretraining if task in tasks]
    lines = [f"Pre-training, {len(pretraining)} runs:"]
    for task in pretraining:
        users = sum(_uses(planned, cell.task, task.name) for cell in cells)
        lines.append(f"  {_mark(root, task)} {task.name}, for {users} cells")
    lines.append(f"Cells, {len(cells)}:")
    for cell in cells:
        after = f", after {', '.join(cell.task.needs)}" if cell.task.needs else ""
        lines.append(f"  {_mark(root, cell.task)} {cell.task.name}{after}")
    seconds = estimate.seconds_left(tasks, root)
    left = sum(not worker.is_done(root, task) for task in tasks)
    lines.append(
        f"{left} tasks to do, about {seconds / 60:.0f} min, one after the other."
    )
    return "\n".join(lines)


def _uses(planned: Plan, task: plan.Task, name: str) -> bool:
    by_name = {each.name: each for each in planned.tasks}
    return any(
        need == name or _uses(planned, by_name[need], name) for need in task.needs
    )


def _mark(root: pathlib.Path, task: plan.Task) -> str:
    return "done" if worker.is_done(root, task) else "    "
