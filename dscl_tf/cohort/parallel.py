"""The same function on many items, in processes, with progress."""

import concurrent.futures
import logging
import multiprocessing
import os
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import process
from typing import Any, Callable

import SimpleITK as sitk

from dscl_tf import errors

_LOG = logging.getLogger(__name__)


def run_all(
    function: Callable, items: Mapping[str, Any], arguments: tuple, num_workers: int
) -> dict[str, Any]:
    """Calls `function(item, *arguments)` for each item, in parallel.

    Args:
      function: of a module, so that processes can find it.
      items: by name, for messages.
      arguments: the others, the same for all.
      num_workers: processes; 0: one for each core.

    Returns:
      By name, in the order of `items`: what the function returned, or the exception
      that it raised; one that fails does not stop the others.

    Raises:
      UserError: a process was killed, by the system for want of memory as a rule.
    """
    workers = min(num_workers or num_cores(), max(1, len(items)))
    context = multiprocessing.get_context("spawn")
    results, start = {}, time.monotonic()
    with concurrent.futures.ProcessPoolExecutor(
        workers, context, _start_worker
    ) as pool:
        try:
            futures = {
                pool.submit(function, item, *arguments): name
                for name, item in items.items()
            }
            for future in concurrent.futures.as_completed(futures):
                error, name = future.exception(), futures[future]
                if isinstance(error, process.BrokenProcessPool):
                    raise error
                results[name] = error if error else future.result()
                _report(len(results), len(items), name, start)
        except process.BrokenProcessPool:
            raise _died([name for name in items if name not in results]) from None
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return {name: results[name] for name in items}


def _died(left: Sequence[str]) -> errors.UserError:
    return errors.UserError(
        f"A worker process was killed, for want of memory as a rule; {len(left)} "
        f"volumes are not done: {', '.join(left[:5])}{' ...' if left[5:] else ''}. "
        "Start again with fewer processes (--num_workers=1)."
    )


def num_cores() -> int:
    """Cores that this process may use: fewer than the machine's in a container."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def describe(name: str, error: BaseException) -> str:
    """One line on what went wrong with an item."""
    if isinstance(error, errors.UserError):
        return str(error)
    lines = str(error).strip().splitlines()
    return f"{name}: {type(error).__name__}: {lines[-1].strip() if lines else ''}"


def _start_worker() -> None:
    # Items are done in parallel already; threads inside each would only contend.
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Ends this worker when the run is killed, which cannot tell it to stop."""
    multiprocessing.parent_process().join()
    os._exit(1)


def _report(done: int, total: int, name: str, start: float) -> None:
    left = (time.monotonic() - start) / done * (total - done)
    if done == total or done % max(1, total // 20) == 0:
        _LOG.info("%d/%d (%s), about %.0f s left", done, total, name, left)
