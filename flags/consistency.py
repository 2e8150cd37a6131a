"""Consistency from weak to strong views."""

from absl import flags

from dscl_tf.methods.consistency.settings import ConsistencyConfig

_DEFAULT = ConsistencyConfig()
_WEIGHT = flags.DEFINE_float(
    "consistency_weight",
    _DEFAULT.weight,
    "After fine-tuning, fine-tune once more, now also learning to segment strong "
    "views of unlabelled slices like their weak views; 0: off, else about 0.5.",
    lower_bound=0,
)
_STEPS = flags.DEFINE_float(
    "consistency_steps_factor",
    _DEFAULT.steps_factor,
    "Steps of this second fine-tuning, as a multiple of --finetune_steps; raising it "
    "continues one that has ended.",
    lower_bound=0.001,
)
_RAMP = flags.DEFINE_integer(
    "consistency_ramp_steps",
    _DEFAULT.ramp_steps,
    "Steps over which the weight rises from 0.",
    lower_bound=0,
)
_CONFIDENCE = flags.DEFINE_float(
    "consistency_confidence",
    _DEFAULT.confidence,
    "Probability below which a pixel's label is unknown.",
    0,
    0.99999,
)
_DECAY = flags.DEFINE_float(
    "consistency_teacher_decay",
    _DEFAULT.teacher_decay,
    "Decay of the teacher, a running average of the weights that labels the weak "
    "views; 0: the network teaches itself.",
    0,
    0.99999,
)
_CUTMIX = flags.DEFINE_float(
    "consistency_cutmix",
    _DEFAULT.cutmix_probability,
    "Probability that a strong view has a box of another slice in it.",
    0,
    1,
)
_DROPOUT = flags.DEFINE_float(
    "consistency_feature_dropout",
    _DEFAULT.feature_dropout,
    "Share of the encoder's channels dropped in a third view; 0: no such view, else "
    "about 0.5.",
    0,
    0.99,
)
_ONE_PIECE = flags.DEFINE_bool(
    "consistency_one_piece",
    _DEFAULT.one_piece,
    "Labels of weak views keep one piece of all structures together, if each labelled "
    "slice has one.",
)


def settings() -> ConsistencyConfig:
    """Consistency's settings."""
    return ConsistencyConfig(
        weight=_WEIGHT.value,
        ramp_steps=_RAMP.value,
        confidence=_CONFIDENCE.value,
        teacher_decay=_DECAY.value,
        cutmix_probability=_CUTMIX.value,
        feature_dropout=_DROPOUT.value,
        one_piece=_ONE_PIECE.value,
        steps_factor=_STEPS.value,
    )
