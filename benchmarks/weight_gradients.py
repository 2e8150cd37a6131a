#!/usr/bin/env python3
"""Times ways to compute the weight gradient of a 3x3 convolution, in turns."""

import dataclasses
import os
import statistics
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf
from absl import flags
from dscl_flags import binary
from speed_parts import gradient_ways, protocol

from dscl_tf import errors

_SIZE = flags.DEFINE_integer("size_px", 192, "Side of a slice, pixels.", 32)
_SLICES = flags.DEFINE_integer("num_slices", 20, "Slices of a batch.", 2)
_ROUNDS = flags.DEFINE_integer("rounds", 20, "Turns of each way.", 1)

USAGE = """
benchmarks/weight_gradients.py [--size_px=192] [--num_slices=20] [--rounds=20]

Prints two tables for the convolutions of the U-Net in fine-tuning, in bfloat16 and in
float32: the median milliseconds of each way to the gradient by the weights, and how
far its values are from TensorFlow's in float32. All ways take turns in one process. One
whose values in float32 are not TensorFlow's is not timed: the script ends.
"""


@dataclasses.dataclass(frozen=True)
class Layer:
    """A 3x3 convolution of the U-Net."""

    halvings: int  # Of the slice's side.
    inputs: int
    outputs: int

    def __str__(self) -> str:
        side = _SIZE.value >> self.halvings
        return f"{side} × {side}, {self.inputs} to {self.outputs}"


LAYERS = (
    Layer(0, 1, 16),  # The first.
    Layer(0, 16, 16),
    Layer(0, 32, 16),  # Skip connection and up-sampled features.
    Layer(1, 32, 32),
    Layer(2, 64, 64),
    Layer(3, 128, 128),
)


def operands(layer: Layer, dtype: tf.DType) -> list[tf.Tensor]:
    """Noise of the shapes that a layer's operands have in fine-tuning."""
    side = _SIZE.value >> layer.halvings
    maps = [_SLICES.value, side, side]
    return gradient_ways.noise(maps, layer.inputs, layer.outputs, dtype)


def measure(functions: dict, values: list[tf.Tensor]) -> dict[str, float]:
    """Milliseconds of each way, the median of its turns."""
    seconds: dict = {name: [] for name in functions}
    for turn in range(-1, _ROUNDS.value):  # The first turn is not counted.
        for name in protocol.in_turn(functions, turn):
            start = time.perf_counter()
            functions[name](*values)[1].numpy()
            if turn >= 0:
                seconds[name].append(time.perf_counter() - start)
    return {name: 1e3 * statistics.median(each) for name, each in seconds.items()}


def table(title: str, form: str, rows: dict[tuple[str, str], dict]) -> str:
    """Markdown: a row for each layer and precision, a column for each way."""
    names = list(next(iter(rows.values())))
    head = [title, "", *names]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for place, found in rows.items():
        cells = [*place, *(format(found[name], form) for name in names)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Checks, times, prints.

    Raises:
      UserError: the sizes cannot be halved as some ways need, or gradients are wrong.
    """
    if _SIZE.value % 16 or _SLICES.value % 2:
        raise errors.UserError(
            f"--size_px={_SIZE.value} --num_slices={_SLICES.value}: expected a "
            "multiple of 16, and an even number of slices."
        )
    times, deviations = {}, {}
    for layer in LAYERS:
        # float32 first: a way that is wrong there is not timed at all.
        for dtype in (tf.float32, tf.bfloat16):
            values, place = operands(layer, dtype), (str(layer), dtype.name)
            functions = {
                name: gradient_ways.compiled(way, values)
                for name, way in gradient_ways.WAYS.items()
            }
            if dtype == tf.float32:
                gradient_ways.require_equal(functions, values)
            deviations[place] = gradient_ways.deviations(functions, values)
            times[place] = measure(functions, values)
        print(f"{layer}: done", file=sys.stderr)
    print(table("median, ms", ".1f", times), "\n")
    print(table("largest deviation / root mean square", ".1e", deviations))


if __name__ == "__main__":
    binary.run(main, [sys.modules[__name__]], USAGE)
