"""What the settings of a method say of it to the rest of the library."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

from dscl_tf import checks


@dataclasses.dataclass(frozen=True)
class Term:
    """A method as a term of an experiment's rows, such as "gd+lr+mixup"."""

    name: str
    title: str
    group: str  # Its heading among the rows, as in Table 2 of the paper.
    # What it sets, by the names of its settings, where the flags leave it off.
    turned_on: Mapping[str, Any]
    in_rounds: bool = False  # Whether it goes on from a first, finished round.


class MethodSettings:
    """Base of the frozen dataclass that a method's `settings.py` has.

    All its fields have defaults, with which the method is off. It may have `unused`,
    the names of fields without effect: they do not tell runs apart.
    """

    term: ClassVar[Term]
    # Whether the pre-training volumes take part, beside the labelled ones.
    uses_unlabelled: ClassVar[bool] = False
    # The flag that turns it on, if it cannot do without unlabelled slices.
    unlabelled_flag: ClassVar[str] = ""
    # Whether these must be of volumes that have no label in the run.
    needs_volumes: ClassVar[bool] = False
    # Whether it takes every label for a person's, so that pseudo-labels do not do.
    needs_true_labels: ClassVar[bool] = False
    # Whether it learns from labels that an earlier run gives.
    uses_pseudo_labels: ClassVar[bool] = False
    # Whether it goes on from a run without it, or not at all.
    needs_first_round: ClassVar[bool] = False
    # Steps of its rounds, by those of fine-tuning.
    steps_factor: float = 1.0
    # Other settings of the stage that it reads: "views", "global_", "local".
    uses_groups: ClassVar[tuple[str, ...]] = ()
    # Today's field by the name that FinetuneConfig had for it in earlier versions.
    earlier_names: ClassVar[Mapping[str, str]] = {}

    @property
    def is_on(self) -> bool:
        """Whether fine-tuning asks the method for its parts."""
        raise NotImplementedError

    @property
    def unused(self) -> tuple[str, ...]:
        """Settings without effect: all, where it is off."""
        if self.is_on:
            return ()
        return tuple(field.name for field in dataclasses.fields(self))

    @property
    def draw_number(self) -> int:
        """Tells runs apart that go on from each other and share a seed, from 1."""
        return 0


@dataclasses.dataclass(frozen=True)
class TaughtSettings(MethodSettings):
    """Of a method in which an average of the segmenter labels unlabelled slices."""

    weight: float = 0.0  # Of the unlabelled slices' loss; 0: off.
    # Of the average of weights that labels; 0: the segmenter itself does.
    teacher_decay: float = 0.99
    steps_factor: float = 1.0  # Of its rounds, by those of fine-tuning.

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
        """All, if off; always `steps_factor`: the rounds' steps have it in them."""
        return ("steps_factor",) if self.is_on else super().unused
