"""One task in a process of its own: its stages, then its evaluation."""

import ctypes
import json
import logging
import os
import pathlib
import signal
import sys
import time
from typing import Optional

from dscl_tf import config_json, errors, files
from dscl_tf.experiments.plan import Task

TASK, DONE, FAILED, LOG = "task.json", "done.json", "failed.json", "log.txt"
EVALUATION = "test"
_LOG = logging.getLogger(__name__)


def settings_of(task: Task) -> list[dict]:
    """What tells whether a folder holds this task: its stages' settings."""
    found = [config_json.to_json(stage) for stage in task.stages]
    for stage in found:
        del stage["runtime"]  # How it computes does not matter.
    return found


def is_done(root: pathlib.Path, task: Task) -> bool:
    """Whether the task's folder holds its result.

    Raises:
      UserError: it holds the result of other settings.
    """
    folder = root / task.name
    if not (folder / DONE).exists() or not _result(root, task).exists():
        return False
    before = files.read_json_object(folder / DONE, "record of a task").get("stages")
    if before != json.loads(json.dumps(settings_of(task))):
        raise errors.UserError(
            f"{folder} holds a result of other settings: use another --workdir, or the "
            "settings of that experiment."
        )
    return True


def seconds_of(root: pathlib.Path, task: Task) -> Optional[float]:
    """How long a finished task took; None where nothing says so."""
    path = root / task.name / DONE
    if not path.exists():
        return None
    found = files.read_json_object(path, "record of a task").get("seconds")
    return found if isinstance(found, float) else None


def error_of(root: pathlib.Path, task: Task) -> Optional[str]:
    """Why a task failed; None where it did not."""
    path = root / task.name / FAILED
    if not path.exists():
        return None
    return str(files.read_json_object(path, "record of a task").get("error"))


def _result(root: pathlib.Path, task: Task) -> pathlib.Path:
    if task.is_cell:
        return root / task.name / EVALUATION / "summary.json"
    return pathlib.Path(task.stages[-1].workdir) / "result.json"


def run(root: str, task: Task, threads: int, pictures: bool) -> None:
    """Runs a task: the entry point of its process.

    It leaves done.json; or failed.json with what went wrong; or neither, when it was
    asked to stop and has saved what there was.

    Args:
      root: folder of the experiment.
      task: what to do.
      threads: that TensorFlow may use; 0: all.
      pictures: whether the evaluation draws overlays.
    """
    stop_with_parent()
    signal.signal(signal.SIGTERM, _interrupt)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if threads:
        os.environ["TF_NUM_INTRAOP_THREADS"] = str(threads)
        os.environ["TF_NUM_INTEROP_THREADS"] = str(threads)
    folder = pathlib.Path(root) / task.name
    folder.mkdir(parents=True, exist_ok=True)
    _log_to(folder / LOG)
    (folder / FAILED).unlink(missing_ok=True)
    _run_and_record(folder, task, pictures)


def _run_and_record(folder: pathlib.Path, task: Task, pictures: bool) -> None:
    start = time.monotonic()
    try:
        _do(folder, task, pictures)
    except (errors.Interrupted, KeyboardInterrupt):
        _LOG.info("Interrupted; the same experiment goes on from here.")
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
    seconds = time.monotonic() - start
    content = {"seconds": seconds, "stages": settings_of(task)}
    files.write_json(folder / DONE, content)


def _do(folder: pathlib.Path, task: Task, pictures: bool) -> None:
    # TensorFlow is imported here: the threads are set, and the parent needs none.
    from dscl_tf import stages
    from dscl_tf.inference import evaluate, predictor

    files.write_json(folder / TASK, {"stages": settings_of(task)})
    run_folder = stages.run(task.stages)[-1]
    if task.is_cell:
        settings = evaluate.EvaluationConfig(
            task.stages[-1].prepared, str(folder / EVALUATION), pictures=pictures
        )
        evaluate.evaluate(predictor.open_predictor(str(run_folder)), settings)


def stop_with_parent() -> None:
    """Has the kernel ask this process to stop when its parent is killed.

    It would go on alone otherwise, and hold its run folder against the next start.
    """
    set_parent_death_signal = 1  # PR_SET_PDEATHSIG of prctl(2).
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGTERM)


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _log_to(path: pathlib.Path) -> None:
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    logging.getLogger("dscl_tf").addHandler(handler)
    logging.getLogger("dscl_tf").setLevel(logging.INFO)
    logging.getLogger("dscl_tf").propagate = False
