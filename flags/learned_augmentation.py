"""Learned augmentation."""

from absl import flags

from dscl_tf.methods.learned_augmentation.settings import LearnedAugmentationConfig

_DEFAULT = LearnedAugmentationConfig()

_ENABLED = flags.DEFINE_bool(
    "learned_augmentation",
    _DEFAULT.enabled,
    "Learn from generated deformations and intensity changes of the labelled slices, "
    "too; their generators are trained alongside.",
)
_LATENT = flags.DEFINE_integer(
    "latent_units",
    _DEFAULT.latent_units,
    "Number of random numbers from which a generator makes a change.",
    lower_bound=1,
)
_FOOLING = flags.DEFINE_float(
    "augmentation_adversarial_weight",
    _DEFAULT.adversarial_weight,
    "Weight of the adversarial term in the generators' loss, which makes generated "
    "slices look like unlabelled ones.",
    lower_bound=0,
)
_MAGNITUDE = flags.DEFINE_float(
    "augmentation_magnitude_weight",
    _DEFAULT.magnitude_weight,
    "Weight of the reward for large deformations (in pixels) and intensity changes, in "
    "the generators' loss.",
    lower_bound=0,
)


def settings() -> LearnedAugmentationConfig:
    """Learned augmentation's settings."""
    return LearnedAugmentationConfig(
        enabled=_ENABLED.value,
        latent_units=_LATENT.value,
        adversarial_weight=_FOOLING.value,
        magnitude_weight=_MAGNITUDE.value,
    )
