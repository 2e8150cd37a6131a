"""Settings of adversarial training."""

import dataclasses

from dscl_tf import checks
from dscl_tf.methods.settings import MethodSettings, Term


@dataclasses.dataclass(frozen=True)
class AdversarialConfig(MethodSettings):
    """Adversarial training on the segmentations of labelled and unlabelled slices."""

    weight: float = 0.0  # Of the loss for fooling the discriminator; 0: off.

    term = Term(
        "adversarial", "Adversarial training", "Semi-supervised", {"weight": 0.01}
    )
    uses_unlabelled = True
    unlabelled_flag = "--adversarial_weight"
    needs_true_labels = True

    def __post_init__(self):
        checks.at_least(self, 0, "weight")

    @property
    def is_on(self) -> bool:
        return self.weight > 0
