"""Runs the tasks of a plan that are not done, each after those that it needs."""

import contextlib
import dataclasses
import logging
import math
import pathlib
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Callable

from dscl_tf import errors, files
from dscl_tf.experiments import estimate, worker
from dscl_tf.experiments.engines import Engine
from dscl_tf.experiments.plan import Task

_LOG = logging.getLogger(__name__)
_INTERRUPTED = "It was interrupted; start the experiment again to go on with it."


@dataclasses.dataclass
class _State:
    waiting: list[Task]
    running: dict[Any, Task]
    failed: dict[str, str]  # Reasons, by name.
    done: set[str]
    started: dict[str, float]  # Times on the monotonic clock, by name.


def run_all(
    tasks: Sequence[Task],
    root: pathlib.Path,
    engine: Engine,
    report: Callable[[], None],
) -> Mapping[str, str]:
    """Runs the tasks that are not done; one that fails does not stop the others.

    Args:
      tasks: each after those that it needs.
      root: folder of the experiment.
      engine: what runs the tasks.
      report: called after each task.

    Returns:
      Why tasks failed or could not be started, by name.

    Raises:
      UserError: a folder holds the result of other settings, or a task would go on from
        an outdated one (`worker.outdated`).
      KeyboardInterrupt: after what was running has saved and stopped.
    """
    done = {task.name for task in tasks if worker.is_done(root, task)}
    state = _State([t for t in tasks if t.name not in done], {}, {}, done, {})
    if done:
        _LOG.info("%d of %d tasks are done already.", len(done), len(tasks))
        _check_outdated(tasks, worker.outdated(root, tasks, done), done)
    clock = _Clock(root, tasks, state, engine.jobs)
    with _stopped_at_last(engine, state):
        while state.waiting or state.running:
            _start_ready(state, engine)
            for handle in engine.wait(list(state.running)):
                task = state.running.pop(handle)
                _settle(root, task, engine.outcome(handle), state)
                clock.say(task)
                report()
    return state.failed


def _check_outdated(
    tasks: Sequence[Task], outdated: Mapping[str, str], done: Collection[str]
) -> None:
    """Warns of results whose initial weights are gone; refuses to go on from them.

    Raises:
      UserError: a task that is not done needs such a result.
    """
    for task in tasks:
        broken = [name for name in task.needs if name in outdated]
        if broken and task.name not in done:
            raise errors.UserError(
                f"{task.name} would go on from {broken[0]}. But {broken[0]} "
                f"{outdated[broken[0]]}: delete its folder to have it trained again."
            )
    for name, why in outdated.items():
        _LOG.warning("%s %s: delete its folder to have it trained again.", name, why)


@contextlib.contextmanager
def _stopped_at_last(engine: Engine, state: _State) -> Iterator[None]:
    try:
        yield
    except BaseException:
        _LOG.info("Stopping %d running tasks.", len(state.running))
        engine.stop(list(state.running))
        raise


def _start_ready(state: _State, engine: Engine) -> None:
    """Starts tasks whose needs are met; gives up those whose needs have failed."""
    for task in list(state.waiting):
        broken = [name for name in task.needs if name in state.failed]
        if broken:
            state.waiting.remove(task)
            state.failed[task.name] = f"It needs {broken[0]}, which failed."
        elif len(state.running) < engine.jobs and state.done.issuperset(task.needs):
            state.waiting.remove(task)
            _LOG.info("Starting %s.", task.name)
            state.started[task.name] = time.monotonic()
            state.running[engine.start(task)] = task


def _settle(root: pathlib.Path, task: Task, outcome, state: _State) -> None:
    if outcome is None and worker.is_done(root, task):
        state.done.add(task.name)
        return
    # The task's own error tells more than how its process ended.
    reason = worker.error_of(root, task) or outcome or _INTERRUPTED
    files.write_json(root / task.name / worker.FAILED, {"error": reason})
    state.failed[task.name] = reason
    _LOG.error("%s failed: %s", task.name, reason)


class _Clock:
    """Logs how far an experiment is, and how long it may still take."""

    def __init__(
        self, root: pathlib.Path, tasks: Sequence[Task], state: _State, jobs: int
    ):
        self._root, self._tasks, self._state, self._jobs = root, tasks, state, jobs
        self._count, self._ended = len(state.waiting), 0

    def say(self, task: Task) -> None:
        """Logs the progress after a task has ended."""
        self._ended += 1
        seconds = self.seconds_left()
        left = "" if math.isnan(seconds) else f"; about {seconds / 60:.0f} min left"
        _LOG.info(
            "%d/%d %s%s, %d failed.",
            self._ended,
            self._count,
            task.name,
            left,
            len(self._state.failed),
        )

    def seconds_left(self) -> float:
        """An estimate by the times of finished tasks; nan before there is one."""
        done = [task for task in self._tasks if task.name in self._state.done]
        history, now = estimate.history(done, self._root), time.monotonic()
        total = sum(history.seconds(task) for task in self._state.waiting)
        for task in self._state.running.values():
            left = history.seconds(task) - (now - self._state.started[task.name])
            total += left if math.isnan(left) else max(0.0, left)
        return total / self._jobs
