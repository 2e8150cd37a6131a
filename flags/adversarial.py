"""Adversarial training."""

from absl import flags

from dscl_tf.methods.adversarial.settings import AdversarialConfig

_WEIGHT = flags.DEFINE_float(
    "adversarial_weight",
    AdversarialConfig().weight,
    "Of making segmentations of unlabelled slices look like those of labelled ones to "
    "a discriminator, beside the Dice loss; 0: off, else about 0.01.",
    lower_bound=0,
)


def settings() -> AdversarialConfig:
    """Adversarial training's settings."""
    return AdversarialConfig(_WEIGHT.value)
