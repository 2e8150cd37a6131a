"""Joint training."""

from absl import flags

from dscl_tf.methods.joint.settings import JointConfig

_DEFAULT = JointConfig()

_GLOBAL = flags.DEFINE_float(
    "joint_global_weight",
    _DEFAULT.global_weight,
    "Weight of the global contrastive loss, added to the Dice loss in fine-tuning; "
    "0: off.",
    lower_bound=0,
)
_LOCAL = flags.DEFINE_float(
    "joint_local_weight",
    _DEFAULT.local_weight,
    "Weight of the local contrastive loss, added to the Dice loss in fine-tuning; "
    "0: off.",
    lower_bound=0,
)


def settings() -> JointConfig:
    """The weights of the contrastive losses."""
    return JointConfig(_GLOBAL.value, _LOCAL.value)
