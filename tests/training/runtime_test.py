import pytest
import tensorflow as tf

from dscl_tf import config, errors
from dscl_tf.training import runtime

LONG, SHORT = 10_000, 9_999  # Steps that repay the compiler, and that do not.


def resolve(precision="auto", jit="auto", num_steps=LONG):
    settings = config.RuntimeConfig(precision=precision, jit=jit)
    return runtime.resolve(settings, num_steps)


@pytest.mark.parametrize(
    "flags, expected",
    [
        ("fpu avx512_bf16 sse", True),
        ("fpu amx_bf16", True),
        ("fpu avx512f not_amx_bf16", False),
    ],
)
def test_bfloat16_by_cpuinfo(tmp_path, flags, expected):
    (tmp_path / "cpuinfo").write_text(f"processor : 0\nflags\t\t: {flags}\n")
    assert runtime.cpu_has_bfloat16(tmp_path / "cpuinfo") == expected
    assert runtime.cpu_has_bfloat16(tmp_path / "missing") is False


@pytest.mark.parametrize(
    "gpus, bfloat16, precision, jit",
    [
        ([(7, 5)], True, "mixed_float16", True),
        ([(8, 0)], False, "mixed_bfloat16", True),
        ([(9, 0), (12, 0)], False, "mixed_bfloat16", True),
        ([(8, 6), (7, 0)], True, "mixed_float16", True),
        ([(6, 1)], True, "float32", True),
        ([None], True, "float32", True),
        ([], True, "mixed_bfloat16", False),
        ([], False, "float32", False),
    ],
)
def test_auto(monkeypatch, gpus, bfloat16, precision, jit):
    """GPUs are told by their compute capability."""
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: gpus)
    monkeypatch.setattr(
        tf.config.experimental,
        "get_device_details",
        lambda gpu: {"compute_capability": gpu} if gpu else {},
    )
    monkeypatch.setattr(runtime, "cpu_has_bfloat16", lambda: bfloat16)
    place = "/GPU:0" if gpus else None
    assert resolve() == runtime.Runtime(precision, jit, place)
    assert resolve(num_steps=SHORT) == runtime.Runtime(precision, False, place)
    off = runtime.Runtime("float32", False, place)
    assert resolve("float32", "off") == off
    on = runtime.Runtime("mixed_bfloat16", True, place)
    assert resolve("mixed_bfloat16", "on", SHORT) == on


@pytest.mark.parametrize(
    "choice, message",
    [
        ({"precision": "float8"}, "precision must be auto or one of .*'float8'"),
        ({"jit": "yes"}, "jit must be auto, on or off, found 'yes'"),
    ],
)
def test_bad_values(choice, message):
    with pytest.raises(errors.UserError, match=message):
        resolve(**choice)


def test_float32_is_not_rounded_to_tf32():
    experimental = tf.config.experimental
    chosen = runtime.Runtime(precision="float32", jit=False)
    for promise in (lambda: runtime.start(chosen, 0), runtime.promise_float32):
        experimental.enable_tensor_float_32_execution(True)
        promise()
        assert not experimental.tensor_float_32_execution_enabled()


def test_start_sets_policy_and_seed():
    chosen = runtime.Runtime(precision="mixed_bfloat16", jit=False)
    draws = []
    try:
        for seed in (5, 5, 6):
            runtime.start(chosen, seed)
            draws.append(float(tf.random.normal([])))
        assert tf.keras.mixed_precision.global_policy().name == "mixed_bfloat16"
    finally:
        tf.keras.mixed_precision.set_global_policy("float32")
    assert draws[0] == draws[1] != draws[2]


def test_memory_of_all_gpus_grows_as_it_is_needed(monkeypatch):
    asked = []

    def grow(device, is_on):
        asked.append((device, is_on))
        if device == "b":
            raise RuntimeError("Physical devices cannot be modified after ...")

    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["a", "b"])
    monkeypatch.setattr(tf.config.experimental, "set_memory_growth", grow)
    runtime.take_memory_as_needed()
    assert asked == [("a", True), ("b", True)]
