"""What a method's settings tell the rest of the library about it."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

from dscl_tf import checks


@dataclasses.dataclass(frozen=True)
class Term:
    """A method as a term in an experiment's rows, such as "gd+lr+mixup"."""

    name: str
    title: str
    group: str  # Its heading among the rows, as in Table 2 of the paper.
    # The settings, by name, that turn it on if the flags leave it off.
    turned_on: Mapping[str, Any]
    in_rounds: bool = False  # Whether it is for the rounds after a first, finished one.


class MethodSettings:
    """Base of the frozen dataclass in a method's `settings.py`.

    All its fields have defaults, with which the method is off. It may override
    `unused`, the names of fields without effect, which do not distinguish runs.
    """

    term: ClassVar[Term]
    # Whether the pre-training volumes take part, beside the labelled ones.
    uses_unlabelled: ClassVar[bool] = False
    # The flag that turns it on, if it cannot do without unlabelled slices.
    unlabelled_flag: ClassVar[str] = ""
    # Whether these slices must be of volumes without any label in the run.
    needs_volumes: ClassVar[bool] = False
    # Whether it needs manual labels, and so cannot be combined with pseudo-labels.
    needs_true_labels: ClassVar[bool] = False
    # Whether it learns from labels that an earlier run gives.
    uses_pseudo_labels: ClassVar[bool] = False
    # Whether it can only continue a run that was fine-tuned without it.
    needs_first_round: ClassVar[bool] = False
    # Steps of its rounds, as a multiple of fine-tuning's.
    steps_factor: float = 1.0
    # Other settings of the stage that it reads: "views", "global_", "local".
    uses_groups: ClassVar[tuple[str, ...]] = ()
    # Its fields by the names that they had in the FinetuneConfig of earlier versions.
    earlier_names: ClassVar[Mapping[str, str]] = {}

    @property
    def is_on(self) -> bool:
        """Whether fine-tuning asks the method for its parts."""
        raise NotImplementedError

    @property
    def unused(self) -> tuple[str, ...]:
        """Settings without effect: all of them if it is off."""
        if self.is_on:
            return ()
        return tuple(field.name for field in dataclasses.fields(self))

    @property
    def draw_number(self) -> int:
        """Makes draws of rounds that share a seed differ: a number from 1; 0: none."""
        return 0


@dataclasses.dataclass(frozen=True)
class TaughtSettings(MethodSettings):
    """Settings of a method in which an average of the segmenter labels slices."""

    weight: float = 0.0  # Of the unlabelled slices' loss; 0: off.
    # Decay of the exponential moving average of the weights, with which the teacher
    # labels; 0: the segmenter itself labels.
    teacher_decay: float = 0.99
    steps_factor: float = 1.0  # Steps of its rounds, as a multiple of fine-tuning's.

    uses_unlabelled = True
    needs_first_round = True

    def __post_init__(self):
        checks.at_least(self, 0, "weight")
        decay, factor = self.teacher_decay, self.steps_factor
        checks.require(0 <= decay < 1, "teacher_decay", decay, "in [0, 1)")
        checks.require(factor > 0, "steps_factor", factor, "above 0")

    @property
    def is_on(self) -> bool:
        return self.weight > 0

    @property
    def unused(self) -> tuple[str, ...]:
        """All if off; always `steps_factor`, which the rounds' number of steps has."""
        return ("steps_factor",) if self.is_on else super().unused
