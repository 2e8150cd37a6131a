"""Contrastive learning for volumetric segmentation with few labelled volumes."""

import importlib.util
import os
import platform

__version__ = "0.1.0"

# Models are of Keras 2. From TensorFlow 2.16 on it is a package of its own, taken only
# if that is said before the first use of Keras (`networks/keras_version.py`).
if importlib.util.find_spec("tf_keras"):
    os.environ["TF_USE_LEGACY_KERAS"] = "1"

# TensorFlow has these kernels, but turns them on by itself only on processors with
# AVX-512 for neural networks. On others a step takes 1.3 to 2.0 times as long without
# (docs/performance.md). It reads this when it is imported. Elsewhere than on x86 they
# were not measured.
if platform.machine() in ("x86_64", "AMD64"):
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
