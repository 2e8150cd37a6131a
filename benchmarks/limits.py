#!/usr/bin/env python3
"""How far each stage's step is from what this machine could do at best."""

import dataclasses
import json
import os
import pathlib
import statistics
import sys
import time

import speed_parts
from absl import flags
from dscl_flags import binary

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

_TIMINGS = flags.DEFINE_string(
    "timings", None, "JSON file that benchmarks/speed.py wrote with --output."
)
_SIZE = flags.DEFINE_integer("size_px", 192, "Side of a slice, pixels.", 32)
_BYTES = 2  # Of a bfloat16 activation.

USAGE = """
benchmarks/limits.py [--timings=FILE] [--size_px=192]

Counts the arithmetic and the fewest bytes of each stage's step, measures this
machine's ceilings with large operations, and prints what share of the limit the
timed steps reach.
"""


@dataclasses.dataclass(frozen=True)
class Work:
    """Of one image, forward and backward."""

    flops: float = 0.0
    traffic_bytes: float = 0.0  # Each activation once in and once out a pass.

    def __add__(self, other: "Work") -> "Work":
        return Work(self.flops + other.flops, self.traffic_bytes + other.traffic_bytes)


def layer_work(layer, passes: int) -> Work:
    """A layer's work; passes is 1 for forward alone, 3 with both gradients."""
    kind = type(layer).__name__
    size_in, size_out = _elements(layer.input_shape), _elements(layer.output_shape)
    flops = 0.0
    if kind in ("Conv2D", "DoubledConv2D"):
        rows, columns, inputs, _ = layer.kernel.shape
        flops = 2.0 * rows * columns * inputs * size_out
    elif kind == "Dense":
        flops = 2.0 * size_in * size_out
    if kind in ("InputLayer", "ReLU", "Activation", "Flatten"):
        return Work()  # Part of the operation before, at best.
    return Work(passes * flops, passes * _BYTES * (size_in + size_out))


def _elements(shape) -> float:
    shapes = shape if isinstance(shape, list) else [shape]
    total = 0.0
    for extents in shapes:
        product = 1.0
        for extent in extents[1:]:
            product *= extent
        total += product
    return total


def model_work(model, passes: int) -> Work:
    """The sum over a model's layers, models within it included."""
    total = Work()
    for layer in model.layers:
        inner = hasattr(layer, "layers")
        total += model_work(layer, passes) if inner else layer_work(layer, passes)
    return total


def stage_work(size_px: int) -> dict[str, Work]:
    """Work of one step of each stage, at the batch sizes that speed.py times."""
    from dscl_tf import config, networks

    network, size = config.NetworkConfig(), (size_px, size_px)
    encoder = networks.build_encoder(network, size)
    decoder = networks.build_decoder(network, size, 3)
    head_1 = networks.build_global_head(network, encoder.outputs[-1].shape[1:])
    head_2 = networks.build_local_head(network, decoder.output.shape[1:])
    unet = networks.build_unet(network, size, 4)
    per_image = {
        "encoder": model_work(encoder, 3) + model_work(head_1, 3),
        # The encoder is frozen there.
        "decoder": model_work(encoder, 1)
        + model_work(decoder, 3)
        + model_work(head_2, 3),
        "finetune": model_work(unet, 3),
    }
    return {
        stage: Work(work.flops * count, work.traffic_bytes * count)
        for (stage, work), count in zip(per_image.items(), speed_parts.IMAGES.values())
    }


def measure_ceilings() -> dict[str, float]:
    """FLOP/s of large matrix products and bytes/s of large additions."""
    import tensorflow as tf

    found = {}
    for kind in (tf.bfloat16, tf.float32):
        matrix = tf.cast(tf.random.normal([3072, 3072]), kind)
        seconds = _fastest(lambda m=matrix: tf.matmul(m, m))
        found[f"matrix {kind.name}"] = 2 * 3072**3 / seconds
    vector = tf.zeros([2**27])
    found["memory"] = 2 * 4 * 2**27 / _fastest(lambda: vector + 1.0)
    return found


def _fastest(operation, repeats: int = 8) -> float:
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        float(operation()[..., -1].numpy().ravel()[0])
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def table(work: dict[str, Work], ceilings: dict[str, float], timings: dict) -> str:
    """The limit of each stage and the share of it that is reached."""
    lines = [
        "| stage | GFLOP | GB | arithmetic limit, s | memory limit, s | step, s | "
        "share of the limit |",
        "|---|---|---|---|---|---|---|",
    ]
    for stage, need in work.items():
        arithmetic = need.flops / ceilings["matrix bfloat16"]
        memory = need.traffic_bytes / ceilings["memory"]
        step = share = ""
        if stage in timings:
            seconds = statistics.median(timings[stage]["ours"]["step_s"])
            step, share = f"{seconds:.3f}", f"{max(arithmetic, memory) / seconds:.0%}"
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
    ceilings = measure_ceilings()
    for name, rate in ceilings.items():
        unit = "GB/s" if name == "memory" else "GFLOP/s"
        print(f"{name}: {rate / 1e9:.0f} {unit}")
    print(table(stage_work(_SIZE.value), ceilings, timings))


if __name__ == "__main__":
    binary.run(main, [sys.modules[__name__]], USAGE)
