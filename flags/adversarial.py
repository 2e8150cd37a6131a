"""Adversarial training."""

from absl import flags

from dscl_tf.methods.adversarial.settings import AdversarialConfig

_WEIGHT = flags.DEFINE_float(
    "adversarial_weight",
    AdversarialConfig().weight,
    "Weight of the adversarial loss: a discriminator compares segmentations of "
    "unlabelled and labelled slices. 0: off; try 0.01.",
    lower_bound=0,
)


def settings() -> AdversarialConfig:
    """Adversarial training's settings."""
    return AdversarialConfig(_WEIGHT.value)
