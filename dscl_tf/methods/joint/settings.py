"""Settings of joint training."""

import dataclasses

from dscl_tf import checks
from dscl_tf.methods.settings import MethodSettings, Term


@dataclasses.dataclass(frozen=True)
class JointConfig(MethodSettings):
    """The contrastive losses beside the Dice loss, in one stage (section 3.4)."""

    global_weight: float = 0.0  # Of L_g; 0: off.
    local_weight: float = 0.0  # Of L_l; 0: off.

    term = Term(
        "joint",
        "Joint training",
        "Semi-supervised",
        {"global_weight": 0.1, "local_weight": 0.1},
    )
    uses_unlabelled = True
    uses_groups = ("views", "global_", "local")

    def __post_init__(self):
        checks.at_least(self, 0, "global_weight", "local_weight")

    @property
    def is_on(self) -> bool:
        return self.global_weight > 0 or self.local_weight > 0
