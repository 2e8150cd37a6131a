"""Settings of copy-paste."""

import dataclasses

from dscl_tf import checks
from dscl_tf.methods.settings import MethodSettings, Term


@dataclasses.dataclass(frozen=True)
class CopyPasteConfig(MethodSettings):
    """Slices that are labelled within a box, or outside of it (Bai et al., 2023)."""

    weight: float = 0.0  # Of the mixed slices' loss; 0: off.
    pseudo_weight: float = 0.5  # Of their pixels that a teacher labelled.
    box_fraction: float = 2 / 3  # Sides of the box by those of the slice.
    teacher_decay: float = 0.99
    steps_factor: float = 1.0  # Of its rounds, by those of fine-tuning.

    term = Term(
        "copy_paste",
        "Copy-paste",
        "Semi-supervised",
        {"weight": 1.0},
        in_rounds=True,
    )
    uses_unlabelled = True
    needs_first_round = True

    def __post_init__(self):
        for name in ("weight", "pseudo_weight"):
            checks.require(getattr(self, name) >= 0, name, getattr(self, name), ">= 0")
        decay, side = self.teacher_decay, self.box_fraction
        checks.require(0 <= decay < 1, "teacher_decay", decay, "in [0, 1)")
        checks.require(0 < side < 1, "box_fraction", side, "between 0 and 1")

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
