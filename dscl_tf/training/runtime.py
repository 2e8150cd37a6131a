"""Where and how precisely a run computes."""

import contextlib
import dataclasses
import logging
import pathlib
from collections.abc import Iterator
from typing import Optional

import tensorflow as tf

from dscl_tf import errors, gpus
from dscl_tf.config import RuntimeConfig
from dscl_tf.training import distribution
from dscl_tf.training.distribution import Devices

_LOG = logging.getLogger(__name__)
PRECISIONS = ("float32", "mixed_float16", "mixed_bfloat16")
_FIRST_GPU = "/GPU:0"
# Compiling takes a minute, and a compiled step saves some milliseconds of a GPU's time.
_STEPS_THAT_REPAY_XLA = 10_000
_CPUINFO = pathlib.Path("/proc/cpuinfo")


@dataclasses.dataclass(frozen=True)
class Runtime:
    """How a run computes, with each `auto` resolved."""

    precision: str  # A Keras mixed-precision policy.
    jit: bool  # Whether XLA compiles the training step.
    # The GPU that augments batches; None: the CPU does, during the previous step.
    input_device: Optional[str] = None


def cpu_has_bfloat16(cpuinfo: pathlib.Path = _CPUINFO) -> bool:
    """Whether the processor multiplies bfloat16 matrices (AMX or AVX512-BF16)."""
    try:
        words = cpuinfo.read_text().split()
    except OSError:
        return False
    return "amx_bf16" in words or "avx512_bf16" in words


def gpu_precision() -> str:
    """The lowest precision that is fast on every GPU of this machine.

    Tensor cores have bfloat16, which needs no loss scaling, from compute capability
    8.0, and float16 from 7.0.
    """
    capabilities = [
        tf.config.experimental.get_device_details(device).get("compute_capability")
        for device in tf.config.list_physical_devices("GPU")
    ]
    # A GPU that does not report its capability is taken to have no tensor cores.
    least = min(each or (0, 0) for each in capabilities)
    if least >= (8, 0):
        return "mixed_bfloat16"
    return "mixed_float16" if least >= (7, 0) else "float32"


def promise_float32() -> None:
    """Makes this process compute float32 operations in full float32.

    By default TensorFlow rounds the factors of products to TF32, with 10 bits, on GPUs
    that have it; but losses and predictions are promised in float32.
    """
    tf.config.experimental.enable_tensor_float_32_execution(False)


@contextlib.contextmanager
def float32_networks() -> Iterator[None]:
    """Networks that are built inside compute in float32, whatever the policy is."""
    before = tf.keras.mixed_precision.global_policy()
    tf.keras.mixed_precision.set_global_policy("float32")
    try:
        yield
    finally:
        tf.keras.mixed_precision.set_global_policy(before)


def resolve(config: RuntimeConfig, num_steps: int) -> Runtime:
    """Chooses the precision, the compiler and the input's place for this machine.

    Args:
      config: what was asked for.
      num_steps: number of steps over which compilation has to pay off.

    Raises:
      UserError: an unknown choice, or XLA is asked for with several devices.
    """
    has_gpu = bool(tf.config.list_physical_devices("GPU"))
    precision = config.precision
    if precision == "auto":
        on_cpu = "mixed_bfloat16" if cpu_has_bfloat16() else "float32"
        precision = gpu_precision() if has_gpu else on_cpu
    if precision not in PRECISIONS:
        raise errors.UserError(
            f"precision must be auto or one of {PRECISIONS}, found {precision!r}."
        )
    if config.jit not in ("auto", "on", "off"):
        raise errors.UserError(f"jit must be auto, on or off, found {config.jit!r}.")
    if config.distribution != "none":
        if config.jit == "on":
            raise errors.UserError(
                f"--jit=on does not go with --distribution={config.distribution}: XLA "
                "cannot compile what devices exchange; leave it at auto."
            )
        # Workers see each other's devices too, and so make their batches on the CPU.
        on_gpu = has_gpu and config.distribution == "mirrored"
        return Runtime(precision, False, _FIRST_GPU if on_gpu else None)
    # XLA on a CPU was measured about 6 times slower than without.
    repaid = has_gpu and num_steps >= _STEPS_THAT_REPAY_XLA
    jit = repaid if config.jit == "auto" else config.jit == "on"
    return Runtime(precision, jit, _FIRST_GPU if has_gpu else None)


def devices(config: RuntimeConfig) -> Devices:
    """The devices of a run; to be called before anything is computed.

    Raises:
      UserError: the devices are not available.
    """
    take_memory_as_needed()
    return distribution.start(config.distribution)


def take_memory_as_needed() -> None:
    """Otherwise a process takes all the memory of every card.

    To be called before anything is computed; later it has no effect.
    """
    for device in tf.config.list_physical_devices("GPU"):
        with contextlib.suppress(RuntimeError):  # TensorFlow has begun to compute.
            tf.config.experimental.set_memory_growth(device, True)


def start(runtime: Runtime, seed: int) -> None:
    """Sets the process's precision policy and the seed of initial weights."""
    promise_float32()
    tf.keras.mixed_precision.set_global_policy(runtime.precision)
    tf.keras.utils.set_random_seed(seed)
    _LOG.info(
        "Computing in %s on %s, XLA %s.",
        runtime.precision,
        "GPU" if tf.config.list_physical_devices("GPU") else "CPU",
        "on" if runtime.jit else "off",
    )
    unseen = gpus.unseen(len(tf.config.list_physical_devices("GPU")))
    if unseen:
        _LOG.warning("%s", unseen)
