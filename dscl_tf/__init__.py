"""Contrastive learning for volumetric segmentation with few labelled volumes."""

import importlib.util
import os

__version__ = "0.1.0"

# Models are of Keras 2. TensorFlow from 2.16 on has it as a package of its own, and asks
# for it only if told so before its first use of Keras (`networks.require_keras_2`).
if importlib.util.find_spec("tf_keras"):
    os.environ["TF_USE_LEGACY_KERAS"] = "1"
