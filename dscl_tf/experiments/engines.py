"""Where tasks are computed: processes of this machine, or a Ray cluster."""

import multiprocessing
import multiprocessing.connection
import pathlib
import signal
from collections.abc import Sequence
from typing import Any, Optional, Protocol

from dscl_tf import errors, gpus
from dscl_tf.cohort import parallel
from dscl_tf.config import EngineConfig
from dscl_tf.experiments import worker
from dscl_tf.experiments.plan import Task


class Engine(Protocol):
    """Starts tasks and tells how they ended."""

    jobs: int  # The number of tasks that can run at once.

    def start(self, task: Task) -> Any:
        """Starts a task and returns a handle for it."""

    def wait(self, handles: Sequence[Any]) -> list[Any]:
        """Waits a while; returns the handles of tasks that have ended, perhaps none."""

    def outcome(self, handle: Any) -> Optional[str]:
        """Why the process of an ended task failed; None if it exited normally."""

    def stop(self, handles: Sequence[Any]) -> None:
        """Asks tasks to save and stop, and waits for them."""


class LocalEngine:
    """Runs each task in a process of this machine, at most `jobs` at once.

    With several jobs each task gets one of the GPUs, since TensorFlow would otherwise
    have all of them compute on the first.
    """

    def __init__(self, root: pathlib.Path, settings: EngineConfig):
        self.jobs = settings.jobs
        self._root, self._pictures = root, settings.pictures
        # Without a limit, each of the tasks would use all cores.
        cores = parallel.num_cores()
        self._threads = max(1, cores // self.jobs) if self.jobs > 1 else 0
        self._context = multiprocessing.get_context("spawn")
        self._gpus = gpus.names() if self.jobs > 1 else []
        self._gpu_of: dict[Any, Optional[str]] = {}

    def start(self, task: Task) -> Any:
        taken = list(self._gpu_of.values())
        gpu = min(self._gpus, key=taken.count, default=None)  # The least busy.
        arguments = (str(self._root), task, self._threads, self._pictures, gpu)
        process = self._context.Process(target=worker.run, args=arguments)
        process.start()
        self._gpu_of[process] = gpu
        return process

    def wait(self, handles: Sequence[Any]) -> list[Any]:
        multiprocessing.connection.wait([each.sentinel for each in handles], 1.0)
        return [each for each in handles if not each.is_alive()]

    def outcome(self, handle: Any) -> Optional[str]:
        handle.join()
        del self._gpu_of[handle]
        return reason_of(handle.exitcode)

    def stop(self, handles: Sequence[Any]) -> None:
        for handle in handles:
            handle.terminate()
        for handle in handles:
            handle.join()


def reason_of(exit_code: int) -> Optional[str]:
    """Why a task's process failed; None if it exited normally."""
    if exit_code == 0:
        return None
    if exit_code > 0:
        return f"It ended with code {exit_code}; its log says more."
    name = signal.Signals(-exit_code).name
    hint = " (usually for lack of memory: use fewer --jobs)"
    return f"Its process was killed by {name}{hint if name == 'SIGKILL' else ''}."


class RayEngine:
    """Runs tasks on a Ray cluster whose machines see the same folders."""

    def __init__(self, root: pathlib.Path, settings: EngineConfig):
        try:
            import ray
        except ImportError:
            raise errors.extra_needed("--engine=ray needs Ray", "ray") from None
        self._ray, self._root, self._pictures = ray, root, settings.pictures
        ray.init(ignore_reinit_error=True, log_to_driver=False)
        resources = ray.cluster_resources()
        self.jobs = max(1, int(resources.get("CPU", 1)) // settings.cpus_per_task)
        self._threads = settings.cpus_per_task
        options = {"num_cpus": settings.cpus_per_task, "max_retries": 0}
        if settings.gpus_per_task:
            options["num_gpus"] = settings.gpus_per_task
        self._remote = ray.remote(**options)(_in_process)

    def start(self, task: Task) -> Any:
        return self._remote.remote(str(self._root), task, self._threads, self._pictures)

    def wait(self, handles: Sequence[Any]) -> list[Any]:
        done, _ = self._ray.wait(list(handles), num_returns=1, timeout=1.0)
        return done

    def outcome(self, handle: Any) -> Optional[str]:
        try:
            return reason_of(self._ray.get(handle))
        except self._ray.exceptions.RayError as error:
            return f"Ray lost it: {errors.first_line(error)}"

    def stop(self, handles: Sequence[Any]) -> None:
        for handle in handles:
            self._ray.cancel(handle, force=False)
        self._ray.wait(list(handles), num_returns=len(handles), timeout=120)


def _in_process(root: str, task: Task, threads: int, pictures: bool) -> int:
    """Runs a task in a process of its own, which a Ray worker waits for."""
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=worker.run, args=(root, task, threads, pictures))
    process.start()
    try:
        while process.is_alive():
            process.join(1.0)  # A wait without timeout would not notice cancellation.
    except KeyboardInterrupt:  # Ray's way to cancel.
        process.terminate()
        process.join()
    return process.exitcode


def make(root: pathlib.Path, settings: EngineConfig) -> Engine:
    """The engine that the settings name."""
    return (RayEngine if settings.engine == "ray" else LocalEngine)(root, settings)
