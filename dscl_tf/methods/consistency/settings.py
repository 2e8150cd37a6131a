"""Settings of consistency."""

import dataclasses

from dscl_tf import checks
from dscl_tf.methods.settings import MethodSettings, Term


@dataclasses.dataclass(frozen=True)
class ConsistencyConfig(MethodSettings):
    """What is said of a weak view is the label of strong views (Yang et al., 2023)."""

    weight: float = 0.0  # Of the unlabelled slices' loss; 0: off.
    ramp_steps: int = 100  # Over which the weight rises from 0.
    confidence: float = 0.95  # Pixels with a smaller largest probability are unknown.
    # Of the average of weights that labels weak views; 0: the segmenter itself does.
    teacher_decay: float = 0.99
    cutmix_probability: float = 0.5
    # Share of features dropped in a third view; 0: there is none.
    feature_dropout: float = 0.0
    steps_factor: float = 1.0  # Of its rounds, by those of fine-tuning.

    term = Term(
        "consistency",
        "Consistency",
        "Semi-supervised",
        {"weight": 0.5},
        in_rounds=True,
    )
    uses_unlabelled = True
    needs_first_round = True

    def __post_init__(self):
        for name in ("weight", "ramp_steps"):
            checks.require(getattr(self, name) >= 0, name, getattr(self, name), ">= 0")
        for name in ("confidence", "teacher_decay", "feature_dropout"):
            value = getattr(self, name)
            checks.require(0 <= value < 1, name, value, "in [0, 1)")
        probability = self.cutmix_probability
        checks.require(
            0 <= probability <= 1, "cutmix_probability", probability, "in [0, 1]"
        )

        factor = self.steps_factor
        checks.require(factor > 0, "steps_factor", factor, "above 0")

    @property
    def is_on(self) -> bool:
        return self.weight > 0

    @property
    def unused(self) -> tuple[str, ...]:
        """Settings without effect: all, where it is off; the rounds have the steps."""
        if self.is_on:
            return ("steps_factor",)
        return tuple(each.name for each in dataclasses.fields(self))
