"""How long an experiment will take, from what it took so far or from timed steps."""

import dataclasses
import json
import math
import pathlib
import statistics
from collections.abc import Mapping, Sequence

from dscl_tf import config, config_json
from dscl_tf.experiments import worker
from dscl_tf.experiments.plan import Task


def seconds_left(tasks: Sequence[Task], root: pathlib.Path) -> float:
    """Estimates the seconds for the tasks that are not done, one after the other.

    A task is taken to need the median time of finished tasks of its kind. If there are
    none, a few steps are timed, with start-up but without evaluation.

    Args:
      tasks: tasks of the plan.
      root: folder of the experiment.

    Raises:
      UserError: a mistake in the settings or the cohort.
    """
    done = [task for task in tasks if worker.is_done(root, task)]
    known = dict(history(done, root).by_kind)
    total = 0.0
    for task in tasks:
        if task in done:
            continue
        if _kind(task) not in known:
            known[_kind(task)] = _timed(task)
        total += known[_kind(task)]
    return total


@dataclasses.dataclass(frozen=True)
class History:
    """How long finished tasks took."""

    by_kind: Mapping[str, float]  # The median of each kind, in seconds.
    per_step: float  # The mean over all kinds, in seconds; nan if none is known.

    def seconds(self, task: Task) -> float:
        """Estimates a task's time by its kind, or else by its number of steps."""
        return self.by_kind.get(_kind(task), self.per_step * _num_steps(task))


def history(done: Sequence[Task], root: pathlib.Path) -> History:
    """How long the finished tasks took, with those of earlier sessions.

    Args:
      done: finished tasks.
      root: folder of the experiment.
    """
    took: dict[str, list[float]] = {}
    steps = 0
    for task in done:
        seconds = worker.seconds_of(root, task)
        if seconds is not None:
            took.setdefault(_kind(task), []).append(seconds)
            steps += _num_steps(task)
    total = sum(sum(values) for values in took.values())
    return History(
        by_kind={kind: statistics.median(values) for kind, values in took.items()},
        per_step=total / steps if steps else math.nan,
    )


def _num_steps(task: Task) -> int:
    return sum(stage.optimizer.num_steps for stage in task.stages)


def _kind(task: Task) -> str:
    """A key that is equal for tasks that should take about equally long."""
    return json.dumps([_content(stage) for stage in task.stages], sort_keys=True)


def _content(stage: config.StageConfig) -> dict:
    content = config_json.to_json(stage.alone)
    for name in ("workdir", "seed", "split", "init"):
        del content[name]
    return content


def _timed(task: Task) -> float:
    """Times some steps of each stage; seconds of the whole task."""
    # Imported here, since it takes seconds and a finished experiment does not need it.
    from dscl_tf.stages import timing

    return sum(timing.seconds_of(stage) for stage in task.stages)
