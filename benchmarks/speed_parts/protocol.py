"""How the benchmark and its contenders talk: a line of JSON each way.

Each contender is a process of its own, idle between its turns, so that libraries with
thread pools and policies of their own can be timed in turn within one run.
"""

import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from typing import Callable

Step = Callable[[], None]


def serve(make_step: Callable[[str], Step]) -> None:
    """Answers requests from standard input until it closes.

    Args:
      make_step: from a stage's name to a function that takes one step and returns
        when its result is there.
    """
    # Libraries print to standard output, too; it must not mix with the answers.
    answers, sys.stdout = sys.stdout, sys.stderr
    steps: dict[str, Step] = {}
    for line in sys.stdin:
        request = json.loads(line)
        stage, answer = request["stage"], {}
        if stage not in steps:
            start = time.perf_counter()
            steps[stage] = make_step(stage)
            steps[stage]()
            answer["first_step_s"] = time.perf_counter() - start
        seconds = []
        for _ in range(request["steps"]):
            start = time.perf_counter()
            steps[stage]()
            seconds.append(time.perf_counter() - start)
        answer["step_s"] = seconds
        peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        answer["peak_memory_mib"] = peak_kib / 1024
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


class Contender:
    """A process that serves steps."""

    def __init__(self, command: Sequence[str]):
        """Starts the process, which does nothing before its first request."""
        self._process = subprocess.Popen(
            list(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def run(self, stage: str, steps: int) -> dict:
        """Takes steps of a stage; see `serve` for the answer.

        Raises:
          RuntimeError: the process ended.
        """
        try:
            self._process.stdin.write(json.dumps({"stage": stage, "steps": steps}))
            self._process.stdin.write("\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise RuntimeError(
                f"{self._process.args} ended: run it by hand to see why."
            )
        return json.loads(line)

    def close(self) -> None:
        """Ends the process."""
        self._process.stdin.close()
        self._process.wait()


def in_turn(names: Iterable[str], turn: int) -> list[str]:
    """Rotates names, so that each turn starts with another: the order may matter."""
    names = list(names)
    first = turn % len(names)
    return names[first:] + names[:first]


def add_turn(rows: dict[str, dict], name: str, answer: dict, warm_up: int) -> None:
    """Adds a turn's answer to a contender's earlier ones, without its warm-up steps."""
    row = rows.setdefault(name, {**answer, "step_s": []})
    row["step_s"] += answer["step_s"][warm_up:]
    row["peak_memory_mib"] = answer["peak_memory_mib"]


def cells(row: dict, base_s: float) -> list[str]:
    """Median, quartiles, speed relative to `base_s`, first step, and peak memory."""
    # `quantiles` needs two values: the quartiles of a single step are that step.
    seconds = row["step_s"] * (2 if len(row["step_s"]) == 1 else 1)
    low, middle, high = statistics.quantiles(seconds, n=4)
    times = f"{low:.3f} to {high:.3f}", f"{base_s / middle:.2f}"
    first, peak = f"{row['first_step_s']:.1f}", f"{row['peak_memory_mib']:.0f}"
    return [f"{middle:.3f}", *times, first, peak]
