"""Settings of learned augmentation."""

import dataclasses

from dscl_tf import checks
from dscl_tf.methods.settings import MethodSettings, Term


@dataclasses.dataclass(frozen=True)
class LearnedAugmentationConfig(MethodSettings):
    """Generators of deformations and intensity changes, trained with the segmenter."""

    enabled: bool = False
    latent_units: int = 100  # Length of the noise vector that a change is made from.
    adversarial_weight: float = 1.0  # Of the loss for fooling the discriminator.
    # Of the reward for large changes: their mean size in pixels and in intensity.
    magnitude_weight: float = 1e-3

    term = Term(
        "learned_augmentation",
        "Learned augmentation",
        "Augmentation",
        {"enabled": True},
    )
    uses_unlabelled = True
    unlabelled_flag = "--learned_augmentation"

    def __post_init__(self):
        checks.at_least(self, 0, "adversarial_weight", "magnitude_weight")
        checks.at_least(self, 1, "latent_units")

    @property
    def is_on(self) -> bool:
        return self.enabled
