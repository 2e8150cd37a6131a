"""Contrastive learning for volumetric segmentation with few labelled volumes."""

import importlib.util
import os
import platform

__version__ = "0.1.0"

# Models use Keras 2. From TensorFlow 2.16 on it is a separate package, tf_keras, which
# TensorFlow uses only if this is set before Keras is first used
# (`networks/keras_version.py`).
if importlib.util.find_spec("tf_keras"):
    os.environ["TF_USE_LEGACY_KERAS"] = "1"

# By default TensorFlow uses oneDNN's kernels only on processors with AVX-512
# instructions for neural networks. On others a step takes 1.3 to 2.0 times as long
# without them (docs/performance.md). TensorFlow reads this when it is imported. Only
# x86 was measured.
if platform.machine() in ("x86_64", "AMD64"):
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
