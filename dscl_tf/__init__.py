"""Contrastive learning for volumetric segmentation with few labelled volumes."""

import importlib.util
import os

__version__ = "0.1.0"

# Models are of Keras 2. From TensorFlow 2.16 on it is a package of its own, taken only
# if that is said before the first use of Keras (`networks/keras_version.py`).
if importlib.util.find_spec("tf_keras"):
    os.environ["TF_USE_LEGACY_KERAS"] = "1"
