"""Bidirectional copy-paste."""

from absl import flags

from dscl_tf.methods.copy_paste.settings import CopyPasteConfig

_DEFAULT = CopyPasteConfig()
_WEIGHT = flags.DEFINE_float(
    "copy_paste_weight",
    _DEFAULT.weight,
    "After fine-tuning, fine-tune once more, with slices in which a box is labelled "
    "and the rest is not, or the other way round; 0: off, else about 1.",
    lower_bound=0,
)
_PSEUDO_WEIGHT = flags.DEFINE_float(
    "copy_paste_pseudo_weight",
    _DEFAULT.pseudo_weight,
    "Weight of the pixels that have pseudo-labels.",
    lower_bound=0,
)
_BOX = flags.DEFINE_float(
    "copy_paste_box",
    _DEFAULT.box_fraction,
    "Sides of the box, as a fraction of the slice's.",
    0.05,
    0.95,
)
_DECAY = flags.DEFINE_float(
    "copy_paste_teacher_decay",
    _DEFAULT.teacher_decay,
    "Decay of the teacher, a running average of the weights that gives the "
    "pseudo-labels; 0: the network teaches itself.",
    0,
    0.99999,
)
_STEPS = flags.DEFINE_float(
    "copy_paste_steps_factor",
    _DEFAULT.steps_factor,
    "Steps of this second fine-tuning, as a multiple of --finetune_steps; raising it "
    "continues one that has ended.",
    lower_bound=0.001,
)


def settings() -> CopyPasteConfig:
    """Copy-paste's settings."""
    return CopyPasteConfig(
        weight=_WEIGHT.value,
        pseudo_weight=_PSEUDO_WEIGHT.value,
        box_fraction=_BOX.value,
        teacher_decay=_DECAY.value,
        steps_factor=_STEPS.value,
    )
