"""Fine-tuning and its augmentation."""

from absl import flags
from dscl_flags import command_line

from dscl_tf import config, errors

_DEFAULT = config.FinetuneConfig()
_AUGMENT = _DEFAULT.augmentation

_BATCH_SIZE = flags.DEFINE_integer(
    "finetune_batch_size", _DEFAULT.batch_size, "Slices of a batch.", lower_bound=1
)
_VALIDATE_EVERY = flags.DEFINE_integer(
    "validate_every", _DEFAULT.validate_every, "Steps between validations.", 1
)
_LOSS = flags.DEFINE_enum(
    "loss",
    _DEFAULT.loss.value,
    [kind.value for kind in config.LossKind],
    "What is learned from labelled slices: soft Dice, or its mean with cross-entropy.",
)
_COSINE = flags.DEFINE_bool(
    "finetune_cosine",
    _DEFAULT.cosine,
    "Let fine-tuning's learning rate fall to 0 on a cosine; --cosine does in all "
    "stages.",
)
_AVERAGE = flags.DEFINE_float(
    "average_decay",
    _DEFAULT.average_decay,
    "Decay of a running average of the weights, such as 0.99, which is validated and "
    "kept; 0: off.",
    0,
    0.99999,
)
_LARGEST = flags.DEFINE_bool(
    "largest_component",
    _DEFAULT.largest_component,
    "Masks keep only one connected piece of those structures, or of all together, "
    "for which this raises the Dice on the validation volumes.",
)
_KIND = flags.DEFINE_enum(
    "augmentation",
    _AUGMENT.kind.value,
    [kind.value for kind in config.AugmentationKind],
    "Random changes to labelled slices: the paper's; nnU-Net's with shifts and "
    "elastic warps (strong); or larger ones, made to nearly all slices, for few "
    "labelled volumes (strongest). The strong ones use --flips and --elastic_sigma, "
    "rotate by up to 180 degrees (30 with --rotation_step_deg=360), and otherwise "
    "have strengths of their own.",
)
_FLIPS = flags.DEFINE_bool(
    "flips",
    _AUGMENT.flip,
    "Mirror some slices left-right; turn off if left and right differ in meaning.",
)
_ROTATION = flags.DEFINE_float(
    "rotation_deg", _AUGMENT.rotation_deg, "Largest small rotation, degrees.", 0, 180
)
_SCALE = flags.DEFINE_float(
    "scale_change", _AUGMENT.scale[1] - 1, "Largest scaling, as a fraction.", 0, 0.9
)
_ROTATION_STEP = flags.DEFINE_float(
    "rotation_step_deg",
    _AUGMENT.rotation_step_deg,
    "Large rotations are multiples of this, degrees; 360: none.",
    1,
    360,
)
_ELASTIC = flags.DEFINE_float(
    "elastic_sigma",
    _AUGMENT.elastic_sigma,
    "Standard deviation of elastic displacements, as a fraction of the side.",
    0,
    0.5,
)


def finetune_config() -> config.FinetuneConfig:
    """The fine-tuning stage's settings.

    Raises:
      UserError: a range is given that the chosen augmentation does not take.
    """
    if _KIND.value != config.AugmentationKind.PAPER.value:
        unused = [f.name for f in (_ROTATION, _SCALE) if command_line.is_given(f.name)]
        if unused:
            raise errors.UserError(
                f"--{unused[0]} belongs to --augmentation=paper; the strong ones have "
                "a range of their own (--rotation_step_deg=360: 30 degrees at most)."
            )
    return config.FinetuneConfig(
        batch_size=_BATCH_SIZE.value,
        validate_every=_VALIDATE_EVERY.value,
        loss=config.LossKind(_LOSS.value),
        cosine=_COSINE.value,
        average_decay=_AVERAGE.value,
        largest_component=_LARGEST.value,
        augmentation=config.AugmentationConfig(
            kind=config.AugmentationKind(_KIND.value),
            rotation_deg=_ROTATION.value,
            scale=(1 - _SCALE.value, 1 + _SCALE.value),
            flip=_FLIPS.value,
            rotation_step_deg=_ROTATION_STEP.value,
            elastic_sigma=_ELASTIC.value,
        ),
    )
