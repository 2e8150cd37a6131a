"""Settings of consistency."""

import dataclasses

from dscl_tf import checks
from dscl_tf.methods.settings import TaughtSettings, Term


@dataclasses.dataclass(frozen=True)
class ConsistencyConfig(TaughtSettings):
    """Predictions on a weak view are labels of strong views (Yang et al., 2023)."""

    ramp_steps: int = 100  # Over which the weight rises from 0.
    confidence: float = 0.95  # Pixels with a smaller largest probability are unknown.
    cutmix_probability: float = 0.5
    # Share of features dropped in a third view; 0: no third view.
    feature_dropout: float = 0.0
    # Pseudo-labels keep one connected component of each slice, if labelled slices have
    # just one.
    one_piece: bool = dataclasses.field(default=False, metadata=checks.LATER)

    unlabelled_flag = "--consistency_weight"
    term = Term(
        "consistency",
        "Consistency",
        "Semi-supervised",
        {"weight": 0.5},
        in_rounds=True,
    )

    def __post_init__(self):
        super().__post_init__()
        checks.at_least(self, 0, "ramp_steps")
        for name in ("confidence", "feature_dropout"):
            value = getattr(self, name)
            checks.require(0 <= value < 1, name, value, "in [0, 1)")
        probability = self.cutmix_probability
        checks.require(
            0 <= probability <= 1, "cutmix_probability", probability, "in [0, 1]"
        )
