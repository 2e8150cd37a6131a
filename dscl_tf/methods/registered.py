"""The registry of methods, the one place that names them."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from dscl_tf import checks
from dscl_tf.methods.adversarial.settings import AdversarialConfig
from dscl_tf.methods.class_contrast.settings import ClassContrastConfig
from dscl_tf.methods.consistency.settings import ConsistencyConfig
from dscl_tf.methods.copy_paste.settings import CopyPasteConfig
from dscl_tf.methods.joint.settings import JointConfig
from dscl_tf.methods.learned_augmentation.settings import LearnedAugmentationConfig
from dscl_tf.methods.mixup.settings import MixupConfig
from dscl_tf.methods.pseudo_labels.settings import PseudoLabelConfig
from dscl_tf.methods.settings import MethodSettings


def _of(settings: type) -> Any:
    # LATER, since a run of an earlier version was made without the method.
    return dataclasses.field(default=settings(), metadata=checks.LATER)


@dataclasses.dataclass(frozen=True)
class Registered:
    """The settings of all methods that add to fine-tuning.

    A field has the name of the method's folder beside this file, which is also that of
    its module in `flags/`. Losses are added in this order.
    """

    mixup: MixupConfig = _of(MixupConfig)
    pseudo_labels: PseudoLabelConfig = _of(PseudoLabelConfig)
    joint: JointConfig = _of(JointConfig)
    class_contrast: ClassContrastConfig = _of(ClassContrastConfig)
    adversarial: AdversarialConfig = _of(AdversarialConfig)
    learned_augmentation: LearnedAugmentationConfig = _of(LearnedAugmentationConfig)
    consistency: ConsistencyConfig = _of(ConsistencyConfig)
    copy_paste: CopyPasteConfig = _of(CopyPasteConfig)

    @property
    def methods(self) -> dict[str, MethodSettings]:
        """The settings of each method by its name."""
        return {name: getattr(self, name) for name in NAMES}

    @property
    def methods_on(self) -> dict[str, MethodSettings]:
        """The settings of those methods that are on, by name."""
        return {name: each for name, each in self.methods.items() if each.is_on}

    @property
    def uses_unlabelled(self) -> bool:
        """Whether the pre-training volumes take part."""
        return any(each.uses_unlabelled for each in self.methods_on.values())

    @property
    def unlabelled_flags(self) -> tuple[str, ...]:
        """Flags of the methods that cannot do without unlabelled slices."""
        found = (each.unlabelled_flag for each in self.methods_on.values())
        return tuple(flag for flag in found if flag)

    @property
    def uses_groups(self) -> tuple[str, ...]:
        """Other settings of the stage that methods read."""
        found = [name for each in self.methods_on.values() for name in each.uses_groups]
        return tuple(dict.fromkeys(found))

    @property
    def draw_number(self) -> int:
        """Makes draws of rounds that share a seed differ: a number from 1; 0: none."""
        return max(each.draw_number for each in self.methods.values())

    @property
    def uses_pseudo_labels(self) -> bool:
        """Whether a method learns from labels that an earlier run gives."""
        return any(each.uses_pseudo_labels for each in self.methods_on.values())

    @property
    def needs_first_round(self) -> bool:
        """Whether a method can only continue a run that was fine-tuned without it."""
        return any(each.needs_first_round for each in self.methods_on.values())

    @property
    def steps_factor(self) -> float:
        """Steps of a round with these methods, as a multiple of fine-tuning's."""
        in_rounds = [e for e in self.methods_on.values() if e.needs_first_round]
        return max((each.steps_factor for each in in_rounds), default=1)

    def without(self, names: Iterable[str]):
        """The same settings with these methods off."""
        return dataclasses.replace(self, **{name: METHODS[name]() for name in names})

    @staticmethod
    def of_earlier(content: Mapping[str, Any]) -> dict[str, Any]:
        """Renames the settings in JSON of earlier versions to today's names."""
        content = dict(content)
        for name, kind in METHODS.items():
            for before, now in kind.earlier_names.items():
                if before in content:
                    content[name] = {now: content.pop(before)}
        return content


METHODS = {field.name: type(field.default) for field in dataclasses.fields(Registered)}
NAMES = tuple(METHODS)
