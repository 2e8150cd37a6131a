"""Keras functional models: U-Net parts and projection heads."""

from dscl_tf.networks.heads import (
    build_class_head,
    build_global_head,
    build_local_head,
)
from dscl_tf.networks.unet import build_decoder, build_encoder, build_unet

__all__ = [
    "build_class_head",
    "build_decoder",
    "build_encoder",
    "build_global_head",
    "build_local_head",
    "build_unet",
]
