"""Settings of the contrast of classes."""

import dataclasses

from dscl_tf import checks
from dscl_tf.methods.settings import MethodSettings, Term


@dataclasses.dataclass(frozen=True)
class ClassContrastConfig(MethodSettings):
    """Contrast of pixels by their true or pseudo class, beside the Dice loss."""

    weight: float = 0.0  # 0: off.
    temperature: float = 0.1
    pixels_per_class: int = 64  # Drawn in each batch for each class.

    term = Term(
        "class_contrast",
        "Contrast of classes",
        "Semi-supervised",
        {"weight": 0.1},
        in_rounds=True,
    )
    uses_pseudo_labels = True

    def __post_init__(self):
        checks.at_least(self, 0, "weight")
        checks.require(self.temperature > 0, "temperature", self.temperature, "above 0")
        checks.at_least(self, 2, "pixels_per_class")

    @property
    def is_on(self) -> bool:
        return self.weight > 0
