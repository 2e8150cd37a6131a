"""Checks that TensorFlow uses Keras 2, for models, optimizers and checkpoints."""

import importlib.util

import tensorflow as tf

from dscl_tf import errors


def require_keras_2() -> None:
    """Refuses Keras 3, whose models are incompatible.

    Raises:
      UserError: tf.keras is Keras 3.
    """
    if not hasattr(tf.keras, "ops"):  # New in Keras 3.
        return
    cure = (
        "import dscl_tf before anything uses tf.keras, or start Python with "
        "TF_USE_LEGACY_KERAS=1"
    )
    if importlib.util.find_spec("tf_keras") is None:
        cure = f"pip install 'tf-keras=={tf.__version__}'"
    raise errors.UserError(
        f"tf.keras: found Keras {tf.keras.__version__}, expected Keras 2: {cure}."
    )
