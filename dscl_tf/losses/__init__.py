"""Losses: the contrastive losses, soft Dice and cross-entropy."""

from dscl_tf.losses.cross_entropy import cross_entropy_of_sums, cross_entropy_sums
from dscl_tf.losses.dice import (
    label_maps,
    soft_dice_loss,
    soft_dice_of_sums,
    soft_dice_sums,
)
from dscl_tf.losses.global_loss import (
    global_contrastive_loss,
    global_contrastive_terms,
)
from dscl_tf.losses.local_loss import local_contrastive_loss, local_contrastive_terms
from dscl_tf.losses.regions import LocalRegions, make_regions

__all__ = [
    "LocalRegions",
    "cross_entropy_of_sums",
    "cross_entropy_sums",
    "global_contrastive_loss",
    "global_contrastive_terms",
    "label_maps",
    "local_contrastive_loss",
    "local_contrastive_terms",
    "make_regions",
    "soft_dice_loss",
    "soft_dice_of_sums",
    "soft_dice_sums",
]
