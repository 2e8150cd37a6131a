#!/usr/bin/env python3
"""Where the time of each stage's step goes, by resolution and by kind of operation."""

import collections
import glob
import os
import pathlib
import re
import sys
import tempfile

import speed_parts
from absl import flags
from dscl_flags import binary
from speed_parts import synthetic, work

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

_OUTPUT = flags.DEFINE_string("output", None, "Folder for the traces.")
_SIZE = flags.DEFINE_integer("size_px", 192, "Side of a slice, pixels.", 32)
_STAGES = flags.DEFINE_list("stages", list(speed_parts.IMAGES), "Stages to trace.")
_STEPS = flags.DEFINE_integer("steps", 3, "Steps that are traced.", 1)
_PRECISION = flags.DEFINE_string("precision", "auto", "Arithmetic, as dscl-train's.")

USAGE = """
benchmarks/step_profile.py [--output=DIR] [--stages=encoder,decoder,finetune]

Traces some steps of each stage with TensorFlow's profiler and sums the time of their
operations. With --output the traces stay, for TensorBoard's profile plugin
(pip install tensorboard-plugin-profile; tensorboard --logdir=DIR).
"""

KINDS = (
    ("convolution, forward", re.compile(r"Conv2D$|MatMul$|BiasAdd$")),
    ("convolution, weights' gradient", re.compile(r"Conv2DBackpropFilter$")),
    ("convolution, input's gradient", re.compile(r"Conv2DBackpropInput$")),
    ("BatchNorm", re.compile(r"FusedBatchNorm")),
    ("ReLU", re.compile(r"Relu")),
    ("pooling, joining, up-sampling", re.compile(r"Pool|Concat|Slice|DepthToSpace|Sp")),
    ("optimizer", re.compile(r"Adam|Assign|ReadVariable|Sqrt|VarHandle")),
)
REST = "the rest"
# The executor's own events, which contain those of the operations.
_FRAMEWORK = re.compile(r"::|^Eager|^KernelAndDevice|^Function|^PyFunc")


def kind_of(operation: str) -> str:
    """The row of the table that an operation's type belongs to."""
    name = operation.lstrip("_")
    return next((kind for kind, wanted in KINDS if wanted.search(name)), REST)


def places_of(models) -> dict[str, str]:
    """The place of each layer by its name."""
    layers = [layer for model in models for layer in model.submodules]
    return {
        layer.name: work.place_of(layer, _SIZE.value)
        for layer in layers
        if hasattr(layer, "output_shape")
    }


def row_of(name: str, operation: str, places: dict[str, str]) -> tuple[str, str]:
    """(place, kind) of an operation, by its name in the graph."""
    layer = next((word for word in reversed(name.split("/")) if word in places), None)
    return places.get(layer, work.ELSEWHERE), kind_of(operation)


def operations(folder: pathlib.Path):
    """(name, type, seconds) of each operation that ran on the CPU in a trace."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    space = xplane_pb2.XSpace()
    for path in glob.glob(str(folder / "**" / "*.xplane.pb"), recursive=True):
        space.ParseFromString(pathlib.Path(path).read_bytes())
    for plane in space.planes:
        kinds = {key: meta.name for key, meta in plane.event_metadata.items()}
        for line in plane.lines:
            for event in line.events:
                name, found, operation = kinds[event.metadata_id].rpartition(":")
                if found and not _FRAMEWORK.search(f"{name}:{operation}"):
                    yield name, operation, event.duration_ps / 1e12


def measure(stage: str, prepared: str, folder: pathlib.Path) -> dict:
    """Traces a stage; seconds per step of each (resolution, kind)."""
    import tensorflow as tf
    from speed_parts import tf_worker

    settings = tf_worker.stage_config(stage, prepared, folder, _PRECISION.value)
    take, assembly = tf_worker.make_step(settings, from_memory=True)
    for _ in range(3):
        take()
    with tf.profiler.experimental.Profile(str(folder / "trace" / stage)):
        for _ in range(_STEPS.value):
            take()
    places = places_of(assembly.parts.values())
    seconds: dict = collections.defaultdict(float)
    for name, operation, duration in operations(folder / "trace" / stage):
        seconds[row_of(name, operation, places)] += duration / _STEPS.value
    return dict(seconds)


def table(stage: str, seconds: dict, needs: dict, ceilings: dict) -> str:
    """Milliseconds per step by place (rows) and kind (columns), beside the limit."""
    kinds = [*(kind for kind, _ in KINDS), REST]
    places = sorted({place for place, _ in seconds}, key=lambda p: (len(p), p))
    head = [stage, *kinds, "sum", "limit", "share of the limit"]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    needs = {**needs, "sum": sum(needs.values(), work.Work())}
    for place in [*places, "sum"]:
        cells = [
            sum(s for (p, k), s in seconds.items() if k == kind and place in (p, "sum"))
            for kind in kinds
        ]
        taken, least = sum(cells), needs.get(place, work.Work()).seconds(ceilings)
        shown = [f"{1e3 * cell:.0f}" for cell in [*cells, taken, least]]
        share = f"{least / taken:.0%}" if least else ""
        lines.append(f"| {' | '.join([place, *shown, share])} |")
    return "\n".join(lines)


def main() -> None:
    """Traces each stage, then prints its table."""
    needs, ceilings = work.stage_work(_SIZE.value), work.measure_ceilings()
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(_OUTPUT.value or scratch)
        prepared = pathlib.Path(scratch) / "prepared"
        synthetic.write(prepared, _SIZE.value, 64)
        print("Milliseconds of operations a step; two may run at once.\n")
        for stage in _STAGES.value:
            found = measure(stage, str(prepared), folder)
            print(table(stage, found, needs[stage], ceilings), "\n", flush=True)


if __name__ == "__main__":
    binary.run(main, [sys.modules[__name__]], USAGE)
