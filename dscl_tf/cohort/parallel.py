"""Runs a function on many items in parallel processes, and logs the progress."""

import contextlib
import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from multiprocessing import connection, resource_tracker
from typing import Any, Callable

import SimpleITK as sitk

from dscl_tf import errors

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_LOG = logging.getLogger(__name__)


def run_all(
    function: Callable, items: Mapping[str, Any], arguments: tuple, num_workers: int
) -> dict[str, Any]:
    """Calls `function(item, *arguments)` for each item, in parallel.

    However the call ends, also by a signal, no worker process is left behind.

    Args:
      function: defined at module level, so that worker processes can import it.
      items: by name. Error messages show the name and `str` of an item.
      arguments: further arguments, the same for all items.
      num_workers: number of processes; 0: one per core.

    Returns:
      By name, in the order of `items`: what the function returned, or the exception
      that it raised; a failed item does not stop the others.

    Raises:
      UserError: a process was killed or crashed; the message names its item.
    """
    count = min(num_workers or num_cores(), len(items))
    results, start = {}, time.monotonic()
    waiting = list(reversed(items))
    with _workers(function, arguments, count) as idle:
        busy: dict[connection.Connection, _Worker] = {}
        while len(results) < len(items):
            try:
                while idle and waiting:
                    worker = idle.pop()
                    worker.name = waiting.pop()
                    worker.connection.send(items[worker.name])
                    busy[worker.connection] = worker
                for end in connection.wait(list(busy)):
                    worker = busy.pop(end)
                    results[worker.name] = worker.connection.recv()
                    idle.append(worker)
                    _report(len(results), len(items), worker.name, start)
            except (EOFError, OSError):  # The worker at the other end has died.
                left = [name for name in items if name not in results]
                raise _died(worker, items[worker.name], left) from None
    return {name: results[name] for name in items}


class _Worker:
    """A process that works on one item after the other."""

    def __init__(self, function: Callable, arguments: tuple):
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(
            target=_work, args=(theirs, function, arguments), daemon=True
        )
        self.process.start()
        theirs.close()  # So that the pipe is closed when the process ends.
        self.name = ""  # The item that it is working on.


@contextlib.contextmanager
def _workers(
    function: Callable, arguments: tuple, count: int
) -> Iterator[list[_Worker]]:
    """Workers, none of which outlives the block."""
    # Otherwise the tracker starts with the first worker, and unblocks the signals that
    # `_signals_held` has blocked.
    resource_tracker.ensure_running()
    started: list[_Worker] = []
    try:
        for _ in range(count):
            with _signals_held():
                started.append(_Worker(function, arguments))
        yield list(started)
    finally:
        with _signals_held():
            for worker in started:
                worker.process.kill()
            for worker in started:
                worker.process.join()


@contextlib.contextmanager
def _signals_held() -> Iterator[None]:
    """Delays interrupts until the block ends; processes started in it never get them.

    A terminal sends interrupts to the workers too, but it is the run that ends them.
    """
    caught: list[int] = []
    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in _SIGNALS:
            before[number] = signal.signal(number, lambda n, _: caught.append(n))
    # New processes inherit the mask of blocked signals, but not the handlers.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for number, handler in before.items():
            signal.signal(number, handler)
        if caught:
            signal.raise_signal(caught[0])


def _work(
    requests: connection.Connection, function: Callable, arguments: tuple
) -> None:
    """Processes items until the worker is killed or the pipe is closed."""
    # Items already run in parallel; more threads would only compete for the cores.
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    while True:
        try:
            item = requests.recv()
        except EOFError:
            return
        try:
            result = function(item, *arguments)
        except Exception as error:
            result = error
        try:
            requests.send(result)
        except Exception:  # It cannot be pickled: send its text, which has the reason.
            requests.send(RuntimeError(str(result)))


def _died(worker: _Worker, item: Any, left: Sequence[str]) -> errors.UserError:
    worker.process.join()
    code = worker.process.exitcode
    how = f"exit code {code}" if code >= 0 else signal.Signals(-code).name
    why, cure = "it may be damaged", "remove or inspect it, and start again"
    if code == -signal.SIGKILL:
        why = "the system usually ends processes this way for lack of memory"
        cure = "start again with fewer processes (--num_workers=1)"
    return errors.UserError(
        f"A worker process ended with {how} at {worker.name} ({item}): {why}; {cure}. "
        f"{len(left)} volumes are not done: "
        f"{', '.join(left[:5])}{', ...' if left[5:] else '.'}"
    )


def num_cores() -> int:
    """Number of cores this process may use; in a container fewer than the machine's."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def describe(name: str, error: BaseException) -> str:
    """Says in one line what went wrong with an item."""
    if isinstance(error, errors.UserError):
        return str(error)
    lines = str(error).strip().splitlines()
    return f"{name}: {type(error).__name__}: {lines[-1].strip() if lines else ''}"


def _end_with_parent() -> None:
    """Ends this worker with its parent: a killed parent cannot stop its workers."""
    multiprocessing.parent_process().join()
    os._exit(1)


def _report(done: int, total: int, name: str, start: float) -> None:
    left = (time.monotonic() - start) / done * (total - done)
    if done == total or done % max(1, total // 20) == 0:
        _LOG.info("%d/%d (%s), about %.0f s left", done, total, name, left)
