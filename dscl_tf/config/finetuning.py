"""Settings of fine-tuning."""

import dataclasses
from typing import Optional

from dscl_tf.config import checks


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
class PseudoLabelConfig:
    """Labels that an earlier run gives the unlabelled volumes."""

    # Run whose segmenter predicts them; None: no pseudo-labels.
    teacher: Optional[str] = None
    confidence: float = 0.9  # Pixels with a smaller largest probability are unknown.
    as_targets: bool = False  # Self-training: the Dice loss takes them, too.
    # Of the rounds, from 1; each has draws of its own.
    round: int = dataclasses.field(default=0, metadata=checks.LATER)

    def __post_init__(self):
        checks.require(
            0 <= self.confidence < 1, "confidence", self.confidence, "in [0, 1)"
        )

    @property
    def unused(self) -> tuple[str, ...]:
        """Settings without effect: all, where nobody teaches."""
        return () if self.teacher else ("confidence", "as_targets", "round")


@dataclasses.dataclass(frozen=True)
class ClassContrastConfig:
    """Contrast of pixels by their true or pseudo class, beside the Dice loss."""

    weight: float = 0.0  # 0: off.
    temperature: float = 0.1
    pixels_per_class: int = 64  # Drawn in each batch for each class.

    def __post_init__(self):
        checks.require(self.weight >= 0, "weight", self.weight, "at least 0")
        checks.require(self.temperature > 0, "temperature", self.temperature, "above 0")
        checks.require(
            self.pixels_per_class >= 2,
            "pixels_per_class",
            self.pixels_per_class,
            "at least 2",
        )

    @property
    def unused(self) -> tuple[str, ...]:
        """Settings without effect: all, where it is off."""
        return () if self.weight else ("temperature", "pixels_per_class")


@dataclasses.dataclass(frozen=True)
class JointConfig:
    """The contrastive losses beside the Dice loss, in one stage (section 3.4)."""

    global_weight: float = 0.0  # Of L_g; 0: off.
    local_weight: float = 0.0  # Of L_l; 0: off.

    def __post_init__(self):
        for name in ("global_weight", "local_weight"):
            checks.require(getattr(self, name) >= 0, name, getattr(self, name), ">= 0")


@dataclasses.dataclass(frozen=True)
class AdversarialConfig:
    """Adversarial training: segmentations of unlabelled slices must look labelled."""

    weight: float = 0.0  # Of fooling the discriminator; 0: off.

    def __post_init__(self):
        checks.require(self.weight >= 0, "weight", self.weight, "at least 0")


@dataclasses.dataclass(frozen=True)
class LearnedAugmentationConfig:
    """Generators of deformations and of intensity changes, trained with the task."""

    enabled: bool = False
    latent_units: int = 100  # Of the noise that a change is made from.
    adversarial_weight: float = 1.0  # Of fooling the discriminator.
    # Of the reward for changes, by their mean size in pixels and in intensity.
    magnitude_weight: float = 1e-3

    def __post_init__(self):
        for name in ("adversarial_weight", "magnitude_weight"):
            checks.require(getattr(self, name) >= 0, name, getattr(self, name), ">= 0")
        checks.require(
            self.latent_units >= 1, "latent_units", self.latent_units, "at least 1"
        )

    @property
    def unused(self) -> tuple[str, ...]:
        """Settings without effect: all, where it is off."""
        names = ("latent_units", "adversarial_weight", "magnitude_weight")
        return () if self.enabled else names


def _later(factory: type) -> dataclasses.Field:
    return dataclasses.field(default=factory(), metadata=checks.LATER)


@dataclasses.dataclass(frozen=True)
class FinetuneConfig:
    """The fine-tuning stage, with what else may learn beside the Dice loss."""

    batch_size: int = 20
    augmentation: AugmentationConfig = AugmentationConfig()
    validate_every: int = 100  # Steps.
    # Images and labels are mixed with weights from Beta(alpha, alpha); 0: off.
    mixup_alpha: float = dataclasses.field(default=0.0, metadata=checks.LATER)
    pseudo_labels: PseudoLabelConfig = _later(PseudoLabelConfig)
    class_contrast: ClassContrastConfig = _later(ClassContrastConfig)
    joint: JointConfig = _later(JointConfig)
    adversarial: AdversarialConfig = _later(AdversarialConfig)
    learned_augmentation: LearnedAugmentationConfig = _later(LearnedAugmentationConfig)

    def __post_init__(self):
        checks.require(
            self.batch_size >= 1, "batch_size", self.batch_size, "at least 1"
        )
        checks.require(
            self.validate_every >= 1, "validate_every", self.validate_every, ">= 1"
        )
        checks.require(
            self.mixup_alpha >= 0, "mixup_alpha", self.mixup_alpha, "at least 0"
        )

    @property
    def is_joint(self) -> bool:
        """Whether a contrastive loss is trained in this stage."""
        return self.joint.global_weight > 0 or self.joint.local_weight > 0

    @property
    def uses_unlabelled(self) -> bool:
        """Whether the pre-training volumes take part."""
        return (
            self.pseudo_labels.teacher is not None
            or self.is_joint
            or self.adversarial.weight > 0
            or self.learned_augmentation.enabled
        )
