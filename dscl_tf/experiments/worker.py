"""Runs one task in a process of its own: its stages, then its evaluation."""

import itertools
import logging
import math
import os
import pathlib
import signal
import time
from collections.abc import Collection, Sequence
from typing import Optional

from dscl_tf import config_json, errors, files, gpus, processes, stages
from dscl_tf.experiments.plan import Task
from dscl_tf.inference import evaluate, predictor
from dscl_tf.training import records, run_folder

TASK, DONE, FAILED, LOG = "task.json", "done.json", "failed.json", "log.txt"
SPENT = "interrupted.json"
EVALUATION = "test"
_LOG = logging.getLogger(__name__)


def is_done(root: pathlib.Path, task: Task) -> bool:
    """Whether the task's folder holds its result.

    As for a single run, settings that its stages do not use, how they compute, and
    where the folders are do not matter; the volumes and the cohort do.

    Raises:
      UserError: it holds the result of other settings, or of another cohort.
    """
    folder = root / task.name
    runs = [run_folder.RunFolder(stage.workdir) for stage in task.stages]
    of_runs = [path for run in runs for path in (run.config_file, run.result_file)]
    needed = [folder / DONE, _result(root, task), *of_runs]
    if not all(path.exists() for path in needed):
        return False
    for run, record in zip(runs, task.records):
        found = records.differences(run.read_record(), record)
        if found:
            raise errors.UserError(
                f"{folder} holds a result of other settings: {found}. Use another "
                "--workdir, or the settings of that experiment."
            )
    return True


def seconds_of(root: pathlib.Path, task: Task) -> Optional[float]:
    """How long a finished task took; None if it was not recorded."""
    return _said(root, task.name, "seconds")


def versions_of(tasks: Sequence[Task]) -> dict[str, str]:
    """Versions of software used by finished tasks, by name; several if they differ."""
    runs = [run_folder.RunFolder(s.workdir) for task in tasks for s in task.stages]
    found = [run.read_record().versions for run in runs]
    names = dict.fromkeys(itertools.chain.from_iterable(found))
    said = {n: dict.fromkeys(each[n] for each in found if n in each) for n in names}
    return {name: ", ".join(numbers) for name, numbers in said.items()}


def outdated(
    root: pathlib.Path, tasks: Sequence[Task], done: Collection[str]
) -> dict[str, str]:
    """Finished tasks whose initial weights have been, or will be, trained again.

    Args:
      root: folder of the experiment.
      tasks: each after those that it needs.
      done: names of those that are finished.

    Returns:
      By name of the task, what it went on from and what became of that, in words.
    """
    ended = {name: _said(root, name, "ended") for name in done}
    found: dict[str, str] = {}
    for task in tasks:
        for name in task.needs if task.name in done else ():
            if name not in done:
                why = "is trained again"
            elif name in found:
                why = f"itself {found[name]}"
            # Earlier versions did not record when a task ended.
            elif (ended[name] or -math.inf) > (ended[task.name] or math.inf):
                why = "has been trained again since"
            else:
                continue
            found[task.name] = f"went on from {name}, which {why}"
            break
    return found


def _said(root: pathlib.Path, name: str, field: str) -> Optional[float]:
    """A number from a finished task's record; None if it has no such number."""
    path = root / name / DONE
    if not path.exists():
        return None
    found = files.read_json_object(path, "record of a task").get(field)
    return found if isinstance(found, float) else None


def error_of(root: pathlib.Path, task: Task) -> Optional[str]:
    """Why a task failed; None if it did not."""
    path = root / task.name / FAILED
    if not path.exists():
        return None
    return str(files.read_json_object(path, "record of a task").get("error"))


def _result(root: pathlib.Path, task: Task) -> pathlib.Path:
    if task.is_cell:
        return root / task.name / EVALUATION / "summary.json"
    return pathlib.Path(task.stages[-1].workdir) / "result.json"


def run(
    root: str, task: Task, threads: int, pictures: bool, gpu: Optional[str] = None
) -> None:
    """Runs a task: the entry point of its process.

    It leaves done.json, or failed.json with the error, or neither if it was asked to
    stop and has saved its state.

    Args:
      root: folder of the experiment.
      task: what to do.
      threads: number of threads that TensorFlow may use; 0: no limit.
      pictures: whether the evaluation draws overlays.
      gpu: the only GPU that it may use, as of `gpus.names`; None: all.
    """
    processes.stop_with_parent()
    signal.signal(signal.SIGTERM, _interrupt)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # TensorFlow is imported by now, but reads these variables when it first computes.
    gpus.take(gpu)
    if threads:
        os.environ["TF_NUM_INTRAOP_THREADS"] = str(threads)
        os.environ["TF_NUM_INTEROP_THREADS"] = str(threads)
    folder = pathlib.Path(root) / task.name
    folder.mkdir(parents=True, exist_ok=True)
    _log_to(folder / LOG)
    _run_and_record(folder, task, pictures)


def _run_and_record(folder: pathlib.Path, task: Task, pictures: bool) -> None:
    for name in (FAILED, DONE):  # DONE may be left from a run that was deleted.
        (folder / name).unlink(missing_ok=True)
    before = _spent(folder)
    start = time.monotonic()
    try:
        _do(folder, task, pictures)
    except (errors.Interrupted, KeyboardInterrupt):
        _LOG.info("Interrupted; the same experiment goes on from here.")
        files.write_json(folder / SPENT, {"seconds": before + time.monotonic() - start})
        return
    except errors.UserError as error:
        _LOG.error("%s", error)
        files.write_json(folder / FAILED, {"error": str(error)})
        return
    except Exception as error:
        _LOG.exception("A defect of dscl_tf; please report it.")
        said = f"{type(error).__name__}: {error} (see {folder / LOG})"
        files.write_json(folder / FAILED, {"error": said})
        return
    seconds = before + time.monotonic() - start
    files.write_json(folder / DONE, {"seconds": seconds, "ended": time.time()})
    (folder / SPENT).unlink(missing_ok=True)


def _spent(folder: pathlib.Path) -> float:
    """Seconds of earlier sessions that were interrupted; killed ones do not count."""
    if not (folder / SPENT).exists():
        return 0.0
    return float(files.read_json_object(folder / SPENT, "record of a task")["seconds"])


def _do(folder: pathlib.Path, task: Task, pictures: bool) -> None:
    settings = [config_json.to_json(stage) for stage in task.stages]
    files.write_json(folder / TASK, {"stages": settings})
    refuse_other(task)
    last = run_folder.RunFolder(task.stages[-1].workdir)
    is_new = last.read_result() is None
    run = stages.run(task.stages)[-1]
    if task.is_cell:
        settings = evaluate.EvaluationConfig(
            task.stages[-1].prepared,
            str(folder / EVALUATION),
            pictures=pictures,
            overwrite=is_new,  # What is there is of a run that was deleted.
        )
        evaluate.evaluate(predictor.open_predictor(str(run)), settings)


def refuse_other(task: Task) -> None:
    """Refuses a task whose runs have begun with other settings.

    More steps are refused, too: cells that are compared are trained alike.

    Raises:
      UserError: naming what differs.
    """
    for record in task.records:
        run = run_folder.RunFolder(record.config.workdir)
        if run.has_begun():
            run.refuse_other(record)


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _log_to(path: pathlib.Path) -> None:
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    logging.getLogger("dscl_tf").addHandler(handler)
    logging.getLogger("dscl_tf").setLevel(logging.INFO)
    logging.getLogger("dscl_tf").propagate = False
