#!/usr/bin/env python3
"""Measures how start-up, memory and time per batch grow with a cohort."""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

from absl import flags
from dscl_flags import binary

_SIZES = flags.DEFINE_list("cohorts", ["100", "1000", "10000"], "Numbers of volumes.")
_BATCHES = flags.DEFINE_integer("batches", 300, "Batches to draw.", 20)
_SIZE = flags.DEFINE_integer("size_px", 64, "Side of a slice, pixels.", 16)
_STAGES = flags.DEFINE_list("stages", ["encoder", "finetune"], "Stages to open.")
_PREPARE = flags.DEFINE_list(
    "prepare", ["100", "1000"], "Numbers of tiny files to prepare; empty: none."
)
_WORKER = flags.DEFINE_string("worker", None, "One measurement, as JSON (internal).")

USAGE = """
benchmarks/growth.py [--cohorts=100,1000,10000] [--batches=300] [--prepare=100,1000]

Prints a table for cohorts made by repetition (links to eight volumes): seconds to open
a training stage and to its first batch, resident memory, milliseconds a batch; and the
memory of preparing as many tiny files. Each figure is of a process of its own.
"""


def resident_mib() -> tuple[float, float]:
    """This process's current memory: its own alone, and with the files that it maps."""
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    pairs = [line.split(":") for line in lines if line.startswith("Rss")]
    sizes = {name: int(value.split()[0]) / 1024 for name, value in pairs}
    return sizes["RssAnon"], sum(sizes.values())


def train_growth(folder: str, num_volumes: int, stage_name: str) -> dict:
    """Opens a stage as dscl-train does, and draws its batches without training."""
    from speed_parts import tf_worker

    from dscl_tf.cohort import prepared, splits
    from dscl_tf.pipeline import batches, sampling

    workdir = pathlib.Path(folder) / "runs"
    stage = tf_worker.stage_config(stage_name, folder, workdir, "float32")
    # All volumes are for training, so that the slice table is of the whole cohort.
    split = tf_worker.config.SplitConfig(
        num_train=num_volumes, num_validation=0, num_test=0
    )
    own, _ = resident_mib()
    start = time.perf_counter()
    cohort = prepared.PreparedCohort.open(folder)
    found = splits.resolve(cohort, split)
    opened = time.perf_counter()
    if stage_name == "encoder":
        table = sampling.slice_table(cohort, found.pretrain, 4)
        stream = batches.global_batches(cohort, table, stage.global_, stage.views)
    else:
        table = sampling.slice_table(cohort, found.train, 1)
        stream = batches.finetune_batches(cohort, table, stage.finetune)
    listed = time.perf_counter()
    taken = iter(stream.open(0, 0, 1 << 30))
    next(taken)
    first = time.perf_counter()
    own_first, _ = resident_mib()
    seconds = draw(taken, _BATCHES.value)
    own_last, all_last = resident_mib()
    sampled = time.perf_counter()
    for step in range(100):
        stream.ids(0, step)
    return {
        "index and split, s": opened - start,
        "slice table, s": listed - opened,
        "first batch, s": first - listed,
        "ms a batch": 1e3 * statistics.median(seconds),
        "ms to sample": 10 * (time.perf_counter() - sampled),
        "opening, MiB": own_first - own,
        "more after all batches, MiB": own_last - own_first,
        "maps included, MiB": all_last,
    }


def draw(taken, count: int) -> list[float]:
    """Seconds of each batch."""
    seconds = []
    for _ in range(count):
        start = time.perf_counter()
        next(taken)
        seconds.append(time.perf_counter() - start)
    return seconds


def prepare_growth(folder: str, num_volumes: int) -> dict:
    """Prepares tiny files with one worker; seconds, and memory of both processes."""
    import resource

    import numpy as np
    import SimpleITK as sitk

    from dscl_tf.cohort import preparation
    from dscl_tf.config import PreprocessingConfig

    source = pathlib.Path(folder) / "images"
    source.mkdir()
    rng = np.random.default_rng(0)
    image = sitk.GetImageFromArray(rng.uniform(0, 9, (4, 16, 16)).astype(np.float32))
    image.SetSpacing([2.0, 2.0, 8.0])
    sitk.WriteImage(image, str(source / "case000000.nii.gz"))
    for number in range(1, num_volumes):
        os.link(source / "case000000.nii.gz", source / f"case{number:06d}.nii.gz")
    before = resident_mib()[0]
    start = time.perf_counter()
    settings = PreprocessingConfig((16, 16), 2.0, bias_correction=False)
    preparation.prepare(
        preparation.PreparationConfig(
            str(source), folder + "/prepared", num_workers=1, settings=settings
        )
    )
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return {
        "seconds": seconds,
        "main process, more MiB": resident_mib()[0] - before,
        "worker's peak, MiB": peak,
    }


def in_a_process(kind: str, folder: str, count: int, stage: str = "") -> dict:
    """Runs one measurement in a process of its own."""
    request = json.dumps([kind, folder, count, stage])
    command = [sys.executable, __file__, f"--worker={request}"]
    command += [f"--batches={_BATCHES.value}"]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def work() -> dict:
    """The measurement that `--worker` names."""
    kind, folder, count, stage = json.loads(_WORKER.value)
    if kind == "prepare":
        return prepare_growth(folder, count)
    sys.path.append(str(pathlib.Path(__file__).parent / "speed_parts"))
    return train_growth(folder, count, stage)


def table(rows: list[tuple[str, dict]]) -> str:
    """The rows as a Markdown table."""
    columns = list(rows[0][1])
    lines = ["| | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for name, row in rows:
        cells = " | ".join(f"{row[column]:.3g}" for column in columns)
        lines.append(f"| {name} | {cells} |")
    return "\n".join(lines)


def main() -> None:
    """Measures and prints."""
    if _WORKER.value:
        print(json.dumps(work()))
        return
    from speed_parts import synthetic

    rows = []
    for count in map(int, _SIZES.value):
        with tempfile.TemporaryDirectory() as folder:
            prepared = pathlib.Path(folder) / "prepared"
            synthetic.write(prepared, _SIZE.value, count)
            for stage in _STAGES.value:
                row = in_a_process("train", str(prepared), count, stage)
                row["index, MiB"] = (prepared / "index.json").stat().st_size / 2**20
                rows.append((f"{stage}, {count} volumes", row))
    print(table(rows), flush=True)
    rows = []
    for count in map(int, _PREPARE.value):
        with tempfile.TemporaryDirectory() as folder:
            rows.append((f"{count} files", in_a_process("prepare", folder, count)))
    if rows:
        print("\n" + table(rows))


if __name__ == "__main__":
    binary.run(main, [sys.modules[__name__]], USAGE)
