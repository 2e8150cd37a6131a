#!/usr/bin/env python3
"""Times preparing volumes of ACDC's size: the parts on one core, then workers."""

import contextlib
import dataclasses
import pathlib
import statistics
import sys
import tempfile
import time
from typing import Callable

import numpy as np
from absl import flags
from dscl_flags import binary

_VOLUMES = flags.DEFINE_integer("num_volumes", 6, "Volumes to time.", 2)
_WORKERS = flags.DEFINE_list("workers", ["1", "2"], "Numbers of worker processes.")
_ROUNDS = flags.DEFINE_integer("rounds", 2, "Turns of each number of workers.", 1)
_OLD = flags.DEFINE_bool(
    "old_bias", False, "Also fit N4 with --bias_shrink=2 --bias_levels=4 (slow)."
)

USAGE = """
benchmarks/prepare.py [--num_volumes=6] [--workers=1,2] [--rounds=2] [--old_bias]

Writes phantom volumes of 216x256x10 with a known bias field, and prints a table:
seconds of one core for each part of preparing one, what N4 leaves of the field, and
volumes a second of dscl-prepare with each number of workers, in turn.
"""


@dataclasses.dataclass(frozen=True)
class Sample:
    """One volume."""

    path: pathlib.Path
    field: np.ndarray  # float64 [H, W]: the true bias field.
    body: np.ndarray  # bool [Q, H, W].


def make(folder: pathlib.Path, number: int) -> Sample:
    """Writes one volume, as the phantom's simulated scanner acquires it."""
    import SimpleITK as sitk

    from dscl_tf.cohort import image_writing, phantom
    from dscl_tf.cohort.phantom import acquisition

    rng = np.random.default_rng([7, number])
    groups = phantom.GROUPS
    subject = phantom.draw_subject(rng, groups[(number - 1) % len(groups)])
    scan = acquisition.draw_scan(rng)
    heights = np.linspace(scan.heights[0], scan.heights[-1], 10)
    scan = dataclasses.replace(scan, shape=(256, 216), heights=tuple(heights))
    values, _ = phantom.paint(subject, scan)
    image = sitk.GetImageFromArray(acquisition.acquire(values, scan, rng))
    image.SetSpacing([scan.pixel_mm, scan.pixel_mm, scan.thickness_mm])
    path = folder / f"case{number:03d}.nii.gz"
    image_writing.write_image(image, path)
    return Sample(path, acquisition.sensitivity(scan), values > 0.25)


def timed(function: Callable) -> tuple[float, object]:
    """Processor seconds, which other processes do not change, and the result."""
    start = time.process_time()
    result = function()
    return time.process_time() - start, result


def parts(sample: Sample, settings) -> dict[str, float]:
    """Seconds of each part, and the variation of the field before and after N4."""
    import SimpleITK as sitk

    from dscl_tf.cohort import geometry, preprocessing, volumes

    read, image = timed(lambda: volumes.read_image(sample.path))
    image = geometry.orient(image)
    n4, corrected = timed(lambda: preprocessing.correct_bias(image, settings))
    plain = dataclasses.replace(settings, bias_correction=False)
    rest, _ = timed(lambda: preprocessing.prepare_image(image, plain))
    values = sitk.GetArrayFromImage(image)
    inside = sample.body & (values > 0)
    found = (values / np.maximum(sitk.GetArrayFromImage(corrected), 1e-6))[inside]
    true = np.broadcast_to(sample.field, values.shape)[inside]
    return {
        "read, s": read,
        "N4, s": n4,
        "the rest, s": rest,
        "field before": true.std() / true.mean(),
        "field after": (found / true).std() / (found / true).mean(),
    }


def part_table(samples: list[Sample]) -> str:
    """Medians over the volumes, as Markdown."""
    from dscl_tf.config import PreprocessingConfig

    contenders = {"default": PreprocessingConfig()}
    if _OLD.value:
        contenders["shrink 2, 4 levels"] = PreprocessingConfig(
            bias_shrink=2, bias_levels=4
        )
    rows = {name: [] for name in contenders}
    for sample in samples:
        for name, settings in contenders.items():
            rows[name].append(parts(sample, settings))
    lines = ["| settings | part | median | quartiles | most |", "|---|---|---|---|---|"]
    for name, found in rows.items():
        for part in found[0]:
            values = [row[part] for row in found]
            low, middle, high = statistics.quantiles(values, n=4)
            lines.append(
                f"| {name} | {part} | {middle:.3f} | {low:.3f} to {high:.3f} | "
                f"{max(values):.3f} |"
            )
    return "\n".join(lines)


def worker_table(source: pathlib.Path, folder: pathlib.Path, count: int) -> str:
    """Volumes a second of the whole preparation, check included."""
    from dscl_tf.cohort import preparation

    seconds: dict[str, list[float]] = {workers: [] for workers in _WORKERS.value}
    for turn in range(_ROUNDS.value):
        for workers in seconds:
            start = time.perf_counter()
            preparation.prepare(
                preparation.PreparationConfig(
                    source=str(source),
                    output=str(folder / f"prepared-{workers}-{turn}"),
                    num_workers=int(workers),
                )
            )
            seconds[workers].append(time.perf_counter() - start)
    lines = ["| workers | seconds, each turn | volumes/s |", "|---|---|---|"]
    for workers, taken in seconds.items():
        each = ", ".join(f"{value:.1f}" for value in taken)
        rate = count / statistics.median(taken)
        lines.append(f"| {workers} | {each} | {rate:.2f} |")
    return "\n".join(lines)


def main() -> None:
    """Times and prints."""
    import SimpleITK as sitk

    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "images").mkdir()
        samples = [make(folder / "images", k + 1) for k in range(_VOLUMES.value)]
        print(part_table(samples), flush=True)
        print(worker_table(folder / "images", folder, len(samples)))


if __name__ == "__main__":
    binary.run(main, [sys.modules[__name__]], USAGE)
