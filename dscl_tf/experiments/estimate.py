"""How long an experiment will take, from what it took so far or from timed steps."""

import dataclasses
import json
import logging
import math
import pathlib
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence

from dscl_tf import config, config_json
from dscl_tf.experiments import worker
from dscl_tf.experiments.plan import Task

_LOG = logging.getLogger(__name__)
_WARM, _TIMED = 2, 3


def seconds_left(tasks: Sequence[Task], root: pathlib.Path) -> float:
    """An estimate for the tasks that are not done, one after the other.

    A task of a kind that has been done takes as long as its kind's median. For other
    kinds a few steps are timed, with start-up; evaluation is left out then.

    Args:
      tasks: of the plan.
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
    """What finished tasks took."""

    by_kind: Mapping[str, float]  # The median of each kind, in seconds.
    per_step: float  # Of all kinds together, in seconds; nan where none is known.

    def seconds(self, task: Task) -> float:
        """What a task will take: as its kind, else by its number of steps."""
        return self.by_kind.get(_kind(task), self.per_step * _num_steps(task))


def history(done: Sequence[Task], root: pathlib.Path) -> History:
    """What tasks took that are done, in earlier sessions, too.

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
    """Tasks of one kind take about as long as each other."""
    return json.dumps([_content(stage) for stage in task.stages], sort_keys=True)


def _content(stage: config.StageConfig) -> dict:
    content = config_json.to_json(stage)
    for name in ("workdir", "seed", "split", "init"):
        del content[name]
    content["finetune"] = config_json.to_json(_without_runs(stage.finetune))
    return content


def _without_runs(finetune: config.FinetuneConfig) -> config.FinetuneConfig:
    """With those methods off that need another run, which may not be there yet."""
    needing = [k for k, v in finetune.methods.items() if config.paths_of_runs(v)]
    return finetune.without(needing)


def _timed(task: Task) -> float:
    """Times some steps of each stage; seconds of the whole task."""
    return sum(_of_stage(stage) for stage in task.stages)


def _of_stage(stage: config.StageConfig) -> float:
    # Here, since it takes seconds and a finished experiment needs none of it.
    from dscl_tf import stages
    from dscl_tf.stages import opening
    from dscl_tf.training import optimizers, steps

    finetune = _without_runs(stage.finetune)
    with tempfile.TemporaryDirectory() as folder:
        alone = dataclasses.replace(stage, workdir=folder, init=None, finetune=finetune)
        with opening.open_stage(alone) as context:
            start = time.perf_counter()
            assembly = stages.assemble(context)
            optimizer = optimizers.build(stage.optimizer, context.runtime.precision)
            step = steps.make_step(
                assembly.loss, assembly.players, optimizer, context.runtime.jit
            )
            batches = iter(assembly.stream.open(stage.draw_seed, 0, _WARM + _TIMED))
            for _ in range(_WARM):
                float(step(next(batches))["loss"])
            ready = time.perf_counter()
            for _ in range(_TIMED):
                float(step(next(batches))["loss"])
            each = (time.perf_counter() - ready) / _TIMED
    total = ready - start + each * stage.optimizer.num_steps
    _LOG.info(
        "%s: %.3f s a step, %d steps, %.1f min with start-up.",
        stage.stage,
        each,
        stage.optimizer.num_steps,
        total / 60,
    )
    return total
