"""Adversarial training and learned augmentation in fine-tuning."""

import dataclasses

from absl import flags

from dscl_tf import config

_DEFAULT = config.FinetuneConfig()
_LEARNED = _DEFAULT.learned_augmentation

_WEIGHT = flags.DEFINE_float(
    "adversarial_weight",
    _DEFAULT.adversarial.weight,
    "Of making segmentations of unlabelled slices look like those of labelled ones to "
    "a discriminator, beside the Dice loss; 0: off, else about 0.01.",
    lower_bound=0,
)
_ENABLED = flags.DEFINE_bool(
    "learned_augmentation",
    _LEARNED.enabled,
    "Learn from generated deformations and intensity changes of the labelled slices, "
    "too; their generators are trained along.",
)
_LATENT = flags.DEFINE_integer(
    "latent_units",
    _LEARNED.latent_units,
    "Random numbers that a generator makes a change from.",
    lower_bound=1,
)
_FOOLING = flags.DEFINE_float(
    "augmentation_adversarial_weight",
    _LEARNED.adversarial_weight,
    "Of making generated slices look like unlabelled ones, in the generators' loss.",
    lower_bound=0,
)
_MAGNITUDE = flags.DEFINE_float(
    "augmentation_magnitude_weight",
    _LEARNED.magnitude_weight,
    "Of large changes, pixels of displacement and intensities, in the generators' "
    "loss.",
    lower_bound=0,
)


def added_to(finetune: config.FinetuneConfig) -> config.FinetuneConfig:
    """The fine-tuning stage's settings with those of these methods."""
    return dataclasses.replace(
        finetune,
        adversarial=config.AdversarialConfig(_WEIGHT.value),
        learned_augmentation=config.LearnedAugmentationConfig(
            enabled=_ENABLED.value,
            latent_units=_LATENT.value,
            adversarial_weight=_FOOLING.value,
            magnitude_weight=_MAGNITUDE.value,
        ),
    )
