#!/usr/bin/env python3
"""Times a whole training step of each stage beside its peers, interleaved."""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

import speed_parts
from absl import flags
from dscl_flags import binary
from speed_parts import protocol, pythons, synthetic

from dscl_tf import errors, files

_PARTS = pathlib.Path(__file__).resolve().parent / "speed_parts"
_VOLUMES = 24  # Of the cohort.

_SIZE = flags.DEFINE_integer("size_px", 192, "Side of a slice, pixels.", 32)
_STAGES = flags.DEFINE_list("stages", list(speed_parts.IMAGES), "Stages to time.")
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
_EIGEN = flags.DEFINE_bool(
    "without_onednn", False, "Whether to time this project without oneDNN, too."
)
_OTHER = flags.DEFINE_string(
    "other_checkout",
    None,
    "Another checkout of this project to time beside this one.",
)
_OUTPUT = flags.DEFINE_string("output", None, "JSON file for all timings.")

USAGE = """
benchmarks/speed.py [--plain_keras] [--torch_python=PYTHON,PYTHON]
  [--later_python=PYTHON] [--without_onednn] [--other_checkout=DIR]
  [--size_px=192] [--rounds=5] [--steps=10]

Prints a table: median step time, its spread, images/s and how many times as fast as
this project's own float32, for each stage. Contenders take turns within one run, since
the speed of a shared machine changes from minute to minute.
"""


def contenders(folder: pathlib.Path) -> dict[str, list[str]]:
    """The command of each contender, by name.

    Args:
      folder: where their cohorts are written.

    Raises:
      UserError: a Python or a checkout that was named is not what it should be.
    """
    synthetic.write(folder / "prepared", _SIZE.value, _VOLUMES)
    worker = [str(_PARTS / "tf_worker.py"), f"--prepared={folder / 'prepared'}"]
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
    if _EIGEN.value:
        alone = ["env", "TF_ENABLE_ONEDNN_OPTS=0", *ours]
        found["ours, without oneDNN"] = [*alone, precision]
    if _OTHER.value:
        # Its own worker, which fits its own stages.
        other = pathlib.Path(_OTHER.value).resolve()
        write_by_other(other, folder / "other")
        worker = f"{other}/benchmarks/speed_parts/tf_worker.py"
        command = ["env", f"PYTHONPATH={other}", sys.executable, worker]
        found["other checkout"] = [
            *command,
            f"--prepared={folder / 'other'}",
            precision,
        ]
    return {**found, **peers()}


def write_by_other(checkout: pathlib.Path, folder: pathlib.Path) -> None:
    """Has another checkout write the cohort, as its format may differ.

    Raises:
      UserError: it does not write one.
    """
    code = (
        "import pathlib, sys; from speed_parts import synthetic; "
        "synthetic.write(pathlib.Path(sys.argv[1]), *map(int, sys.argv[2:]))"
    )
    parts = checkout / "benchmarks"
    if not parts.is_dir():
        raise errors.UserError(
            f"--other_checkout={checkout}: found no folder benchmarks, expected a "
            "checkout of this project; make one with git worktree add."
        )
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder), str(_SIZE.value), str(_VOLUMES)],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": f"{checkout}:{parts}"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = done.stderr.strip().rpartition("\n")[2]
        raise errors.UserError(
            f"--other_checkout={checkout} wrote no cohort ({said}); expected a commit "
            "that has benchmarks/speed_parts/synthetic.py."
        )


def peers() -> dict[str, list[str]]:
    """The commands of other programs, by name; raises as `contenders`."""
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
    """Lets contenders take turns; {stage: {contender: its gathered answers}}."""
    results: dict = {}
    for stage in _STAGES.value:
        # New processes, since peak memory is that of a process's whole life.
        processes = {name: protocol.Contender(cmd) for name, cmd in commands.items()}
        rows = results[stage] = {}
        for turn in range(_ROUNDS.value):
            for name in protocol.in_turn(processes, turn):
                # Each turn has a warm-up, as the caches hold the last contender's data.
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
    with tempfile.TemporaryDirectory() as folder:
        results = measure(contenders(pathlib.Path(folder)))
    if _OUTPUT.value:
        files.write_json(_OUTPUT.value, {"size_px": _SIZE.value, **results})
    print(table(results))
    print(json.dumps({"steps": _STEPS.value, "rounds": _ROUNDS.value}))


if __name__ == "__main__":
    binary.run(main, [sys.modules[__name__]], USAGE)
