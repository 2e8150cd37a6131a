"""Mixup."""

from absl import flags

from dscl_tf.methods.mixup.settings import MixupConfig

_ALPHA = flags.DEFINE_float(
    "mixup_alpha",
    MixupConfig().alpha,
    "Fine-tuning: mix images and labels with weights from Beta(alpha, alpha); 0: off.",
    lower_bound=0,
)


def settings() -> MixupConfig:
    """Mixup's settings."""
    return MixupConfig(_ALPHA.value)
