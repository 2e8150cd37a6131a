#!/usr/bin/env python3
"""Times a whole training step of each stage beside its peers, interleaved."""

import json
import pathlib
import statistics
import sys
import tempfile

import speed_parts
from absl import flags
from dscl_flags import binary
from speed_parts import protocol

STAGES = ("encoder", "decoder", "finetune")
_PARTS = pathlib.Path(__file__).parent / "speed_parts"

_SIZE = flags.DEFINE_integer("size_px", 192, "Side of a slice, pixels.", 32)
_STAGES = flags.DEFINE_list("stages", list(STAGES), "Stages to time.")
_ROUNDS = flags.DEFINE_integer("rounds", 5, "Turns of each contender.", 1)
_STEPS = flags.DEFINE_integer("steps", 10, "Steps in a turn.", 1)
_PRECISION = flags.DEFINE_string(
    "precision", "auto", "Arithmetic of this project's steps, as dscl-train's."
)
_TORCH = flags.DEFINE_string(
    "torch_python",
    None,
    "Python that has torch, for the PyTorch peer; left out without.",
)
_OTHER = flags.DEFINE_string(
    "other_checkout",
    None,
    "Another checkout of this project to time beside this one.",
)
_OUTPUT = flags.DEFINE_string("output", None, "JSON file for all timings.")

USAGE = """
benchmarks/speed.py [--torch_python=PYTHON] [--size_px=192] [--rounds=5] [--steps=10]

Prints a table: median step time, its spread, images/s and the ratio to the slowest
contender, for each stage. Contenders take turns within one run, since the speed of a
shared machine changes from minute to minute.
"""


def contenders(prepared: pathlib.Path) -> dict[str, list[str]]:
    """The command of each contender, by name."""
    ours = [sys.executable, str(_PARTS / "tf_worker.py"), f"--prepared={prepared}"]
    precision = f"--precision={_PRECISION.value}"
    found = {
        "float32": [*ours, "--precision=float32"],
        "ours": [*ours, precision],
        "ours, batch in memory": [*ours, precision, "--from_memory"],
    }
    if _OTHER.value:
        # Its own worker, which knows its own stages.
        worker = f"{_OTHER.value}/benchmarks/speed_parts/tf_worker.py"
        command = ["env", f"PYTHONPATH={_OTHER.value}", sys.executable, worker]
        found["other checkout"] = [*command, ours[-1], precision]
    if _TORCH.value:
        batches = ",".join(
            f"{stage}={count}" for stage, count in speed_parts.IMAGES.items()
        )
        found["PyTorch, bfloat16"] = [
            _TORCH.value,
            str(_PARTS / "torch_worker.py"),
            f"--size_px={_SIZE.value}",
            f"--batches={batches}",
        ]
    return found


def measure(commands: dict[str, list[str]]) -> dict:
    """Takes turns; {stage: {contender: the answers' content, gathered}}."""
    processes = {name: protocol.Contender(cmd) for name, cmd in commands.items()}
    results: dict = {}
    for stage in _STAGES.value:
        rows = results[stage] = {}
        for turn in range(_ROUNDS.value):
            # Another one begins each turn: who comes after whom may matter.
            first = turn % len(processes)
            for name in [*processes][first:] + [*processes][:first]:
                # Without a warm-up of each turn, caches would belong to the last one.
                answer = processes[name].run(stage, _STEPS.value + 2)
                protocol.add_turn(rows, name, answer, warm_up=2)
            print(f"{stage}: turn {turn + 1} of {_ROUNDS.value}", file=sys.stderr)
    for process in processes.values():
        process.close()
    return results


def table(results: dict) -> str:
    """Medians and quartiles, as Markdown."""
    lines = [
        "| stage | contender | step, s | quartiles, s | images/s | times float32 | "
        "first step, s | peak, MiB |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for stage, rows in results.items():
        base = statistics.median(rows["float32"]["step_s"])
        for name, row in rows.items():
            step, spread, *others = protocol.cells(row, base)
            rate = speed_parts.IMAGES[stage] / statistics.median(row["step_s"])
            cells = [stage, name, step, spread, f"{rate:.0f}", *others]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Times and prints."""
    from speed_parts import synthetic

    from dscl_tf import files

    with tempfile.TemporaryDirectory() as folder:
        prepared = pathlib.Path(folder) / "prepared"
        synthetic.write(prepared, _SIZE.value, num_volumes=24)
        results = measure(contenders(prepared))
    if _OUTPUT.value:
        files.write_json(_OUTPUT.value, results)
    print(table(results))
    print(json.dumps({"steps": _STEPS.value, "rounds": _ROUNDS.value}))


if __name__ == "__main__":
    binary.run(main, [sys.modules[__name__]], USAGE)
