"""Settings of fine-tuning."""

import dataclasses
import enum

from dscl_tf import checks
from dscl_tf.methods import registered


class AugmentationKind(enum.Enum):
    """Which set of changes augments the slices."""

    PAPER = "paper"
    STRONG = "strong"  # nnU-Net's, with shifts and elastic warps.
    STRONGEST = "strongest"  # The same, larger and more often: for few labelled slices.


class LossKind(enum.Enum):
    """The loss on labelled slices."""

    DICE = "dice"
    DICE_CE = "dice_ce"  # The mean of Dice and cross-entropy.


@dataclasses.dataclass(frozen=True)
class AugmentationConfig:
    """Fine-tuning augmentation of image and label together (design: table).

    The strong kinds have strengths of their own. They take `flip` and `elastic_sigma`
    from here, and rotate by large angles only if `rotation_step_deg` is below 360.
    """

    rotation_deg: float = 15.0
    scale: tuple[float, float] = (0.95, 1.05)
    flip: bool = True  # Left-right; off where left and right must be told apart.
    rotation_step_deg: float = 45.0
    # Standard deviation of the 3x3 displacement grid, as a fraction of the side: 5 of
    # 192 pixels.
    elastic_sigma: float = 5 / 192
    brightness: float = 0.1
    contrast: tuple[float, float] = (0.8, 1.2)
    kind: AugmentationKind = dataclasses.field(
        default=AugmentationKind.PAPER, metadata=checks.LATER
    )

    def __post_init__(self):
        checks.make_members(self)
        step = self.rotation_step_deg
        checks.require(step > 0, "rotation_step_deg", step, "above 0 (360: none)")
        checks.require(self.scale[0] > 0, "scale", self.scale, "above 0")
        checks.ordered(self, 0, "scale", "contrast")
        checks.at_least(self, 0, "elastic_sigma", "brightness")

    @property
    def unused(self) -> tuple[str, ...]:
        """Settings without effect."""
        if self.kind is AugmentationKind.PAPER:
            return ()
        return ("rotation_deg", "scale", "brightness", "contrast")

    @property
    def has_large_rotations(self) -> bool:
        """Whether slices may be rotated by large angles."""
        return self.rotation_step_deg < 360


@dataclasses.dataclass(frozen=True)
class FinetuneConfig(registered.Registered):
    """The fine-tuning stage, with what methods add to it."""

    batch_size: int = 20
    augmentation: AugmentationConfig = AugmentationConfig()
    validate_every: int = 100  # Steps.
    loss: LossKind = dataclasses.field(default=LossKind.DICE, metadata=checks.LATER)
    # Decay of the exponential moving average of the weights, which is then what is
    # validated and kept as the result; 0: the weights themselves are.
    average_decay: float = dataclasses.field(default=0.0, metadata=checks.LATER)
    # Masks keep one connected component of the structures whose validation Dice gains
    # by it.
    largest_component: bool = dataclasses.field(default=False, metadata=checks.LATER)
    # The learning rate decays to 0 on a cosine here, whatever it does in other stages.
    cosine: bool = dataclasses.field(default=False, metadata=checks.LATER)

    def __post_init__(self):
        checks.make_members(self)
        checks.at_least(self, 1, "batch_size")
        decay = self.average_decay
        checks.require(0 <= decay < 1, "average_decay", decay, "in [0, 1)")
        checks.at_least(self, 1, "validate_every")
