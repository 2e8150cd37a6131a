#!/usr/bin/env python3
"""Times segmenting the prepared slices of a volume, in memory, in turns."""

import pathlib
import statistics
import sys

from absl import flags
from dscl_flags import binary
from speed_parts import protocol

_WORKER = pathlib.Path(__file__).parent / "speed_parts" / "predict_worker.py"
_SIZE = flags.DEFINE_integer("size_px", 192, "Side of a slice, pixels.", 32)
_SLICES = flags.DEFINE_integer("num_slices", 12, "Slices of the volume.", 1)
_ROUNDS = flags.DEFINE_integer("rounds", 10, "Turns of each contender.", 1)
_VOLUMES = flags.DEFINE_integer("volumes", 3, "Volumes in a turn.", 1)

USAGE = """
benchmarks/predict.py [--size_px=192] [--num_slices=12] [--rounds=10] [--volumes=3]

Prints a table: median seconds a volume, their quartiles, and how many times as fast as
Keras' own predict in float32, for a run and for its export in each precision.
"""
_BASE = "Keras predict, float32"


def contenders() -> dict[str, list[str]]:
    """The command of each contender, by name."""
    command = [sys.executable, str(_WORKER), f"--size_px={_SIZE.value}"]
    command += [f"--num_slices={_SLICES.value}"]
    found = {_BASE: [*command, "--kind=keras"]}
    for kind in ("run", "export"):
        for precision in ("auto", "float32"):
            flags_of = [f"--kind={kind}", f"--precision={precision}"]
            found[f"{kind}, {precision}"] = [*command, *flags_of]
    alone = ["env", "TF_ENABLE_ONEDNN_OPTS=0", *command, "--kind=run"]
    found["run, float32, without oneDNN"] = [*alone, "--precision=float32"]
    return found


def measure() -> dict[str, dict]:
    """Lets the contenders take turns, and gathers their answers by name."""
    processes = {name: protocol.Contender(cmd) for name, cmd in contenders().items()}
    rows: dict[str, dict] = {}
    for _ in range(_ROUNDS.value):
        for name, process in processes.items():
            # The first volume of a turn does not count: caches are another contender's.
            answer = process.run("predict", _VOLUMES.value + 1)
            protocol.add_turn(rows, name, answer, warm_up=1)
    for process in processes.values():
        process.close()
    return rows


def table(rows: dict[str, dict]) -> str:
    """Medians and quartiles, as Markdown."""
    lines = [
        "| contender | volume, s | quartiles, s | times Keras | first, s | peak, MiB |",
        "|---|---|---|---|---|---|",
    ]
    base = statistics.median(rows[_BASE]["step_s"])
    for name, row in rows.items():
        lines.append(f"| {' | '.join([name, *protocol.cells(row, base)])} |")
    return "\n".join(lines)


def main() -> None:
    """Times and prints."""
    print(table(measure()))


if __name__ == "__main__":
    binary.run(main, [sys.modules[__name__]], USAGE)
