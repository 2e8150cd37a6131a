"""Arithmetic and minimal traffic of each stage's step, and a machine's ceilings."""

import collections
import dataclasses
import time

import speed_parts

_BYTES = 2  # Of a bfloat16 activation.
ELSEWHERE = "elsewhere"  # The place of layers without a resolution.


@dataclasses.dataclass(frozen=True)
class Work:
    """Work of one image, forward and backward."""

    flops: float = 0.0
    traffic_bytes: float = 0.0  # Each activation read once and written once per pass.

    def __add__(self, other: "Work") -> "Work":
        return Work(self.flops + other.flops, self.traffic_bytes + other.traffic_bytes)

    def seconds(self, ceilings: dict[str, float]) -> float:
        """The least time it takes, by arithmetic or by memory."""
        return max(
            self.flops / ceilings["matrix bfloat16"],
            self.traffic_bytes / ceilings["memory"],
        )


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
        return Work()  # Fused into the operation before it, at best.
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


def model_work(model, passes: int, size_px: int, found: dict) -> None:
    """Adds the work of a model's layers, also of nested models, to their places."""
    for layer in model.layers:
        if hasattr(layer, "layers"):
            model_work(layer, passes, size_px, found)
        else:
            found[place_of(layer, size_px)] += layer_work(layer, passes)


def place_of(layer, size_px: int) -> str:
    """A layer's resolution: that of its output as a fraction of the slice's."""
    shape = layer.output_shape
    if isinstance(shape, tuple) and len(shape) == 4 and shape[1]:
        return f"1/{round(size_px / shape[1])}"
    return ELSEWHERE


def stage_work(size_px: int) -> dict[str, dict[str, Work]]:
    """Work of one step of each stage by place, at the batch sizes of speed.py."""
    from dscl_tf import config, networks

    network, size = config.NetworkConfig(), (size_px, size_px)
    encoder = networks.build_encoder(network, size)
    decoder = networks.build_decoder(network, size, 3)
    head_1 = networks.build_global_head(network, encoder.outputs[-1].shape[1:])
    head_2 = networks.build_local_head(network, decoder.output.shape[1:])
    unet = networks.build_unet(network, size, 4)
    parts = {
        "encoder": [(encoder, 3), (head_1, 3)],
        "decoder": [(encoder, 1), (decoder, 3), (head_2, 3)],  # The encoder is frozen.
        "finetune": [(unet, 3)],
    }
    work: dict = {}
    for stage, models in parts.items():
        found: dict = collections.defaultdict(Work)
        for model, passes in models:
            model_work(model, passes, size_px, found)
        count = speed_parts.IMAGES[stage]
        work[stage] = {
            place: Work(need.flops * count, need.traffic_bytes * count)
            for place, need in found.items()
        }
    return work


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
