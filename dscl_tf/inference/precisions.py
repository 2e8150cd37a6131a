"""The precision in which TensorFlow runs a float32 program."""

import contextlib
from collections.abc import Iterator

import tensorflow as tf

from dscl_tf import errors
from dscl_tf.training import runtime

PRECISIONS = ("auto", "float32", "mixed_bfloat16")
_BFLOAT16 = "auto_mixed_precision_onednn_bfloat16"  # TensorFlow's name of the rewrite.


def is_bfloat16(precision: str) -> bool:
    """Whether convolutions are to run in bfloat16.

    Raises:
      UserError: no such precision.
    """
    if precision not in PRECISIONS:
        raise errors.UserError(
            f"--precision={precision}: expected one of {', '.join(PRECISIONS)}."
        )
    if precision == "auto":
        # The rewrite exists for CPU kernels only.
        has_gpu = bool(tf.config.list_physical_devices("GPU"))
        return runtime.cpu_has_bfloat16() and not has_gpu
    return precision == "mixed_bfloat16"


@contextlib.contextmanager
def rewriting(wanted: bool) -> Iterator[None]:
    """Turns bfloat16 convolutions on or off in a block, then restores the setting."""
    before = tf.config.optimizer.get_experimental_options().get(_BFLOAT16, False)
    tf.config.optimizer.set_experimental_options({_BFLOAT16: wanted})
    try:
        yield
    finally:
        tf.config.optimizer.set_experimental_options({_BFLOAT16: before})
