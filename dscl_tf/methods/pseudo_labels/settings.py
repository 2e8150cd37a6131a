"""Settings of pseudo-labels."""

import dataclasses
from typing import Optional

from dscl_tf import checks
from dscl_tf.methods.settings import MethodSettings, Term


@dataclasses.dataclass(frozen=True)
class PseudoLabelConfig(MethodSettings):
    """Labels that an earlier run gives the unlabelled volumes."""

    # Run whose segmenter predicts them; None: no pseudo-labels.
    teacher: Optional[str] = dataclasses.field(default=None, metadata=checks.RUN)
    confidence: float = 0.9  # Pixels with a smaller largest probability are unknown.
    as_targets: bool = False  # Self-training: the Dice loss takes them, too.
    # The share of each class's pixels, the most confident ones, that is known, whatever
    # their probability; 0: `confidence` decides.
    keep_fraction: float = dataclasses.field(default=0.0, metadata=checks.LATER)
    # Number of the round, from 1; each round has draws of its own.
    round: int = dataclasses.field(default=0, metadata=checks.LATER)

    term = Term(
        "self_training",
        "Self-training",
        "Semi-supervised",
        {"as_targets": True},
        in_rounds=True,
    )
    uses_unlabelled = True
    unlabelled_flag = "--self_training_rounds"
    needs_volumes = True
    uses_pseudo_labels = True

    def __post_init__(self):
        checks.require(
            0 <= self.confidence < 1, "confidence", self.confidence, "in [0, 1)"
        )
        kept = self.keep_fraction
        checks.require(0 <= kept <= 1, "keep_fraction", kept, "in [0, 1]")

    @property
    def is_on(self) -> bool:
        return self.teacher is not None or self.as_targets

    @property
    def draw_number(self) -> int:
        return self.round

    @property
    def unused(self) -> tuple[str, ...]:
        """Settings that do not distinguish runs: all of them without a teacher."""
        # The round follows from the teacher.
        if not self.teacher:
            return ("confidence", "keep_fraction", "as_targets", "round")
        return ("confidence", "round") if self.keep_fraction else ("round",)
