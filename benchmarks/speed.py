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
from speed_parts import protocol, pythons

STAGES = ("encoder", "decoder", "finetune")
_PARTS = pathlib.Path(__file__).parent / "speed_parts"

_SIZE = flags.DEFINE_integer("size_px", 192, "Side of a slice, pixels.", 32)
_STAGES = flags.DEFINE_list("stages", list(STAGES), "Stages to time.")
_ROUNDS = flags.DEFINE_integer("rounds", 5, "Turns of each contender.", 1)
_STEPS = flags.DEFINE_integer("steps", 10, "Steps in a turn.", 1)
_PRECISION = flags.DEFINE_string(
    "precision", "auto", "Arithmetic of this project's steps, as dscl-train's."
)
_TORCH = flags.DEFINE_list(
    "torch_python",
    [],
    "Pythons that have torch, each of another version: a PyTorch peer for each.",
)
_LATER = flags.DEFINE_string(
    "later_python",
    None,
    "Python with this project's other stack (TensorFlow 2.21 and tf_keras).",
)
_KERAS = flags.DEFINE_bool(
    "plain_keras", False, "Whether to time a U-Net in Keras' own layers, too."
)
_OTHER = flags.DEFINE_string(
    "other_checkout",
    None,
    "Another checkout of this project to time beside this one.",
)
_OUTPUT = flags.DEFINE_string("output", None, "JSON file for all timings.")

USAGE = """
benchmarks/speed.py [--plain_keras] [--torch_python=PYTHON,PYTHON]
  [--later_python=PYTHON] [--other_checkout=DIR] [--size_px=192] [--rounds=5]
  [--steps=10]

Prints a table: median step time, its spread, images/s and how many times as fast as
this project's own float32, for each stage. Contenders take turns within one run, since
the speed of a shared machine changes from minute to minute.
"""


def contenders(prepared: pathlib.Path) -> dict[str, list[str]]:
    """The command of each contender, by name.

    Raises:
      UserError: a Python that was named lacks what it is named for.
    """
    worker = [str(_PARTS / "tf_worker.py"), f"--prepared={prepared}"]
    ours = [sys.executable, *worker]
    precision = f"--precision={_PRECISION.value}"
    found = {
        "float32": [*ours, "--precision=float32"],
        "ours": [*ours, precision],
        "ours, batch in memory": [*ours, precision, "--from_memory"],
    }
    if _LATER.value:
        version = pythons.version_of("later_python", _LATER.value, "tensorflow")
        command = ["env", f"PYTHONPATH={_PARTS.parents[1]}", _LATER.value, *worker]
        found[f"ours, TensorFlow {version}"] = [*command, precision]
    if _OTHER.value:
        # Its own worker, which knows its own stages.
        worker = f"{_OTHER.value}/benchmarks/speed_parts/tf_worker.py"
        command = ["env", f"PYTHONPATH={_OTHER.value}", sys.executable, worker]
        found["other checkout"] = [*command, ours[-1], precision]
    return {**found, **peers()}


def peers() -> dict[str, list[str]]:
    """The commands of other programs' steps; as `contenders`."""
    counts = speed_parts.IMAGES.items()
    batches = ",".join(f"{stage}={count}" for stage, count in counts)
    work = [f"--size_px={_SIZE.value}", f"--batches={batches}"]
    found = {}
    if _KERAS.value:
        keras = [sys.executable, str(_PARTS / "keras_worker.py"), *work]
        found["plain Keras, float32"] = [*keras, "--policy=float32"]
        found["plain Keras, bfloat16"] = [*keras, "--policy=mixed_bfloat16"]
    for version, python in pythons.by_version(
        "torch_python", _TORCH.value, "torch"
    ).items():
        name = f"PyTorch {version}, bfloat16"
        found[name] = [python, str(_PARTS / "torch_worker.py"), *work]
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
