"""Mixup, self-training, joint training, contrast of classes."""

import dataclasses
from typing import Optional

from absl import flags

from dscl_tf import config

_DEFAULT = config.FinetuneConfig()
_JOINT = _DEFAULT.joint
_CONTRAST = _DEFAULT.class_contrast

_MIXUP = flags.DEFINE_float(
    "mixup_alpha",
    _DEFAULT.mixup_alpha,
    "Fine-tuning: mix images and labels with weights from Beta(alpha, alpha); 0: off.",
    lower_bound=0,
)
_ROUNDS = flags.DEFINE_integer(
    "self_training_rounds",
    0,
    "After fine-tuning, fine-tune so many times more, with pseudo-labels that the "
    "round before gives the unlabelled pre-training volumes; 0: off.",
    lower_bound=0,
)
_FIRST = flags.DEFINE_string(
    "self_training_first",
    None,
    "Finished fine-tuning run that serves as the first one; by default "
    "finetune_round_0 in --workdir is trained.",
)
_CONFIDENCE = flags.DEFINE_float(
    "pseudo_confidence",
    _DEFAULT.pseudo_labels.confidence,
    "Probability below which a pixel's pseudo-label is unknown.",
    0,
    1,
)
_TARGETS = flags.DEFINE_bool(
    "pseudo_targets",
    True,
    "Of the rounds: the Dice loss takes pseudo-labels; without, only the contrast of "
    "classes does.",
)
_JOINT_GLOBAL = flags.DEFINE_float(
    "joint_global_weight",
    _JOINT.global_weight,
    "Of the global contrastive loss beside the Dice loss in fine-tuning; 0: off.",
    lower_bound=0,
)
_JOINT_LOCAL = flags.DEFINE_float(
    "joint_local_weight",
    _JOINT.local_weight,
    "Of the local contrastive loss beside the Dice loss in fine-tuning; 0: off.",
    lower_bound=0,
)
_CLASS_WEIGHT = flags.DEFINE_float(
    "class_contrast_weight",
    _CONTRAST.weight,
    "Of the contrast of pixels by their class beside the Dice loss; 0: off.",
    lower_bound=0,
)
_CLASS_TEMPERATURE = flags.DEFINE_float(
    "class_contrast_temperature",
    _CONTRAST.temperature,
    "Softmax temperature of the contrast of classes.",
    lower_bound=1e-6,
)
_PIXELS = flags.DEFINE_integer(
    "pixels_per_class",
    _CONTRAST.pixels_per_class,
    "Pixels of each class that a batch's contrast of classes draws, at most.",
    lower_bound=2,
)


def added_to(finetune: config.FinetuneConfig) -> config.FinetuneConfig:
    """The fine-tuning stage's settings with those of these methods.

    Which run gives pseudo-labels is known round by round (`num_rounds`).
    """
    return dataclasses.replace(
        finetune,
        mixup_alpha=_MIXUP.value,
        pseudo_labels=_pseudo_labels(),
        joint=config.JointConfig(_JOINT_GLOBAL.value, _JOINT_LOCAL.value),
        class_contrast=config.ClassContrastConfig(
            _CLASS_WEIGHT.value, _CLASS_TEMPERATURE.value, _PIXELS.value
        ),
    )


def num_rounds() -> int:
    """Rounds of fine-tuning with pseudo-labels; 0: none."""
    return _ROUNDS.value


def first_round() -> Optional[str]:
    """The run that serves as round 0, where it is there already."""
    return _FIRST.value


def _pseudo_labels() -> config.PseudoLabelConfig:
    # Without rounds there are none: they must not make another run of it.
    if not _ROUNDS.value:
        return config.PseudoLabelConfig()
    return config.PseudoLabelConfig(
        confidence=_CONFIDENCE.value, as_targets=_TARGETS.value
    )
