"""Keras functional models: U-Net parts, heads, and opponents of a segmenter."""

from dscl_tf.networks.discriminators import build_discriminator
from dscl_tf.networks.generators import (
    build_deformation_generator,
    build_intensity_generator,
)
from dscl_tf.networks.heads import (
    build_class_head,
    build_global_head,
    build_local_head,
    build_rotation_head,
)
from dscl_tf.networks.unet import (
    apply_blocks,
    build_decoder,
    build_encoder,
    build_unet,
)

__all__ = [
    "apply_blocks",
    "build_class_head",
    "build_decoder",
    "build_deformation_generator",
    "build_discriminator",
    "build_encoder",
    "build_global_head",
    "build_intensity_generator",
    "build_local_head",
    "build_rotation_head",
    "build_unet",
]
