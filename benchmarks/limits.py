#!/usr/bin/env python3
"""Compares each stage's step with the best that this machine could do."""

import json
import os
import pathlib
import statistics
import sys

from absl import flags
from dscl_flags import binary
from speed_parts import work

from dscl_tf import errors

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

_TIMINGS = flags.DEFINE_string(
    "timings", None, "JSON file that benchmarks/speed.py wrote with --output."
)
_SIZE = flags.DEFINE_integer(
    "size_px", 192, "Side of a slice, pixels; that of the timings.", 32
)

USAGE = """
benchmarks/limits.py [--timings=FILE] [--size_px=192]

Counts the arithmetic and the fewest bytes of each stage's step, measures this
machine's ceilings with large operations, and prints what share of the limit the
timed steps reach.
"""


def table(needs: dict, ceilings: dict[str, float], timings: dict) -> str:
    """The limit of each stage and the share of it that is reached."""
    lines = [
        "| stage | GFLOP | GB | arithmetic limit, s | memory limit, s | step, s | "
        "share of the limit |",
        "|---|---|---|---|---|---|---|",
    ]
    for stage, places in needs.items():
        need = sum(places.values(), work.Work())
        arithmetic = need.flops / ceilings["matrix bfloat16"]
        memory = need.traffic_bytes / ceilings["memory"]
        step = share = ""
        if stage in timings:
            seconds = statistics.median(timings[stage]["ours"]["step_s"])
            step, share = f"{seconds:.3f}", f"{need.seconds(ceilings) / seconds:.0%}"
        lines.append(
            f"| {stage} | {need.flops / 1e9:.0f} | {need.traffic_bytes / 1e9:.2f} | "
            f"{arithmetic:.3f} | {memory:.3f} | {step} | {share} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Counts, measures, prints."""
    timings = {}
    if _TIMINGS.value:
        timings = json.loads(pathlib.Path(_TIMINGS.value).read_text())
        timed_px = timings.pop("size_px", _SIZE.value)  # Older files do not say.
        if timed_px != _SIZE.value:
            raise errors.UserError(
                f"{_TIMINGS.value} was timed at {timed_px} pixels, but --size_px is "
                f"{_SIZE.value}: give --size_px={timed_px}."
            )
    ceilings = work.measure_ceilings()
    for name, rate in ceilings.items():
        unit = "GB/s" if name == "memory" else "GFLOP/s"
        print(f"{name}: {rate / 1e9:.0f} {unit}")
    print(table(work.stage_work(_SIZE.value), ceilings, timings))


if __name__ == "__main__":
    binary.run(main, [sys.modules[__name__]], USAGE)
