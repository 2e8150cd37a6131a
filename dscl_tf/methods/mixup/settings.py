"""Settings of mixup."""

import dataclasses
from typing import ClassVar

from dscl_tf import checks
from dscl_tf.methods.settings import MethodSettings, Term


@dataclasses.dataclass(frozen=True)
class MixupConfig(MethodSettings):
    """Images and labels are mixed with weights from Beta(alpha, alpha)."""

    alpha: float = 0.0  # 0: off.

    term = Term("mixup", "Mixup", "Augmentation", {"alpha": 0.2})
    earlier_names: ClassVar = {"mixup_alpha": "alpha"}

    def __post_init__(self):
        checks.require(self.alpha >= 0, "mixup alpha", self.alpha, "at least 0")

    @property
    def is_on(self) -> bool:
        return self.alpha > 0
