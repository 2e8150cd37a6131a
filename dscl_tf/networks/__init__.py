"""Keras functional models: the U-Net, its parts, and the projection heads."""

from dscl_tf.networks.heads import build_global_head, build_local_head
from dscl_tf.networks.unet import (
    apply_blocks,
    build_decoder,
    build_encoder,
    build_unet,
)

__all__ = [
    "apply_blocks",
    "build_decoder",
    "build_encoder",
    "build_global_head",
    "build_local_head",
    "build_unet",
]
