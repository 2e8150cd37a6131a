"""Contrast of classes."""

from absl import flags

from dscl_tf.methods.class_contrast.settings import ClassContrastConfig

_DEFAULT = ClassContrastConfig()

_WEIGHT = flags.DEFINE_float(
    "class_contrast_weight",
    _DEFAULT.weight,
    "Weight of the contrast of classes (pixels of one class attract, of others repel), "
    "added to the Dice loss; 0: off.",
    lower_bound=0,
)
_TEMPERATURE = flags.DEFINE_float(
    "class_contrast_temperature",
    _DEFAULT.temperature,
    "Softmax temperature of the contrast of classes.",
    lower_bound=1e-6,
)
_PIXELS = flags.DEFINE_integer(
    "pixels_per_class",
    _DEFAULT.pixels_per_class,
    "Pixels of each class that a batch's contrast of classes draws, at most.",
    lower_bound=2,
)


def settings() -> ClassContrastConfig:
    """The contrast of classes' settings."""
    return ClassContrastConfig(_WEIGHT.value, _TEMPERATURE.value, _PIXELS.value)
