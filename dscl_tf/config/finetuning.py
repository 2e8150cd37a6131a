"""Settings of fine-tuning."""

import dataclasses

from dscl_tf import checks
from dscl_tf.methods import registered


@dataclasses.dataclass(frozen=True)
class AugmentationConfig:
    """Fine-tuning augmentation of image and label together (design: table)."""

    rotation_deg: float = 15.0
    scale: tuple[float, float] = (0.95, 1.05)
    flip: bool = True  # Left-right; off where left and right must be told apart.
    rotation_step_deg: float = 45.0
    # Of the 3x3 displacement grid, as a fraction of the side: 5 of 192 pixels.
    elastic_sigma: float = 5 / 192
    brightness: float = 0.1
    contrast: tuple[float, float] = (0.8, 1.2)


@dataclasses.dataclass(frozen=True)
class FinetuneConfig(registered.Registered):
    """The fine-tuning stage, with what methods add to it."""

    batch_size: int = 20
    augmentation: AugmentationConfig = AugmentationConfig()
    validate_every: int = 100  # Steps.

    def __post_init__(self):
        checks.require(
            self.batch_size >= 1, "batch_size", self.batch_size, "at least 1"
        )
        checks.require(
            self.validate_every >= 1, "validate_every", self.validate_every, ">= 1"
        )
